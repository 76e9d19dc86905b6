"""worker: the replies to each command, and the end of the process with its connection."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.errors import ContainerError, ModelNotFound, UnreadablePicture
from sagemaker_gluoncv_container.inference.answers import Predictions
from sagemaker_gluoncv_container.serving.workers import protocol
from sagemaker_gluoncv_container.serving.workers.protocol import Load, Loaded, Ping, Predict, Unload, WorkerSettings
from sagemaker_gluoncv_container.serving.workers.worker import Predictors

SETTINGS = WorkerSettings(1, "auto")


@pytest.fixture
def predictors() -> Predictors:
    """Return a worker without models."""
    return Predictors(SETTINGS)


def load(name: str, directory: Path) -> Load:
    """Return the command to load a model."""
    return Load(name, str(directory), {}, 1)


def test_a_model_comes_and_goes(predictors: Predictors, base: Path) -> None:
    """A loaded model answers under its name, and not after it is unloaded."""
    loaded = predictors.reply(load("a", base / "model"))
    assert loaded == Loaded("OpenVINO", "float32", "the model was not calibrated for int8")
    found = predictors.reply(Predict("a", [b"no picture"], alone=False))
    assert isinstance(found, Predictions)
    assert isinstance(found.results[0], UnreadablePicture)
    assert predictors.reply(Unload("a")) is None
    gone = predictors.reply(Predict("a", [b"", b""], alone=False))
    assert isinstance(gone, Predictions)
    assert [type(each) for each in gone.results] == [ModelNotFound] * 2


def test_what_is_no_error(predictors: Predictors) -> None:
    """A ping, and the unloading of what is not loaded, are answered with nothing."""
    assert predictors.reply(Ping()) is None
    assert predictors.reply(Unload("unknown")) is None


def test_measuring(predictors: Predictors, base: Path) -> None:
    """A load that asks for it says how many threads are best for a lone picture; others do not measure."""
    loaded = predictors.reply(Load("", str(base / "model"), {}, 2, measure=True))
    assert isinstance(loaded, Loaded)
    assert loaded.measured
    assert list(loaded.measured.seconds) == [1, 2]
    again = predictors.reply(Load("", str(base / "model"), {}, 2))
    assert isinstance(again, Loaded)
    assert again.measured is None


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x12\x01" + bytes(7)])
def test_a_model_that_cannot_be_loaded(predictors: Predictors, base: Path, tmp_path: Path, content: bytes) -> None:
    """Damaged parameters are a reply that says so, and no model of that name is there."""
    for file in (base / "model").iterdir():
        (tmp_path / file.name).write_bytes(content if file.suffix == ".params" else file.read_bytes())
    error = predictors.reply(load("a", tmp_path))
    assert isinstance(error, ContainerError)
    assert "cannot be loaded" in str(error)
    assert isinstance(predictors.reply(Predict("a", [b""], alone=False)).results[0], ModelNotFound)  # type: ignore[attr-defined]


def test_the_process() -> None:
    """The process answers on its connection, outlives SIGTERM, and ends with the connection."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "sagemaker_gluoncv_container.serving.workers.worker"]
    process = subprocess.Popen([*command, str(theirs.fileno()), SETTINGS.as_argument()], pass_fds=[theirs.fileno()])
    theirs.close()
    with ours, ours.makefile("rwb") as stream:
        for _ in range(2):
            protocol.write(stream, Ping())
            assert protocol.read(stream) is None
            process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
