"""Runs a user's own script (`entry_point` in the SDK) through AWS's sagemaker-training toolkit.

The toolkit never forwards SIGTERM and keeps stderr out of the failure file. So it runs as our child. We send the signal
to what it has started, let it report how that ended, and add the end of the script's stderr to the failure file.
"""

import contextlib
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil

from ..contract import Paths, child_environment
from ..errors import ClientError
from ..hosts import Hosts

# The toolkit's own log goes to stdout, so stderr is only the script's.
_TOOLKIT = """
import sys
sys.stderr = sys.stdout
from sagemaker_training import entry_point
from sagemaker_training.cli.train import main
if {alone}:
    entry_point._wait_hostname_resolution = lambda: None
main()
"""
_TAIL_LINES = 20
_TAIL_CHARACTERS = 800
# How the toolkit's failure file begins when what it ran has failed.
_COMMAND_FAILED = re.compile(r"\w+:\nExitCode (-?\d+)\n")
_COMMAND = re.compile(r'^Command "(.*)"', re.MULTILINE | re.DOTALL)
# What the toolkit runs before the script.
_INSTALLING = "-m pip install "
# And how it begins when the toolkit itself has failed, for example to fetch the script. A traceback follows.
_TOOLKIT_FAILED = "Framework Error"
_SHELLS = ("sh", "dash", "bash")


def run(paths: Paths, stop: threading.Event) -> int:
    """Run the user's script to its end. If the job is to `stop`, the script gets SIGTERM.

    Raises ClientError, with the end of the script's stderr, if it fails.
    """
    toolkit: subprocess.Popen[str] | None = None

    def on_sigterm(*_: object) -> None:
        stop.set()
        if toolkit:
            _terminate(toolkit.pid)

    signal.signal(signal.SIGTERM, on_sigterm)
    alone = Hosts.from_platform(paths).alone
    # The toolkit exits with 0 if it cannot write there, whatever happened. It writes `success` only after a success.
    paths.failure.parent.mkdir(parents=True, exist_ok=True)
    success = paths.failure.with_name("success")
    success.unlink(missing_ok=True)
    toolkit = subprocess.Popen(
        # For up to 15 minutes the toolkit waits until the hosts' names resolve. A host alone needs no name, and without
        # a network its name never resolves.
        [sys.executable, "-c", _TOOLKIT.format(alone=alone)],
        env=child_environment(SAGEMAKER_BASE_DIR=str(paths.base), PYTHONUNBUFFERED="1"),
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    if stop.is_set():
        _terminate(toolkit.pid)
    assert toolkit.stderr is not None
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    # In a thread: a process that the script leaves behind may keep the pipe open forever.
    reader = threading.Thread(target=_copy, args=(toolkit.stderr, tail), daemon=True)
    reader.start()
    code = toolkit.wait()
    reader.join(timeout=5)
    if code or not success.exists():
        raise _failure(paths.failure, "".join(tail), stop.is_set())
    return 0


def _copy(stream: IO[str], tail: deque[str]) -> None:
    for line in stream:
        sys.stderr.write(line)
        tail.append(line)


def _failure(written: Path, tail: str, stopped: bool) -> ClientError:
    """Return why the script failed: the reason that it wrote itself, else the end of its stderr."""
    reason = written.read_text(errors="replace") if written.is_file() else ""
    failed = _COMMAND_FAILED.match(reason)
    if stopped:
        what = "The job was stopped, and the script did not exit cleanly on SIGTERM"
    elif failed and _INSTALLING in (command := _command(reason)):
        return _not_installed(command, tail)
    elif failed:
        code = int(failed[1])
        what = (
            f"The script failed with exit code {code}" if code > 0 else f"{signal.Signals(-code).name} ended the script"
        )
    elif reason.startswith(_TOOLKIT_FAILED):
        what, tail = "The script could not be run", reason
    elif reason:
        return ClientError("The script failed", reason)
    else:
        what = "The script did not run to its end"
    return ClientError(what, _end(tail), "See the log for all of it")


def _command(reason: str) -> str:
    found = _COMMAND.search(reason)
    return found[1] if found else ""


def _not_installed(command: str, tail: str) -> ClientError:
    """Return the error of a script that never ran, because pip could not install what it needs."""
    needed = "packages in requirements.txt" if "-r requirements.txt" in command else "package in the source_dir"
    do = "Check names, versions and the job's network, or install the packages in an image of your own"
    return ClientError(f"The {needed} could not be installed, so the script did not run", _end(tail), do)


def _end(tail: str) -> str:
    return " ".join(tail.split())[-_TAIL_CHARACTERS:]


def _terminate(toolkit: int) -> None:
    """Send SIGTERM to what the toolkit runs, or to the toolkit itself if nothing runs yet."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(toolkit)
        for each in list(_started(process)) or [process]:
            # It may have ended because another did.
            with contextlib.suppress(psutil.NoSuchProcess):
                each.terminate()


def _started(process: psutil.Process) -> Iterator[psutil.Process]:
    """Yield what is to get the signal: the children of a process, and instead of a shell what the shell runs.

    A shell without a trap passes no signal on, and would die before the script has ended. A script's own workers get
    no signal, because the script may need them to end cleanly. Nor does the toolkit's copy of itself, which uploads
    intermediate output.
    """
    for child in process.children():
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            if child.cmdline() == process.cmdline():
                continue
            run_by_shell = list(_started(child)) if Path(child.exe()).name in _SHELLS else []
            yield from run_by_shell
            if not run_by_shell or _catches_sigterm(child.pid):
                yield child


def _catches_sigterm(pid: int) -> bool:
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
