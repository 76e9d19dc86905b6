"""protocol: commands and replies arrive as they were sent."""

import pickle
import socket
from io import BufferedRWPair

import numpy as np
import pytest

from sagemaker_gluoncv_container.errors import ModelNotFound
from sagemaker_gluoncv_container.inference.answers import Measured, Predictions
from sagemaker_gluoncv_container.serving.workers import protocol
from sagemaker_gluoncv_container.serving.workers.protocol import Load, Loaded, Ping, Predict, Unload, WorkerSettings


@pytest.mark.parametrize("gpu", [None, 0, 3])
def test_settings_pass_a_command_line(gpu: int | None) -> None:
    """A worker's settings come back from one argument of text."""
    settings = WorkerSettings(4, "int8", gpu)
    assert WorkerSettings.from_argument(settings.as_argument()) == settings


def streams() -> tuple[BufferedRWPair, BufferedRWPair]:
    """Return the two ends of a connection."""
    one, other = socket.socketpair()
    pair = one.makefile("rwb"), other.makefile("rwb")
    one.close()
    other.close()
    return pair


@pytest.mark.parametrize(
    "message",
    [
        Ping(),
        Load("a/b", "/models/a", {"resize": 256}, 2, measure=True),
        Unload("\u00fc"),
        Predict("", [b"picture", b""], alone=True),
        Loaded("OpenVINO", "int8", "it passed", Measured({1: 0.5, 2: 0.3}, 2)),
        None,
    ],
)
def test_messages_arrive(message: object) -> None:
    """What one side writes the other reads, equal."""
    ours, theirs = streams()
    with ours, theirs:
        protocol.write(ours, message)
        assert protocol.read(theirs) == message


def test_results_arrive() -> None:
    """Probabilities keep their bits, and an error its message and status."""
    ours, theirs = streams()
    with ours, theirs:
        protocol.write(ours, Predictions([np.float32([0.1, 0.9]), ModelNotFound.named("a")], 0.5, 0.25))
        found = protocol.read(theirs)
    assert (found.results[0] == np.float32([0.1, 0.9])).all()
    assert isinstance(found.results[1], ModelNotFound)
    assert (str(found.results[1]), found.results[1].status) == (str(ModelNotFound.named("a")), 404)


def test_the_other_side_is_gone() -> None:
    """Reading ends with one of the errors that are documented, before and within a message."""
    for sent in (b"", pickle.dumps(Load("a", "b", {}, 1))[:-3]):
        ours, theirs = streams()
        with theirs:
            with ours:
                ours.write(sent)
            with pytest.raises((EOFError, pickle.UnpicklingError)):
                protocol.read(theirs)
