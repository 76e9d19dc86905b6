"""The journal's questions for the report: how many of what, and the names behind each number."""

import sqlite3
from collections.abc import Iterator

from .pictures import KEPT, as_location, kept_picture
from .rows import ClassCount, KeptPicture, LeftOut, Location, PackedRow

_KEPT = "FROM pictures WHERE reason IS NULL"
_FIXES = "FROM pictures, json_each(fixes) WHERE fixes NOT NULL AND reason IS NULL"
_SIZES = ("width_min", "width_max", "height_min", "height_max", "bytes", "source_bytes")
# SQLite's word for "all of them".
_ALL = -1


class Totals:
    """Counts and lists pictures, and changes nothing."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def kept(self) -> int:
        """Return how many pictures are kept."""
        return int(self._database.execute(f"SELECT count(*) {_KEPT}").fetchone()[0])

    def sides(self) -> dict[str, int]:
        """Return how many kept pictures are on each side that has any."""
        return dict(self._database.execute(f"SELECT side, count(*) {_KEPT} AND side NOT NULL GROUP BY side"))

    def sizes(self) -> dict[str, int | None]:
        """Return the least and greatest width and height, pixels, and the bytes that go out and came in."""
        query = (
            "SELECT min(width), max(width), min(height), max(height), coalesce(sum(length), 0), "
            f"coalesce(sum(source_bytes), 0) {_KEPT}"
        )
        return dict(zip(_SIZES, self._database.execute(query).fetchone(), strict=True))

    def reasons(self) -> dict[str, int]:
        """Return how many pictures were left out for each reason."""
        query = "SELECT reason, count(*) FROM pictures WHERE reason NOT NULL GROUP BY reason ORDER BY reason"
        return dict(self._database.execute(query))

    def left_out(self, reason: str, most: int = _ALL) -> Iterator[LeftOut]:
        """Yield the pictures that were left out for a reason, in the order of their names."""
        query = (
            "SELECT number, name, coalesce(detail, ''), coalesce(resembles, ''), reference, at, size FROM pictures "
            "WHERE reason = ? ORDER BY name, number LIMIT ?"
        )
        for number, name, detail, resembles, reference, at, size in self._database.execute(query, (reason, most)):
            location = None if reference is None else as_location(reference, at, size)
            yield LeftOut(number, name, detail, resembles, location)

    def folders(self, reason: str) -> list[str]:
        """Return the first folders in the names of the pictures that were left out for a reason, each once."""
        query = (
            "SELECT DISTINCT substr(name, 1, instr(name, '/') - 1) FROM pictures "
            "WHERE reason = ? AND instr(name, '/') > 0 ORDER BY 1"
        )
        return [row[0] for row in self._database.execute(query, (reason,))]

    def fixes(self) -> dict[str, int]:
        """Return how many kept pictures were fixed in each way."""
        return dict(self._database.execute(f"SELECT json_extract(value, '$[0]') AS kind, count(*) {_FIXES} GROUP BY 1"))

    def fixed(self, kind: str) -> Iterator[tuple[str, str]]:
        """Yield name and detail of each kept picture that was fixed in one way."""
        query = (
            f"SELECT name, json_extract(value, '$[1]') {_FIXES} AND json_extract(value, '$[0]') = ? "
            "ORDER BY name, number"
        )
        return iter(self._database.execute(query, (kind,)))

    def classes(self) -> Iterator[ClassCount]:
        """Yield how many pictures with each label have each fate."""
        query = (
            "SELECT value, coalesce(reason, ''), coalesce(side, ''), count(*) FROM pictures, json_each(labels) "
            "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        )
        return (ClassCount(*row) for row in self._database.execute(query))

    def leaks(self) -> list[list[str]]:
        """Return pictures that are the same, exactly or nearly, and are on different sides: none, if all is well."""
        query = f"SELECT min(name), max(name) {_KEPT} AND side NOT NULL GROUP BY {{}} HAVING count(DISTINCT side) > 1"
        groups = ("sha", "coalesce(unit, sha)")
        return [list(row) for group in groups for row in self._database.execute(query.format(group))]

    def packed(self) -> Iterator[PackedRow]:
        """Yield what pictures.csv says of each kept picture, in the order of their names."""
        query = f"SELECT name, side, labels, sha, width, height, length {_KEPT} ORDER BY name, number"
        return (PackedRow(*row) for row in self._database.execute(query))

    def strata(self) -> list[str]:
        """Return the labels that kept pictures are counted under."""
        return [row[0] for row in self._database.execute(f"SELECT DISTINCT stratum {_KEPT} ORDER BY stratum")]

    def sample(self, stratum: str, numbers: range, most: int) -> list[KeptPicture]:
        """Return the first kept pictures of a stratum, in the order of their keys, in a range of numbers."""
        query = f"SELECT {KEPT} {_KEPT} AND stratum = ? AND number BETWEEN ? AND ? ORDER BY key, name LIMIT ?"
        rows = self._database.execute(query, (stratum, numbers[0], numbers[-1], most))
        return [kept_picture(row) for row in rows]

    def locate(self, name: str) -> Location | None:
        """Return where a picture is, by its name; None if this host cannot read it."""
        query = "SELECT reference, at, size FROM pictures WHERE name = ? LIMIT 1"
        row = self._database.execute(query, (name,)).fetchone()
        return None if row is None or row[0] is None else as_location(*row)
