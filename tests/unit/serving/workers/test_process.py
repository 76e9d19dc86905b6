"""process: a worker process, asked over its socket, that answers, dies or hangs."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sagemaker_gluoncv_container.errors import ContainerError, WorkerLost
from sagemaker_gluoncv_container.serving.workers.process import WorkerProcess
from sagemaker_gluoncv_container.serving.workers.protocol import Load, Loaded, Ping, Predict, WorkerSettings

SECONDS = 60


@pytest.fixture
def process() -> Iterator[WorkerProcess]:
    """Return a worker process that answers."""
    process = WorkerProcess(WorkerSettings(1, "auto"))
    process.call(Ping(), SECONDS)
    yield process
    process.end(0)


def test_calls(process: WorkerProcess, base: Path) -> None:
    """A reply is returned, and an error that is a reply is raised; then the process still lives."""
    loaded = process.call(Load("", str(base / "model"), {}, 1), SECONDS)
    assert isinstance(loaded, Loaded)
    assert (loaded.engine, loaded.precision) == ("OpenVINO", "float32")
    with pytest.raises(ContainerError, match="nowhere"):
        process.call(Load("b", str(base / "nowhere"), {}, 1), SECONDS)
    assert len(process.call(Predict("", [b"no picture"] * 2, alone=False), SECONDS).results) == 2
    assert psutil.pid_exists(process.pid)


def test_death(process: WorkerProcess) -> None:
    """A process that ended is told by its exit code, and by what the command's loss means."""
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(WorkerLost, match="ended with -9. The picture was not computed. The container may lack memory"):
        process.call(Predict("", [b""], alone=False), SECONDS)


@pytest.mark.parametrize("size", [0, 8 << 20])
def test_hanging(process: WorkerProcess, size: int) -> None:
    """A process that stands still is told after the given time, also if it does not read, and ended at once."""
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(WorkerLost, match=r"did not answer a Predict within 0\.2 s"):
        process.call(Predict("", [bytes(size)], alone=False), 0.2)
    process.end(0)
    assert not psutil.pid_exists(process.pid)


def test_a_regular_end(process: WorkerProcess) -> None:
    """A process whose connection closes ends by itself, with 0."""
    process.end(10)
    assert process._process.returncode == 0


def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the system gives no process the error says so."""

    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(WorkerLost, match="could not be started.*Resource temporarily unavailable"):
        WorkerProcess(WorkerSettings(1, "auto"))


def test_settings_reach_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads are in its environment too: MXNet and OpenMP read them there."""
    seen: dict[str, object] = {}

    def popen(command: list[str], env: dict[str, str], **_: object) -> None:
        seen.update(settings=WorkerSettings.from_argument(command[-1]), threads=env["OMP_NUM_THREADS"])
        raise OSError("no process is started here")

    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(WorkerLost):
        WorkerProcess(WorkerSettings(3, "int8", 1))
    assert seen == {"settings": WorkerSettings(3, "int8", 1), "threads": "3"}
