"""What is known of every picture, on disk, so that memory stays flat and an interrupted preparation goes on.

One SQLite file in OUT/.prepare, and beside it the spool: the bytes that will go out, one picture after another.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import ClientError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS pictures (
    number INTEGER PRIMARY KEY, name TEXT, reference TEXT, at INTEGER, size INTEGER, labels TEXT,
    looked INTEGER DEFAULT 0, reason TEXT, detail TEXT, resembles TEXT, mended TEXT,
    bytes INTEGER, sha BLOB, key BLOB, phash INTEGER, width INTEGER, height INTEGER,
    spooled INTEGER, length INTEGER, unit BLOB, stratum TEXT, side TEXT);
CREATE TABLE IF NOT EXISTS thumbs (number INTEGER PRIMARY KEY, thumb BLOB);
"""
_INDICES = """
CREATE INDEX IF NOT EXISTS by_sha ON pictures (sha);
CREATE INDEX IF NOT EXISTS by_side ON pictures (side, key, name);
CREATE INDEX IF NOT EXISTS by_reason ON pictures (reason, name);
"""
JOURNAL = "journal.sqlite"
# Pages of the database that SQLite may hold, KiB.
_CACHE_KIB = 2_048
# A host's pictures are numbered from its rank times this, so that hosts' pictures fit into one table.
HOST_STEP = 1 << 40


class Journal:
    """The facts of one preparation. A process at a time; Source of `?` values: Python's sqlite3."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """Open or go on with the journal in `folder`.

        Raises ClientError if another process has it, or if it was begun with other settings.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise ClientError(f"{folder.parent} is being prepared by another process", do="Let it end") from error
        self.database = sqlite3.connect(folder / JOURNAL, isolation_level=None)
        self.database.executescript(
            f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-{_CACHE_KIB}; {_SCHEMA}"
        )
        begun = self.get("fingerprint")
        if begun not in (None, fingerprint):
            self.close()
            why = "an interrupted preparation lies there, of other settings, another source or another version"
            raise ClientError(f"cannot go on in {folder.parent}", why, f"Use its settings, or delete {folder}")
        self.set("fingerprint", fingerprint)
        self.spool = (folder / "spool").open("a+b", buffering=0)
        # What the last process wrote without noting it down is written again.
        os.truncate(self.spool.fileno(), self.one("SELECT coalesce(max(spooled + length), 0) FROM pictures"))

    def get(self, name: str) -> Any:
        """Return a fact, None if it is not known yet."""
        found = self.database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return json.loads(found[0]) if found else None

    def set(self, name: str, value: Any) -> None:
        """Note a fact: any JSON value."""
        self.database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def one(self, query: str, *values: Any) -> Any:
        """Return the one value of a query."""
        return self.database.execute(query, values).fetchone()[0]

    def rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query, on a cursor of its own."""
        return iter(self.database.execute(query, values))

    def run(self, query: str, *values: Any) -> int:
        """Run a statement; return how many rows it changed."""
        return self.database.execute(query, values).rowcount

    def run_many(self, query: str, values: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement for each tuple of values, which may come from a query on other tables."""
        self.database.executemany(query, values)

    def append(self, data: bytes) -> int:
        """Put bytes into the spool; return where they begin."""
        at = self.spool.seek(0, os.SEEK_END)
        rest = memoryview(data)
        while rest:
            rest = rest[self.spool.write(rest) :]
        return at

    def spooled(self, at: int, length: int) -> bytes:
        """Return bytes of the spool."""
        return os.pread(self.spool.fileno(), length, at)

    def commit(self) -> None:
        """End the transaction; the spool is on disk before what refers to it."""
        os.fsync(self.spool.fileno())
        self.database.execute("COMMIT")

    def index(self) -> None:
        """Make what the queries of choosing and writing look up by."""
        self.database.executescript(_INDICES)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.spool.close()
        self.close()

    def close(self) -> None:
        """Let go of the file; a transaction that was not committed is undone."""
        self.database.close()
        self._lock.close()
