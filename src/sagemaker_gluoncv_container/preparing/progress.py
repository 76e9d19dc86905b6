"""How far a preparation is: a bar on a terminal; in a log, where a bar would be rubbish, a line now and then."""

import sys
import time
from types import TracebackType

import click
from tqdm import tqdm

# Seconds between two lines in a log.
_LOG_SECONDS = 60.0


class Progress:
    """Counts pictures, and shows the count on stderr if it is wanted."""

    def __init__(self, what: str, total: int, done: int, shown: bool, log_seconds: float = _LOG_SECONDS) -> None:
        """`what` is being done to `total` pictures; an earlier run did `done` of them."""
        self._what, self._total, self._done = what, total, done
        self._log_seconds, self._logged = log_seconds, time.monotonic()
        terminal = sys.stderr.isatty()
        self._log = shown and not terminal
        self._bar = tqdm(desc=what, total=total, initial=done, unit=" pictures", disable=not (shown and terminal))

    def update(self) -> None:
        """Count one more picture."""
        self._done += 1
        self._bar.update()
        if self._log and time.monotonic() - self._logged >= self._log_seconds:
            self._logged = time.monotonic()
            click.echo(f"{self._what}: {self._done:,} of {self._total:,} pictures", err=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.close()
