"""Whole jobs and whole servers: real processes on drawn pictures."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from draw_pictures import CLASSES, draw

from sagemaker_gluoncv_container.data.recordio import Writer

ROOT = Path(__file__).resolve().parents[2]
# Generous: the machine may have other things to do.
DEADLINE_SECONDS = 120
# Neither batches of 16 nor 20-batch log lines divide these.
TRAIN_COUNT, VALIDATION_COUNT = 343, 37
SMALL = {"image_shape": "3,64,64", "learning_rate": "0.01", "mini_batch_size": "16", "use_pretrained_model": "0"}


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as the condition holds; fail if it does not in time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_SECONDS} s"
        time.sleep(0.02)


def environment(base: Path, **changes: str) -> dict[str, str]:
    """Return the environment of a container whose tree is `base`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAGEMAKER", "SM_", "OMP"))}
    # Threads that wait for each other by spinning are slow where cores are shared, as with other tests.
    polite = {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}
    return {**kept, "SAGEMAKER_BASE_DIR": str(base), **polite, **changes}


def pictures(first_seed: int, count: int) -> list[tuple[int, bytes]]:
    """Return drawn pictures with their labels, classes alternating."""
    names = list(CLASSES)
    return [(n % len(names), draw(names[n % len(names)], first_seed + n // len(names))) for n in range(count)]


def write_channel(folder: Path, content: list[tuple[int, bytes]], names: bool = True) -> None:
    """Write a channel of labelled pictures, with the names of the classes."""
    folder.mkdir(parents=True)
    with Writer(folder / "pictures.rec") as writer:
        for label, data in content:
            writer.write((float(label),), data)
    if names:
        (folder / "classes.json").write_text(json.dumps(list(CLASSES)))


@dataclass
class Job:
    """A training job in a process of its own."""

    base: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        """What the job has written so far, to stdout and stderr."""
        return (self.base / "log").read_text()

    @property
    def failure(self) -> str:
        """The failure file, empty if there is none."""
        path = self.base / "output" / "failure"
        return path.read_text() if path.exists() else ""

    def wait(self) -> int:
        """Return the exit code, once there is one."""
        return self.process.wait(DEADLINE_SECONDS)

    def wait_for_log(self, text: str) -> None:
        """Return once the job has logged a text; fail if it ends before."""
        wait_for(lambda: text in self.log or self.process.poll() is not None, text)
        assert text in self.log, self.log


@contextmanager
def running_job(base: Path, hyperparameters: dict[str, str], **changes: str) -> Iterator[Job]:
    """Start `train`, and see that it is gone in the end."""
    config = base / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    with (base / "log").open("wb") as log:
        command = [sys.executable, str(ROOT / "train" / "train")]
        process = subprocess.Popen(command, env=environment(base, **changes), stdout=log, stderr=log)
    try:
        yield Job(base, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture(scope="session")
def start_job() -> Callable[..., object]:
    """Return the context manager that runs a job."""
    return running_job


@pytest.fixture(scope="session")
def validation_pictures() -> list[tuple[int, bytes]]:
    """Return the pictures on which the trained model was validated."""
    return pictures(10_000, VALIDATION_COUNT)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, validation_pictures: list[tuple[int, bytes]]) -> Job:
    """Return a job that has trained for three epochs: everybody's, so to be left as it is."""
    base = tmp_path_factory.mktemp("trained")
    write_channel(base / "input" / "data" / "train", pictures(0, TRAIN_COUNT))
    write_channel(base / "input" / "data" / "validation", validation_pictures, names=False)
    given = {**SMALL, "epochs": "3", "top_k": "2", "augmentation_type": "crop"}
    with running_job(base, given) as job:
        code = job.wait()
    assert code == 0, job.log
    return job


@pytest.fixture
def small_job(tmp_path: Path) -> Path:
    """Return a tree with two channels of a few pictures."""
    write_channel(tmp_path / "input" / "data" / "train", pictures(0, 100))
    write_channel(tmp_path / "input" / "data" / "validation", pictures(500, 12))
    return tmp_path


@dataclass
class Server:
    """A model server in a process of its own."""

    url: str
    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return self.log_path.read_text()

    def answers(self) -> bool:
        """Return whether a ping gets 200."""
        try:
            return requests.get(f"{self.url}/ping", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def wait_until_ready(self) -> None:
        """Return once a ping gets 200; fail if the server ends before."""
        wait_for(lambda: self.answers() or self.process.poll() is not None, "a ping gets 200")
        assert self.process.poll() is None, self.log


@contextmanager
def running_server(base: Path, log_path: Path, **changes: str) -> Iterator[Server]:
    """Start `serve` on a free port, and see that it and its workers are gone in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = environment(base, SAGEMAKER_BIND_TO_PORT=str(port), **changes)
    with log_path.open("wb") as log:
        command = [sys.executable, str(ROOT / "serve" / "serve")]
        # A session of its own, so that workers can be found by their group if the server does not end them.
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        yield Server(f"http://127.0.0.1:{port}", process, log_path)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="session")
def start_server() -> Callable[..., object]:
    """Return the context manager that runs a server."""
    return running_server


@pytest.fixture(scope="session")
def server(trained: Job, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server of the trained model, with one worker."""
    log = tmp_path_factory.mktemp("server") / "log"
    with running_server(trained.base, log, SAGEMAKER_MODEL_SERVER_WORKERS="1") as server:
        server.wait_until_ready()
        yield server
