"""Starts the image as the platform does: `docker run IMAGE train` and `docker run IMAGE serve`.

Every container that is started here bears a label, is removed when its `with` ends, and is never waited for by sleeping
a fixed time.
"""

import json
import os
import re
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from support.processes import wait_until

IMAGE = os.environ.get("IMAGE", "sagemaker-gluoncv:cpu")
IMAGE_GPU = os.environ.get("IMAGE_GPU", "sagemaker-gluoncv:gpu")
LABEL = f"sagemaker-gluoncv-test={uuid.uuid4().hex}"
# What a container writes is ours to remove, also where tests are not run by root, as the platform's containers are.
USER = ("--user", f"{os.getuid()}:{os.getgid()}")
# For tests/gpu and benchmarks/gpu.py.
GPUS = ("--gpus", "all")
HOST = "algo-1"
JOB_SECONDS = 300
READY_SECONDS = 60
# The platform's kill comes 30 s after an endpoint's SIGTERM; ours is meant to be gone long before.
STOP_SECONDS = 30
_ALARMING = re.compile(r"WARNING|ERROR|CRITICAL|Traceback")


def docker(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """Run the Docker client and return what it prints on either stream. Raises AssertionError if it fails."""
    command = ["docker", *arguments]
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert not check or done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {done.stdout}"
    return done.stdout


def status(url: str) -> int:
    """Return the status with which a URL answers a GET; 0 if nothing answers."""
    try:
        return requests.get(url, timeout=2).status_code
    except (requests.ConnectionError, requests.Timeout):
        return 0


class Container:
    """A container that runs, or has ended."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return docker("logs", self.name)

    def inspect(self, template: str) -> str:
        """Return what `docker inspect --format` says."""
        return docker("inspect", "--format", template, self.name).strip()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.inspect("{{.State.Running}}") == "true"

    def wait(self, seconds: float = JOB_SECONDS) -> int:
        """Return its exit code. Raises AssertionError if it runs longer than that."""
        try:
            return int(subprocess.check_output(["docker", "wait", self.name], text=True, timeout=seconds))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s: {self.log}") from None

    def wait_for_log(self, text: str, seconds: float = JOB_SECONDS) -> None:
        """Return once it has printed `text`. Raises AssertionError if it ends or takes longer."""

        def logged() -> bool:
            # Asked first: what a container prints as its last is there when it has ended.
            running = self.running
            found = text in self.log
            assert found or running, f"ended without {text!r}: {self.log}"
            return found

        wait_until(logged, seconds, lambda: f"{text!r} in {self.log}")

    def stop(self, seconds: int) -> tuple[int, float]:
        """Send SIGTERM, and SIGKILL after that many seconds; return the exit code and how long it took."""
        began = time.monotonic()
        docker("stop", "--time", str(seconds), self.name)
        return int(self.inspect("{{.State.ExitCode}}")), time.monotonic() - began

    def execute(self, *command: str, stdin: str | None = None) -> str:
        """Run a command inside and return what it prints."""
        return docker("exec", *(["--interactive"] if stdin else []), self.name, *command, stdin=stdin)


@contextmanager
def started(command: str, *flags: str, image: str = IMAGE, arguments: Sequence[str] = ()) -> Iterator[Container]:
    """Start an image with a command; remove the container in the end, whatever happens."""
    name = f"sagemaker-gluoncv-test-{uuid.uuid4().hex[:12]}"
    try:
        docker("run", "--detach", "--name", name, "--label", LABEL, *flags, image, command, *arguments)
        yield Container(name)
    finally:
        docker("rm", "--force", "--volumes", name, check=False)


@dataclass(frozen=True)
class Job:
    """A training job's tree under /opt/ml, and what became of the job."""

    base: Path
    exit_code: int = -1
    log: str = ""

    @property
    def model(self) -> Path:
        """Return what becomes model.tar.gz."""
        return self.base / "model"

    @property
    def failure(self) -> str:
        """Return the reason of the failure; empty if none was written."""
        path = self.base / "output" / "failure"
        return path.read_text() if path.exists() else ""


def write_tree(base: Path, hyperparameters: Mapping[str, str], channels: Mapping[str, Path]) -> list[str]:
    """Make a job's tree in `base` as the platform does; return the flags that mount it and the channels."""
    for folder in ("input/config", "input/data", "model", "output/data", "checkpoints"):
        (base / folder).mkdir(parents=True, exist_ok=True)
        # For the test of a user who is not us.
        (base / folder).chmod(0o777)
    (base / "output").chmod(0o777)
    configs = {
        "hyperparameters": dict(hyperparameters),
        "inputdataconfig": {
            name: {
                "ContentType": "application/x-recordio",
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
            }
            for name in channels
        },
        "resourceconfig": {"current_host": HOST, "hosts": [HOST], "network_interface_name": "eth0"},
    }
    for name, content in configs.items():
        (base / "input" / "config" / f"{name}.json").write_text(json.dumps(content))
    mounts = ["--hostname", HOST]
    for folder in ("model", "output", "checkpoints"):
        mounts += ["--volume", f"{base / folder}:/opt/ml/{folder}"]
    mounts += ["--volume", f"{base / 'input'}:/opt/ml/input"]
    for name, path in channels.items():
        (base / "input" / "data" / name).mkdir(exist_ok=True)
        mounts += ["--volume", f"{path}:/opt/ml/input/data/{name}:ro"]
    return mounts


def train(
    base: Path,
    hyperparameters: Mapping[str, str],
    channels: Mapping[str, Path],
    flags: Sequence[str] = USER,
    seconds: float = JOB_SECONDS,
    image: str = IMAGE,
) -> Job:
    """Run a training job to its end."""
    with started("train", *write_tree(base, hyperparameters, channels), *flags, image=image) as container:
        exit_code = container.wait(seconds)
        return Job(base, exit_code, container.log)


def alarming_lines(log: str) -> list[str]:
    """Return the lines of a log that nobody wants to see."""
    return [line for line in log.splitlines() if _ALARMING.search(line)]


class Server:
    """A model server that answers, and whose log is watched."""

    def __init__(self, container: Container, port: int) -> None:
        """`port` is the one it listens on inside."""
        self.container = container
        # On the host's network nothing is published, and the port is the host's.
        published = (docker("port", container.name, f"{port}/tcp", check=False).splitlines() or [""])[0]
        published = published if published[:1].isdigit() else f"127.0.0.1:{port}"
        self.url = f"http://{published}"
        self._seen = 0

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Return once /ping answers 200. Raises AssertionError if it ends or takes longer."""

        def ready() -> bool:
            assert self.container.running, f"the server ended: {self.container.log}"
            return status(f"{self.url}/ping") == requests.codes.ok

        wait_until(ready, seconds, lambda: f"a ping gets 200: {self.container.log}")

    def ask(self, body: bytes, content_type: str = "application/x-image", **headers: str) -> requests.Response:
        """Send one request to /invocations; header names take _ for -."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(
            f"{self.url}/invocations", body, headers={"Content-Type": content_type, **given}, timeout=60
        )

    def check_log(self) -> None:
        """Fail on any warning, error or traceback that was printed since the last check."""
        log = self.container.log
        new, self._seen = log[self._seen :], len(log)
        assert not alarming_lines(new), new


@contextmanager
def serving(model: Path, *flags: str, port: int = 8080, image: str = IMAGE) -> Iterator[Server]:
    """Serve a model, read-only as on the platform, on a free port of this machine.

    In the end the server has to stop in good time and order, and its log has to be free of warnings.
    """
    mount = ("--volume", f"{model}:/opt/ml/model:ro", "--publish", f"127.0.0.1::{port}")
    with started("serve", *mount, *USER, *flags, image=image) as container:
        server = Server(container, port)
        server.wait_until_ready()
        yield server
        exit_code, _ = container.stop(STOP_SECONDS)
        server.check_log()
        assert exit_code == 0, container.log
