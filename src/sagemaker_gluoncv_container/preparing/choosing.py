"""Chooses which pictures stay and splits them, by their content and the seed alone.

The order of a class is that of its pictures' keys, a hash of content and seed (scanning.order_key); the first n of it
go to test, the next m to validation, the rest to train, n and m being the rounded shares of the class. So one picture
more in a class moves at most one of the others over each border. With `like`, pictures of an earlier preparation stay
on their side, and only new ones fill up the shares.
"""

import csv
import json
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from typing import Any

from ..errors import ClientError
from . import duplicates
from .journal import Journal
from .settings import SIDES, Settings

PICTURES_FILE = "pictures.csv"
# A unit is one picture, or near duplicates that are kept together.
_UNIT = "coalesce(unit, key)"


def decide(journal: Journal, settings: Settings) -> None:
    """Note for each picture its side, or the reason for leaving it out. Once, or not at all if interrupted.

    Raises ClientError if nothing remains, or a class that was asked for is not there.
    """
    if journal.get("decided"):
        return
    journal.run("BEGIN")
    duplicates.leave_out_exact(journal)
    duplicates.treat_near(journal, settings)
    _leave_out_small_classes(journal, settings)
    _stratify(journal)
    _check_quotas(journal, settings)
    for stratum, count in _counts(journal).items():
        if (quota := settings.per_class.get(stratum, settings.per_class.get("*"))) is not None and quota < count:
            _keep_first(journal, stratum, quota)
    if settings.limit is not None:
        for stratum, quota in apportion(_counts(journal), settings.limit).items():
            _keep_first(journal, stratum, quota)
    if not _counts(journal):
        raise ClientError(f"nothing of {settings.source} is left to pack", reasons(journal), "Loosen the settings")
    _split(journal, settings)
    journal.set("classes", _classes(journal))
    journal.set("decided", True)
    journal.commit()


def reasons(journal: Journal) -> str:
    """Return how many pictures were left out for which reason, as text."""
    rows = journal.rows("SELECT reason, count(*) FROM pictures WHERE reason IS NOT NULL GROUP BY reason")
    return ", ".join(f"{reason}: {count}" for reason, count in rows) or "the source is empty"


def _leave_out_small_classes(journal: Journal, settings: Settings) -> None:
    if journal.get("listed")["multi"]:
        return
    journal.run(
        "UPDATE pictures SET reason = 'class-too-small', detail = ? WHERE reason IS NULL AND labels IN "
        "(SELECT labels FROM pictures WHERE reason IS NULL GROUP BY labels HAVING count(*) < ?)",
        f"its class has under {settings.min_per_class} pictures",
        settings.min_per_class,
    )


def _stratify(journal: Journal) -> None:
    """Note what each picture is counted under: its label, or of several the rarest."""
    query = "SELECT value, count(*) FROM pictures, json_each(labels) WHERE reason IS NULL GROUP BY value"
    rarity: dict[str, int] = dict(journal.rows(query))
    sets = list(journal.rows("SELECT DISTINCT labels FROM pictures WHERE reason IS NULL"))
    for (labels,) in sets:
        stratum = min(json.loads(labels), key=lambda name: (rarity[name], name), default="")
        journal.run("UPDATE pictures SET stratum = ? WHERE labels = ? AND reason IS NULL", stratum, labels)


def _counts(journal: Journal) -> dict[str, int]:
    query = "SELECT stratum, count(*) FROM pictures WHERE reason IS NULL GROUP BY stratum ORDER BY stratum"
    return dict(journal.rows(query))


def _check_quotas(journal: Journal, settings: Settings) -> None:
    counts = _counts(journal)
    unknown = sorted(settings.per_class.keys() - counts.keys() - {"*"})
    if unknown:
        raise ClientError(f"--per-class names {', '.join(unknown)}", f"the classes are {', '.join(counts)}")
    for name, quota in settings.per_class.items():
        if name != "*" and counts[name] < quota:
            warn(journal, f"class {name} has {counts[name]} pictures that are fit, {quota} were asked for")


def warn(journal: Journal, text: str) -> None:
    """Note a warning for the report."""
    journal.set("warnings", [*(journal.get("warnings") or []), text])


def _keep_first(journal: Journal, stratum: str, quota: int) -> None:
    journal.run(
        f"UPDATE pictures SET reason = 'not-chosen', detail = ? WHERE number IN (SELECT number FROM pictures "
        f"WHERE reason IS NULL AND stratum = ? ORDER BY {_UNIT}, key, name LIMIT -1 OFFSET ?)",
        f"{quota} of its class were asked for",
        stratum,
        quota,
    )


