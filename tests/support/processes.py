"""What every harness that starts a process needs: a free port, a clean environment, a deadline, and an end.

Only the standard library is imported, because the container tests run where MXNet and our package are not installed.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRAIN = (sys.executable, str(ROOT / "train" / "train"))
PREPARE = (sys.executable, "-m", "sagemaker_gluoncv_container.cli", "prepare")
SERVE = (sys.executable, str(ROOT / "serve" / "serve"))
# Generous: the machine may have other things to do.
DEADLINE_SECONDS = 180
_POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], object], seconds: float, what: str | Callable[[], str]) -> float:
    """Return the seconds after which a condition held. Raises AssertionError with `what` if it does not in time."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, (
            f"not within {seconds} s: {what if isinstance(what, str) else what()}"
        )
        time.sleep(_POLL_SECONDS)
    return time.monotonic() - began


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def environment(base: Path, **variables: str) -> dict[str, str]:
    """Return the environment of a container whose tree is `base`: of this process's own, nothing that we read."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAGEMAKER", "SM_", "OMP_"))}
    set_here = {
        "SAGEMAKER_BASE_DIR": str(base),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        # Threads that wait for each other by spinning are slow where cores are shared, as with other tests.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    return {**kept, **set_here, **variables}


class Process:
    """A process in a session of its own, whose output goes to a file."""

    def __init__(self, command: Sequence[str], log_path: Path, variables: dict[str, str]) -> None:
        self.log_path = log_path
        with log_path.open("wb") as log:
            self.process = subprocess.Popen(command, env=variables, stdout=log, stderr=log, start_new_session=True)

    @property
    def output(self) -> str:
        """What it has written so far, to stdout and stderr."""
        return self.log_path.read_text()

    def wait(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Return the exit code. Raises AssertionError with the output if it does not end in time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s: {self.output}") from None

    def wait_for_log(self, text: str, seconds: float = DEADLINE_SECONDS) -> str:
        """Return the first whole line with this text. Raises AssertionError if the process ends without, or is late."""

        def lines() -> list[str]:
            return [line for line in self.output.splitlines(keepends=True) if text in line and line.endswith("\n")]

        def settled() -> object:
            # Asked first: what a process writes as its last is there when it has ended.
            ended = self.process.poll() is not None
            return lines() or ended

        wait_until(settled, seconds, lambda: f"{text!r} in {self.output}")
        assert lines(), f"ended without {text!r}: {self.output}"
        return lines()[0]

    def stop(self, seconds: float = DEADLINE_SECONDS) -> tuple[int, float]:
        """Send SIGTERM, as the platform does; return the exit code and the seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds), time.monotonic() - began

    def kill(self) -> None:
        """Kill it and everything that it has started, if they still run."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
