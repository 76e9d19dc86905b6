"""The journal's questions about single pictures: listing, inspecting, writing, and telling other hosts."""

import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from ..inspecting import Inspection
from ..sources import Item, printable
from .rows import Decision, Facts, KeptPicture, Location, Uninspected

_INSERT = (
    "INSERT INTO pictures (number, name, reference, at, size, labels, inspected, reason, detail, side) "
    "VALUES (?,?,?,?,?,?,?,?,?,?)"
)
_NOTE = (
    "UPDATE pictures SET inspected=1, reason=?, detail=?, fixes=?, source_bytes=?, sha=?, key=?, phash=?, width=?, "
    "height=?, spooled=?, length=? WHERE number=?"
)
_INDICES = """
CREATE INDEX IF NOT EXISTS by_sha ON pictures (sha);
CREATE INDEX IF NOT EXISTS by_side ON pictures (side, key, name);
CREATE INDEX IF NOT EXISTS by_reason ON pictures (reason, name);
"""
_BETWEEN = "number BETWEEN ? AND ?"
KEPT = "number, name, labels, sha, reference, at, size, spooled, length"
_FACTS = ", ".join(each.name for each in dataclasses.fields(Facts))
_COLUMNS = _FACTS.removesuffix(", thumb")
_DECISION = [each.name for each in dataclasses.fields(Decision)]
# Values that one statement may name; SQLite's own limit is 999 in its older versions.
_AT_ONCE = 500


def as_location(reference: bytes, offset: int, size: int) -> Location:
    """Return a location from its columns. References are bytes there, because file names may not be UTF-8."""
    return Location(reference.decode("utf-8", "surrogateescape"), offset, size)


def kept_picture(row: tuple[int, str, str, bytes, bytes, int, int, int | None, int]) -> KeptPicture:
    """Return a picture from the columns in KEPT."""
    number, name, labels, sha, reference, at, size, spooled, length = row
    return KeptPicture(number, name, labels, sha, as_location(reference, at, size), spooled, length)


class Pictures:
    """Reads and writes the table of pictures, one picture at a time."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def replace_all(self, items: Iterable[Item], first: int) -> None:
        """Forget all pictures and note these, numbered from `first`."""
        self._database.execute("DELETE FROM pictures")
        rows = ((first + number, *_columns(item)) for number, item in enumerate(items))
        self._database.executemany(_INSERT, rows)

    def count(self) -> int:
        """Return how many pictures there are."""
        return self._count("1")

    def count_uninspected(self) -> int:
        """Return how many pictures have yet to be inspected."""
        return self._count("inspected = 0")

    def any_remote(self) -> bool:
        """Return whether a picture that has yet to be inspected is in S3."""
        return self._count("inspected = 0 AND substr(reference, 1, 5) = CAST('s3://' AS BLOB)") > 0

    def count_kept(self, numbers: range) -> int:
        """Return how many pictures in a range of numbers go out."""
        return self._count(f"side NOT NULL AND {_BETWEEN}", numbers[0], numbers[-1])

    def _count(self, condition: str, *values: int) -> int:
        query = f"SELECT count(*) FROM pictures WHERE {condition}"
        return int(self._database.execute(query, values).fetchone()[0])

    def uninspected(self) -> Iterator[Uninspected]:
        """Yield what has yet to be inspected, a page at a time: rows may be changed meanwhile."""
        query = (
            "SELECT number, name, reference, at, size FROM pictures WHERE inspected = 0 AND number > ? "
            "ORDER BY number LIMIT 512"
        )
        last = -1
        while page := self._database.execute(query, (last,)).fetchall():
            yield from (Uninspected(number, name, as_location(*where)) for number, name, *where in page)
            last = page[-1][0]

    def note(self, number: int, seen: Inspection, key: bytes, spooled: int | None, length: int) -> None:
        """Note what an inspection found, the picture's key, and where in the spool its bytes are, if they are."""
        fixes = json.dumps(seen.fixes) if seen.fixes else None
        found = (seen.reason, seen.detail, fixes, seen.length, seen.sha, key, seen.phash, seen.width, seen.height)
        self._database.execute(_NOTE, (*found, spooled, length, number))
        if seen.thumb:
            self._note_thumb(number, seen.thumb)

    def _note_thumb(self, number: int, thumb: bytes) -> None:
        self._database.execute("INSERT OR REPLACE INTO thumbs VALUES (?, ?)", (number, thumb))

    def spool_end(self) -> int:
        """Return how many bytes of the spool are accounted for."""
        query = "SELECT coalesce(max(spooled + length), 0) FROM pictures"
        return int(self._database.execute(query).fetchone()[0])

    def make_indices(self) -> None:
        """Index the columns by which choosing and writing look pictures up."""
        self._database.executescript(_INDICES)

    def thumbnails(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """Return the thumbnails of pictures, by number."""
        wanted = list(dict.fromkeys(numbers))
        found: dict[int, bytes] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            query = f"SELECT number, thumb FROM thumbs WHERE number IN ({','.join('?' * len(part))})"
            found.update(self._database.execute(query, part))
        return found

    def kept(self, side: str, numbers: range) -> Iterator[KeptPicture]:
        """Yield the pictures of a side in the order in which they are written."""
        query = f"SELECT {KEPT} FROM pictures WHERE side = ? AND reason IS NULL AND {_BETWEEN} ORDER BY key, name"
        return map(kept_picture, self._database.execute(query, (side, numbers[0], numbers[-1])))

    def facts(self, numbers: range) -> Iterator[Facts]:
        """Yield what is to be told about the pictures in a range of numbers."""
        query = f"SELECT {_FACTS} FROM pictures LEFT JOIN thumbs USING (number) WHERE {_BETWEEN} ORDER BY number"
        return (Facts(*row) for row in self._database.execute(query, (numbers[0], numbers[-1])))

    def replace_facts(self, numbers: range, told: Iterable[Facts]) -> None:
        """Forget the pictures in a range of numbers and note what another host tells of them."""
        self._database.execute(f"DELETE FROM pictures WHERE {_BETWEEN}", (numbers[0], numbers[-1]))
        names = _COLUMNS.split(", ")
        insert = f"INSERT INTO pictures ({_COLUMNS}) VALUES ({','.join('?' * len(names))})"
        for facts in told:
            self._database.execute(insert, [getattr(facts, name) for name in names])
            if facts.thumb is not None:
                self._note_thumb(facts.number, facts.thumb)

    def decisions(self, numbers: range) -> Iterator[Decision]:
        """Yield what is decided about the pictures in a range of numbers."""
        query = f"SELECT {', '.join(_DECISION)} FROM pictures WHERE {_BETWEEN} ORDER BY number"
        return (Decision(*row) for row in self._database.execute(query, (numbers[0], numbers[-1])))

    def apply(self, decision: Decision) -> None:
        """Note what the first host has decided about a picture."""
        changes = ", ".join(f"{name} = ?" for name in _DECISION[1:])
        _, *values = dataclasses.astuple(decision)
        self._database.execute(f"UPDATE pictures SET {changes} WHERE number = ?", (*values, decision.number))


def _columns(item: Item) -> tuple[object, ...]:
    labels = None if item.labels is None else json.dumps(item.labels)
    # A name that is not UTF-8 must not stop a preparation.
    name = printable(item.name)
    reference = item.reference.encode("utf-8", "surrogateescape")
    inspected = int(item.reason is not None)
    return name, reference, item.offset, item.size, labels, inspected, item.reason, item.detail, item.side