def apportion(counts: dict[str, int], total: int) -> dict[str, int]:
    """Return each class's part of `total`, in proportion, by largest remainders; nobody gets more than there is."""
    whole = sum(counts.values())
    if total >= whole:
        return counts
    shares = {name: Decimal(count) * total / whole for name, count in counts.items()}
    parts = {name: int(share) for name, share in shares.items()}
    by_remainder = sorted(counts, key=lambda name: (parts[name] - shares[name], name))
    for name in by_remainder[: total - sum(parts.values())]:
        parts[name] += 1
    return parts


def borders(count: int, ratios: dict[str, Decimal]) -> dict[str, int]:
    """Return how many of `count` pictures each side gets: within one of its exact share, none empty if it can be.

    The two borders are rounded, not the parts: from `count` to `count + 1` each border moves by one at most.
    """
    sides = [side for side in SIDES if ratios[side] > 0]
    parts = dict.fromkeys(SIDES, 0)
    share, before = Decimal(0), 0
    for place, side in enumerate(sides, 1):
        share += ratios[side]
        border = int((share * count).to_integral_value(ROUND_HALF_UP))
        if count >= len(sides):
            border = min(max(border, before + 1), count - (len(sides) - place))
        parts[side] = border - before
        before = border
    return parts


def _split(journal: Journal, settings: Settings) -> None:
    journal.run("CREATE TEMP TABLE IF NOT EXISTS earlier (sha BLOB PRIMARY KEY, side TEXT)")
    journal.run("CREATE TEMP TABLE IF NOT EXISTS sides (number INTEGER PRIMARY KEY, side TEXT)")
    journal.run("DELETE FROM sides")
    journal.run_many("INSERT OR IGNORE INTO earlier VALUES (?, ?)", _earlier(settings))
    for stratum, count in _counts(journal).items():
        room = borders(count, settings.ratios)
        for side, taken in list(journal.rows(_KNOWN_SIDES, stratum)):
            room[side] = max(0, room[side] - taken)
        journal.run_many("INSERT INTO sides VALUES (?, ?)", _places(journal, stratum, room))
    journal.run("UPDATE pictures SET side = NULL")
    journal.run("UPDATE pictures SET side = sides.side FROM sides WHERE sides.number = pictures.number")


# A unit with a picture of an earlier preparation stays where that was; the side is of the first such picture.
_UNITS = (
    "SELECT p.number AS number, min(e.side) OVER (PARTITION BY coalesce(p.unit, p.key)) AS known, "
    "coalesce(p.unit, p.key) AS unit, p.key AS key, p.name AS name "
    "FROM pictures p LEFT JOIN temp.earlier e ON e.sha = p.sha WHERE p.reason IS NULL AND p.stratum = ?"
)
_KNOWN_SIDES = f"SELECT known, count(*) FROM ({_UNITS}) WHERE known IS NOT NULL GROUP BY known"


def _places(journal: Journal, stratum: str, room: dict[str, int]) -> Iterator[tuple[int, str]]:
    """Yield (number, side), unit by unit in the order of their keys: to the first side that has room for all of it."""
    rows = journal.rows(f"SELECT unit, number, known FROM ({_UNITS}) ORDER BY unit, key, name", stratum)
    for _, run in groupby(rows, key=lambda row: row[0]):
        members = list(run)
        side = members[0][2]
        if side is None:
            side = next((each for each in SIDES[:-1] if room[each] >= len(members)), SIDES[-1])
            room[side] -= len(members)
        for _, number, _ in members:
            yield number, side


def _earlier(settings: Settings) -> Iterator[tuple[bytes, str]]:
    """Yield content and side of each picture of the preparation in `like`. Raises ClientError if there is none."""
    if settings.like is None:
        return
    files = sorted(settings.like.glob(PICTURES_FILE))
    if not files:
        raise ClientError(f"{settings.like} holds no {PICTURES_FILE}", "--like takes the OUT of an earlier preparation")
    for path in files:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["side"] in settings.ratios and settings.ratios[row["side"]] > 0:
                    yield bytes.fromhex(row["sha256"]), row["side"]


def _classes(journal: Journal) -> list[str]:
    """Return the names of the classes in the order of the labels: sorted, but where labels are numbers already."""
    query = "SELECT DISTINCT value FROM pictures, json_each(labels) WHERE reason IS NULL"
    found: list[Any] = [row[0] for row in journal.rows(query)]
    listed = journal.get("listed")
    if listed["numbered"]:
        names: list[str] = listed["names"]
        count = max([len(names), *(int(name) + 1 for name in found)])
        return names + [str(number) for number in range(len(names), count)]
    counted = all(name.isdecimal() for name in found)
    return sorted(found, key=lambda name: (int(name) if counted else 0, name))


def label_vector(labels: list[str], classes: list[str], numbered: bool, multi: bool) -> tuple[float, ...]:
    """Return the labels of a record: the class's number, or for several labels a 0 or 1 for each class."""
    places = [int(name) if numbered else classes.index(name) for name in labels]
    if not multi:
        return (float(places[0]),)
    return tuple(float(place in places) for place in range(len(classes)))
