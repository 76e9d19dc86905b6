"""Runs a user's own script (`entry_point` in the SDK) through AWS's sagemaker-training toolkit.

The toolkit never forwards SIGTERM and keeps stderr out of the failure file. So it runs as our child: what it started
gets the signal, it stays to report how that ended, and the end of its stderr goes into the failure file.
"""

import signal
import subprocess
import sys
from collections import deque

import psutil

from ..contract import Paths, child_environment
from ..errors import ClientError

PROGRAM = "sagemaker_program"
_TOOLKIT = "from sagemaker_training.cli.train import main; main()"
_TAIL_LINES = 20


def run(paths: Paths) -> int:
    """Run the user's script to its end.

    Raises ClientError, with the end of the script's stderr, if it fails.
    """
    toolkit = subprocess.Popen(
        [sys.executable, "-c", _TOOLKIT],
        env=child_environment(SAGEMAKER_BASE_DIR=str(paths.base), PYTHONUNBUFFERED="1"),
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    signal.signal(signal.SIGTERM, lambda *_: _stop(toolkit.pid))
    assert toolkit.stderr is not None
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    for line in toolkit.stderr:
        sys.stderr.write(line)
        tail.append(line)
    code = toolkit.wait()
    if code:
        why = " ".join("".join(tail).split())[-800:]
        raise ClientError(f"the script failed with exit code {code}", why, "See the log for all of it")
    return code


def _stop(toolkit: int) -> None:
    """Ask the script and all it started to end; the toolkit itself, if nothing runs yet."""
    process = psutil.Process(toolkit)
    for each in process.children(recursive=True) or [process]:
        each.terminate()
