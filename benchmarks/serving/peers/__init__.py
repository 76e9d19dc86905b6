"""The servers that are compared, each in a file of its own: how it is started, and how it is asked."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import environments
import load
import psutil
import requests
from measure import Tree, seconds_until

HANDLERS = Path(__file__).parents[1] / "handlers"
START_SECONDS = 180


@dataclass(frozen=True)
class Setting:
    """How a server is to run. `model` is a directory of ours, `converted` what the peers serve, `work` for files.

    With no `workers` the server chooses workers and threads itself. The three ports after `port` are free too.
    """

    port: int
    workers: int
    threads: int
    model: Path
    converted: Path
    work: Path

    @property
    def shape(self) -> str:
        """Workers x threads, for tables."""
        return f"{self.workers} x {self.threads}" if self.workers else "its own choice"


@dataclass(frozen=True)
class Launch:
    """What to execute; `container` is the name of a Docker container, whose processes are not the command's own."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    container: str | None = None


class Peer:
    """A server as a user would run it. A picture's file goes to `path`; `ping` answers 200 once it runs."""

    name: str
    environment: str
    ping = "/ping"
    path = "/invocations"
    # How far a probability may be from the reference's.
    tolerance = 0.001
    # Whether to look for the best workers x threads. Ours chooses them itself.
    tuned = True

    def prepare(self, setting: Setting) -> None:
        """Make the environment. Raises RuntimeError with the reason if it cannot run here."""
        environments.python(self.environment, setting.work)

    def python(self, setting: Setting) -> str:
        """Return the path of its Python."""
        return str(environments.python(self.environment, setting.work))

    def launch(self, setting: Setting) -> Launch:
        """Return what starts it."""
        raise NotImplementedError

    def body(self, picture: bytes) -> tuple[str, bytes]:
        """Return Content-Type and body of a request."""
        return "image/jpeg", picture


class Server:
    """A peer that runs: started on entering, gone on leaving. Times are seconds from the start of its process."""

    def __init__(self, peer: Peer, setting: Setting, picture: bytes) -> None:
        self._peer, self._setting, self._picture = peer, setting, picture
        self._url = f"http://127.0.0.1:{setting.port}"

    def __enter__(self) -> "Server":
        launch = self._peer.launch(self._setting)
        self._container = launch.container
        folder = self._setting.work / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{type(self._peer).__name__}.log"
        temporary = self._setting.work / "temporary"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        # Java servers keep a file there that says that one runs.
        environment = {**_clean(), "TMPDIR": str(temporary), **launch.environment}
        began = time.monotonic()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                launch.command, env=environment, cwd=temporary, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self.ready = seconds_until(self._pings, began, START_SECONDS, f"{self._peer.ping} answers 200")
            self.first_answer = seconds_until(self._answers, began, START_SECONDS, "a picture is answered")
            self.tree = Tree(self._pid())
        except BaseException:
            self.__exit__()
            raise
        return self

    def _pings(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"it ended with {self._process.returncode}; see {self.log}")
        try:
            return requests.get(self._url + self._peer.ping, timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def _answers(self) -> bool:
        kind, body = self._peer.body(self._picture)
        try:
            return requests.post(self._url + self._peer.path, body, headers={"Content-Type": kind}, timeout=60).ok
        except requests.RequestException:
            return False

    def ask(self, picture: bytes) -> list[float]:
        """Return the probabilities that it answers. Raises HTTPError."""
        kind, body = self._peer.body(picture)
        answer = requests.post(self._url + self._peer.path, body, headers={"Content-Type": kind}, timeout=60)
        answer.raise_for_status()
        value = json.loads(answer.text)
        return value["prediction"] if isinstance(value, dict) else value

    def request(self, picture: bytes) -> bytes:
        """Return the bytes of a request."""
        return load.request(self._setting.port, self._peer.path, *self._peer.body(picture))

    def _pid(self) -> int:
        if not self._container:
            return self._process.pid
        inspect = ["docker", "inspect", "--format", "{{.State.Pid}}", self._container]
        return int(subprocess.run(inspect, stdout=subprocess.PIPE, check=True).stdout)

    def __exit__(self, *_: object) -> None:
        processes = Tree(self._process.pid).processes() if self._process.poll() is None else []
        if self._container:
            subprocess.run(["docker", "stop", self._container], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._process.terminate()
        psutil.wait_procs(processes[:1], timeout=30)
        # What the first one does not end with itself, as the Java servers' launchers do not.
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()


def _clean() -> dict[str, str]:
    """Return this process's environment without what would set a server's threads or paths."""
    unwanted = ("SAGEMAKER", "OMP_", "MXNET_", "PYTHON", "VIRTUAL_ENV", "ONEDNN", "DNNL")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
