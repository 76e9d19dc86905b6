"""training.job: how a failure is reported, and what an early stop leaves; whole jobs are integration tests."""

import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.contract import Paths
from sagemaker_gluoncv_container.training import job
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """Return the tree of this process's job, whose signal handler is put back afterwards."""
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    handler = signal.getsignal(signal.SIGTERM)
    yield Paths(tmp_path)
    signal.signal(signal.SIGTERM, handler)


def give(paths: Paths, **hyperparameters: Any) -> None:
    """Write hyperparameters.json."""
    paths.config.mkdir(parents=True)
    (paths.config / "hyperparameters.json").write_text(json.dumps(hyperparameters))


def test_fault_of_the_user(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    """What the user can fix ends the job with 2, and the log and the failure file say the same."""
    give(paths, epochs="0", epoch="3")
    assert job.main() == 2
    failure = paths.failure.read_text()
    assert failure.startswith("ClientError: 2 faults. (1) Hyperparameter epochs is '0'. ")
    assert caplog.messages == [failure]


def test_other_fault(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    """Anything else ends the job with 1, its kind in the failure file and its traceback in the log."""
    (paths.config / "hyperparameters.json").mkdir(parents=True)
    assert job.main() == 1
    failure = paths.failure.read_text()
    assert failure.startswith("AlgorithmError: [Errno 21] Is a directory")
    assert failure.endswith("(caused by IsADirectoryError)")
    assert "Traceback (most recent call last)" in caplog.text


def test_failure_that_cannot_be_written(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    """Without a failure file there is still the exit code, and the log."""
    paths.failure.mkdir(parents=True)
    assert job.main() == 2
    assert caplog.messages[0].startswith("ClientError: 2 faults. (1) Channel train is missing.")
    assert caplog.messages[1].startswith(f"The reason could not be written to {paths.failure}: ")


def test_long_failure(paths: Paths) -> None:
    """A reason longer than what the platform shows is cut, its beginning kept."""
    give(paths, **{f"unknown_{number}": "1" for number in range(100)})
    assert job.main() == 2
    failure = paths.failure.read_text()
    assert len(failure) == 1024
    assert failure.startswith("ClientError: 100 faults. (1) Hyperparameter unknown_0 is unknown.")


def test_stop_before_the_first_batch(
    paths: Paths, write_channel: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """A job that is stopped before it has trained still leaves a model, and says what it is worth."""
    caplog.set_level(logging.INFO)
    for name in ("train", "validation"):
        write_channel(paths.channel(name), [0, 1, 2])
    stop = threading.Event()
    stop.set()
    job.run(paths, Hyperparameters(use_pretrained_model=False, image_shape=(3, 32, 32)), stop)
    description = artifact.load(paths.model).description
    assert (description.epoch, description.num_classes, description.metrics) == (0, 3, {})
    assert "never validated" in caplog.text


def test_pretrained_weights_that_are_not_there(
    paths: Paths, write_channel: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By default a job fine-tunes, and needs base weights."""
    monkeypatch.setenv("SAGEMAKER_GLUONCV_PRETRAINED_DIR", str(tmp_path))
    for name in ("train", "validation"):
        write_channel(paths.channel(name), [0, 1])
    assert job.main() == 2
    assert "holds no base weights of resnet18_v1b" in paths.failure.read_text()
