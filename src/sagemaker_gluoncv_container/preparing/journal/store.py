"""The journal's files in OUT/.prepare: one SQLite file, and beside it the spool.

The spool holds the bytes that will go out, one picture after another. Facts are JSON values under a name.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from ...errors import ClientError
from ..sources import Listing
from .choices import Choices
from .pictures import Pictures
from .totals import Totals

# Counts up when the tables change: an interrupted preparation of an earlier kind cannot be continued.
_FORMAT = 2
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS pictures (
    number INTEGER PRIMARY KEY, name TEXT, reference BLOB, at INTEGER, size INTEGER, labels TEXT,
    inspected INTEGER DEFAULT 0, reason TEXT, detail TEXT, resembles TEXT, fixes TEXT,
    source_bytes INTEGER, sha BLOB, key BLOB, phash INTEGER, width INTEGER, height INTEGER,
    spooled INTEGER, length INTEGER, unit BLOB, stratum TEXT, side TEXT);
CREATE TABLE IF NOT EXISTS thumbs (number INTEGER PRIMARY KEY, thumb BLOB);
"""
JOURNAL = "journal.sqlite"
# Pages of the database that SQLite may hold, KiB.
_CACHE_KIB = 2_048


class Journal:
    """The facts of one preparation, for one process at a time.

    `pictures`, `choices` and `totals` are its questions: about single pictures, about who stays, and for the report.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """Open the journal in `folder`, or start one.

        Raises ClientError if another process has it open, or if it was started with other settings.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock = _locked(folder)
        self._database = sqlite3.connect(folder / JOURNAL, isolation_level=None)
        self._database.executescript(
            f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-{_CACHE_KIB}; {_SCHEMA}"
        )
        self.pictures = Pictures(self._database)
        self.choices = Choices(self._database)
        self.totals = Totals(self._database)
        self._check_fingerprint(f"{_FORMAT}:{fingerprint}")
        self._spool = (folder / "spool").open("a+b", buffering=0)
        # What the last process wrote but did not note is written again.
        os.truncate(self._spool.fileno(), self.pictures.spool_end())

    def _check_fingerprint(self, fingerprint: str) -> None:
        if self._get("fingerprint") not in (None, fingerprint):
            self._close()
            why = "It holds an interrupted preparation with other settings, another source or another version"
            do = f"Use the same settings, or delete {self.folder}"
            raise ClientError(f"The preparation in {self.folder.parent} cannot be continued", why, do)
        self._set("fingerprint", fingerprint)

    def _get(self, name: str) -> Any:
        found = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return json.loads(found[0]) if found else None

    def _set(self, name: str, value: Any) -> None:
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    @property
    def listed(self) -> bool:
        """Whether the whole source has been listed."""
        return self._get("listed") is not None

    @property
    def listing(self) -> Listing:
        """What the source is, once it has been listed."""
        return Listing(**self._get("listed"))

    @listing.setter
    def listing(self, listing: Listing) -> None:
        self._set("listed", asdict(listing))

    @property
    def classes(self) -> list[str] | None:
        """The names of the classes in the order of the labels, once they are decided."""
        names: list[str] | None = self._get("classes")
        return names

    @classes.setter
    def classes(self, names: list[str]) -> None:
        self._set("classes", names)

    @property
    def decided(self) -> bool:
        """Whether it is decided for each picture whether it stays, and on which side."""
        return bool(self._get("decided"))

    @decided.setter
    def decided(self, value: bool) -> None:
        self._set("decided", value)

    @property
    def warnings(self) -> list[str]:
        """Sentences for the report and the terminal."""
        return self._get("warnings") or []

    def warn(self, text: str) -> None:
        """Note a warning."""
        self._set("warnings", [*self.warnings, text])

    def append(self, data: bytes) -> int:
        """Put bytes into the spool; return where they begin."""
        at = self._spool.seek(0, os.SEEK_END)
        rest = memoryview(data)
        while rest:
            rest = rest[self._spool.write(rest) :]
        return at

    def spooled(self, at: int, length: int) -> bytes:
        """Return bytes of the spool."""
        return os.pread(self._spool.fileno(), length, at)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block changes, or undo it if the block raises."""
        self.begin()
        complete = False
        try:
            yield
            complete = True
        finally:
            if complete:
                self.commit()
            else:
                self._database.execute("ROLLBACK")

    def begin(self) -> None:
        """Start a transaction."""
        self._database.execute("BEGIN")

    def commit(self) -> None:
        """End the transaction; the spool is on disk before what refers to it."""
        os.fsync(self._spool.fileno())
        self._database.execute("COMMIT")

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._spool.close()
        self._close()

    def _close(self) -> None:
        """Close the file and give up the lock; a transaction that was not committed is undone."""
        self._database.close()
        self._lock.close()


def _locked(folder: Path) -> Any:
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        do = "Wait until it has finished, or choose another folder"
        raise ClientError(f"Another process is preparing pictures in {folder.parent}", do=do) from error
    return lock
