"""Why and when a job ends early: it is asked to, interrupted, or at its time limit."""

import os
import signal
import time
from collections.abc import Callable

# Asked where a job may wait or stop; the answer is the reason if it is to end there.
Ends = Callable[[], str | None]


class Ended(Exception):  # noqa: N818
    """The job is to end early, which is not an error. The message says why."""


def never() -> None:
    """Let a job run to its end."""


def check(ends: Ends) -> None:
    """Raise Ended if the job is to end here."""
    if reason := ends():
        raise Ended(reason)


class TimeLimit:
    """Tells when to end a job so that it ends in time: before the batch that would exceed the limit."""

    def __init__(self, seconds: float | None, now: Callable[[], float] = time.monotonic) -> None:
        """The time runs from here; None is no limit."""
        self._seconds, self._now = seconds, now
        self._began = now()
        self._asked: float | None = None
        self._longest = 0.0

    def is_over(self) -> bool:
        """Return whether to end now. Ask before each batch."""
        now = self._now()
        # What comes before the first batch does not come again, so it is no measure of a batch.
        if self._asked is not None:
            self._longest = max(self._longest, now - self._asked)
        self._asked = now
        return self._seconds is not None and now - self._began + self._longest >= self._seconds


# The exit code of a process that SIGTERM ended before it had anything to finish, as a shell shows it.
STOPPED = 128 + signal.SIGTERM


def exit_on_sigterm(code: int) -> None:
    """Have SIGTERM end this process at once, with that exit code, until it has something to finish.

    Called before anything slow. The kernel drops a signal for which the first process of a container has no handler;
    so `env` starts us with SIGTERM blocked, and it comes in here.
    """
    # Not sys.exit: what raises in the middle of an import may be caught there.
    signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(code))
    _unblock()


def guard_forks() -> None:
    """Have children that this process forks obey SIGTERM from their first moment, not the handler they inherit."""
    os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=lambda: exit_on_sigterm(0))


def _block() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
