"""ending: why and when a job ends before its time."""

import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.ending import STOPPED, Ended, TimeLimit, check, never
from support.processes import wait_until


def test_check() -> None:
    """Where a job is to end, the reason is raised; where it is not, nothing happens."""
    check(never)
    check(lambda: None)
    with pytest.raises(Ended, match="^Asked to stop$"):
        check(lambda: "Asked to stop")


def test_time_limit_ends_before_the_batch_that_would_go_past_it() -> None:
    """With 5 s of start, batches of 3 s and a limit of 15 s, the fourth is not begun; the start is no batch."""
    clock = iter([0.0, 5.0, 8.0, 11.0, 14.0])
    limit = TimeLimit(15, lambda: next(clock))
    assert [limit.is_over() for _ in range(4)] == [False, False, False, True]


def test_no_time_limit() -> None:
    """None is no limit."""
    clock = iter([0.0, 1e9])
    assert not TimeLimit(None, lambda: next(clock)).is_over()


# What `train/train` does, with an import that takes long.
STARTING = """
from sagemaker_gluoncv_container import ending
ending.exit_on_sigterm(ending.STOPPED)
print("ready", flush=True)
import time
time.sleep(60)
"""
# A child that is told to stop before it has done anything, by a process whose own handler only takes note.
FORKING = """
import os, signal
from sagemaker_gluoncv_container import ending
ending.guard_forks()
signal.signal(signal.SIGTERM, lambda *_: None)
codes = set()
for _ in range(100):
    child = os.fork()
    if not child:
        signal.pause()
    os.kill(child, signal.SIGTERM)
    codes.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(codes)
"""


def _has_written(process: subprocess.Popen[bytes]) -> bool:
    return bool(select.select([process.stdout], [], [], 0)[0])


@pytest.mark.parametrize("delay", [0, 0.01, 0.05, 0.2, 0.5])
def test_sigterm_while_starting(delay: float) -> None:
    """However early SIGTERM comes, it ends the process with the code that says so, once `env` has held it back."""
    command = ["env", "--block-signal=TERM", sys.executable, "-c", STARTING]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        status = Path(f"/proc/{process.pid}/status")
        # Until `env` has blocked the signal it would end `env`; a container's first process is safe even then.
        wait_until(
            lambda: "SigBlk:\t0000000000004000" in status.read_text() or _has_written(process), 30, "it is blocked"
        )
        time.sleep(delay)
        process.terminate()
        assert process.wait(30) == STOPPED == 143


def test_sigterm_for_a_child() -> None:
    """A forked child obeys SIGTERM from its first moment, whatever handler its parent has."""
    done = subprocess.run([sys.executable, "-c", FORKING], stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    assert done.stdout == "{0}\n"
