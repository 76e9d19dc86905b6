"""The journal's questions about who stays: duplicates, shares of the classes, sides of the split."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ...arrays import Integers
from .rows import Candidate, UnitMember

_FIT = "reason IS NULL"
# A unit is one picture, or near duplicates that are kept together.
_UNIT = "coalesce(unit, key)"
_FIRST_OF_EQUALS = f"{_FIT} AND number IN (SELECT min(number) FROM pictures GROUP BY sha, side, labels)"
# SQLite changes row after row: what the statement itself has just left out must still be found.
_TWO_LABELS = """
UPDATE pictures SET reason = 'two-labels', detail = 'the same bytes have other labels too',
    resembles = (SELECT p.name FROM pictures p WHERE p.sha = pictures.sha AND p.labels <> pictures.labels
                 AND coalesce(p.reason, 'two-labels') = 'two-labels' ORDER BY p.name, p.number LIMIT 1)
WHERE number IN (SELECT number FROM pictures WHERE reason IS NULL AND sha IN
    (SELECT sha FROM pictures WHERE reason IS NULL GROUP BY sha HAVING count(DISTINCT labels) > 1))
"""
_EXACT_DUPLICATES = """
UPDATE pictures SET reason = 'exact-duplicate', resembles = (SELECT p.name FROM pictures p
    WHERE p.sha = pictures.sha AND p.reason IS NULL ORDER BY p.name, p.number LIMIT 1)
WHERE number IN (SELECT number FROM (SELECT number, row_number() OVER (PARTITION BY sha ORDER BY name, number) AS nth
    FROM pictures WHERE reason IS NULL) WHERE nth > 1)
"""
# A unit with a picture of an earlier preparation stays where that one was; the side is of the first such picture.
_UNITS = (
    f"SELECT p.number AS number, min(e.side) OVER (PARTITION BY {_UNIT}) AS known, {_UNIT} AS unit, p.key AS key, "
    "p.name AS name FROM pictures p LEFT JOIN temp.earlier e ON e.sha = p.sha WHERE p.reason IS NULL AND p.stratum = ?"
)


class Choices:
    """Asks about pictures that are fit, those without a reason to leave them out, and changes that."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def leave_out_same_bytes(self) -> None:
        """Leave out pictures of the same bytes: all if they have different labels, else all but the first by name."""
        self._database.execute(_TWO_LABELS)
        self._database.execute(_EXACT_DUPLICATES)

    def hashes(self, *, distinct: bool = False) -> tuple[Integers, Integers]:
        """Return the numbers and the perceptual hashes of the fit pictures, in the order of their names.

        With `distinct`, only one of those with the same bytes, side and labels. Shapes (pictures,), int64.
        """
        query = f"FROM pictures WHERE {_FIRST_OF_EQUALS if distinct else _FIT} ORDER BY name, number"
        numbers, hashes = (
            np.fromiter((row[0] for row in self._database.execute(f"SELECT {column} {query}")), np.int64)
            for column in ("number", "phash")
        )
        return numbers, hashes

    def candidates(self, numbers: Sequence[int]) -> list[Candidate]:
        """Return what decides between pictures that look the same."""
        query = "SELECT number, name, labels, key, width * height, side, sha FROM pictures WHERE number = ?"
        return [Candidate(*self._database.execute(query, (number,)).fetchone()) for number in numbers]

    def leave_out(self, number: int, reason: str, detail: str = "", resembles: str = "") -> None:
        """Leave out one picture."""
        query = "UPDATE pictures SET reason = ?, detail = coalesce(?, detail), resembles = ? WHERE number = ?"
        self._database.execute(query, (reason, detail or None, resembles, number))

    def unite(self, numbers: Iterable[int], unit: bytes) -> None:
        """Have pictures split as one."""
        query = "UPDATE pictures SET unit = ? WHERE number = ?"
        self._database.executemany(query, ((unit, number) for number in numbers))

    def leave_out_small_classes(self, least: int, detail: str) -> None:
        """Leave out classes with fewer than `least` fit pictures."""
        query = (
            "UPDATE pictures SET reason = 'class-too-small', detail = ? WHERE reason IS NULL AND labels IN "
            "(SELECT labels FROM pictures WHERE reason IS NULL GROUP BY labels HAVING count(*) < ?)"
        )
        self._database.execute(query, (detail, least))

    def label_counts(self) -> dict[str, int]:
        """Return how many fit pictures have each label."""
        query = "SELECT value, count(*) FROM pictures, json_each(labels) WHERE reason IS NULL GROUP BY value"
        return dict(self._database.execute(query))

    def label_sets(self) -> list[str]:
        """Return each different set of labels that a fit picture has, as JSON."""
        query = "SELECT DISTINCT labels FROM pictures WHERE reason IS NULL"
        return [row[0] for row in self._database.execute(query)]

    def set_stratum(self, labels: str, stratum: str) -> None:
        """Have the fit pictures with a set of labels counted under one of them."""
        query = "UPDATE pictures SET stratum = ? WHERE labels = ? AND reason IS NULL"
        self._database.execute(query, (stratum, labels))

    def stratum_counts(self) -> dict[str, int]:
        """Return how many fit pictures are counted under each label, in the order of the labels."""
        query = "SELECT stratum, count(*) FROM pictures WHERE reason IS NULL GROUP BY stratum ORDER BY stratum"
        return dict(self._database.execute(query))

    def keep_first(self, stratum: str, quota: int) -> None:
        """Keep as many of a stratum, the first in the order of their keys, and leave out the others."""
        query = (
            "UPDATE pictures SET reason = 'not-chosen', detail = ? WHERE number IN (SELECT number FROM pictures "
            f"WHERE reason IS NULL AND stratum = ? ORDER BY {_UNIT}, key, name LIMIT -1 OFFSET ?)"
        )
        self._database.execute(query, (f"{quota} of its class were asked for", stratum, quota))

    def note_earlier(self, sides: Iterable[tuple[bytes, str]]) -> None:
        """Note the side of each content (SHA-256) of an earlier preparation; the first one counts."""
        self._database.execute("CREATE TEMP TABLE IF NOT EXISTS earlier (sha BLOB PRIMARY KEY, side TEXT)")
        self._database.executemany("INSERT OR IGNORE INTO earlier VALUES (?, ?)", sides)

    def known_sides(self, stratum: str) -> dict[str, int]:
        """Return how many pictures of a stratum are to stay on each side. After `note_earlier`."""
        query = f"SELECT known, count(*) FROM ({_UNITS}) WHERE known IS NOT NULL GROUP BY known"
        return dict(self._database.execute(query, (stratum,)))

    def units(self, stratum: str) -> Iterator[UnitMember]:
        """Yield the pictures of a stratum, unit by unit in the order of their keys. After `note_earlier`."""
        query = f"SELECT unit, number, known FROM ({_UNITS}) ORDER BY unit, key, name"
        return (UnitMember(*row) for row in self._database.execute(query, (stratum,)))

    def set_sides(self, sides: Iterable[tuple[int, str]]) -> None:
        """Give pictures, by number, their sides, and all others none. `sides` may be read from the same journal."""
        self._database.execute("CREATE TEMP TABLE IF NOT EXISTS sides (number INTEGER PRIMARY KEY, side TEXT)")
        self._database.execute("DELETE FROM sides")
        self._database.executemany("INSERT INTO sides VALUES (?, ?)", sides)
        self._database.execute("UPDATE pictures SET side = NULL")
        self._database.execute("UPDATE pictures SET side = sides.side FROM sides WHERE sides.number = pictures.number")
