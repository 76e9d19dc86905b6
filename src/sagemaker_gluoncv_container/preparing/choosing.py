"""Chooses which pictures stay and splits them, by their content and the seed alone.

The order of a class is that of its pictures' keys, a hash of content and seed (scanning.order_key). The first n of it
go to test, the next m to validation, the rest to train; n and m are the rounded shares of the class. So one more
picture in a class moves at most one of the others over each border. With `like`, pictures of an earlier preparation
stay on their side, and only new ones fill up the shares.
"""

import csv
import json
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby

from ..data import labels
from ..errors import ClientError, some
from . import duplicates, vanishing
from .journal.store import Journal
from .settings import EVERY_CLASS, SIDES, Settings

PICTURES_FILE = "pictures.csv"


def decide(journal: Journal, settings: Settings) -> None:
    """Note for each picture its side, or the reason for leaving it out. Once, or not at all if interrupted.

    Raises ClientError if nothing remains, or if a class that was asked for is not there.
    """
    if journal.decided:
        return
    with journal.transaction():
        journal.choices.leave_out_same_bytes()
        duplicates.treat_near(journal, settings.near_duplicates)
        if not journal.listing.multi:
            detail = f"its class has fewer than {settings.min_per_class} pictures"
            journal.choices.leave_out_small_classes(settings.min_per_class, detail)
        _stratify(journal)
        _keep_quotas(journal, settings)
        if not journal.choices.stratum_counts():
            raise ClientError(
                f"No picture of {settings.source} is left to pack", _reasons(journal), "Relax the options"
            )
        _split(journal, settings)
        journal.classes = _classes(journal)
        for warning in vanishing.warnings(journal):
            journal.warn(warning)
        journal.decided = True


def _reasons(journal: Journal) -> str:
    """Return how many pictures were left out for which reason, as text."""
    counts = ", ".join(f"{reason}: {count}" for reason, count in journal.totals.reasons().items())
    return f"Left out are {counts}" if counts else "The source is empty"


def _stratify(journal: Journal) -> None:
    """Note what each picture is counted under: its label, or of several the rarest."""
    rarity = journal.choices.label_counts()
    for names in journal.choices.label_sets():
        stratum = min(json.loads(names), key=lambda name: (rarity[name], name), default="")
        journal.choices.set_stratum(names, stratum)


def _keep_quotas(journal: Journal, settings: Settings) -> None:
    """Leave out what is over the quotas of the classes, and then what is over the limit."""
    _check_quotas(journal, settings)
    for stratum, count in journal.choices.stratum_counts().items():
        quota = settings.per_class.get(stratum, settings.per_class.get(EVERY_CLASS))
        if quota is not None and quota < count:
            journal.choices.keep_first(stratum, quota)
    if settings.limit is not None:
        for stratum, quota in apportion(journal.choices.stratum_counts(), settings.limit).items():
            journal.choices.keep_first(stratum, quota)


def _check_quotas(journal: Journal, settings: Settings) -> None:
    counts = journal.choices.stratum_counts()
    unknown = sorted(settings.per_class.keys() - counts.keys() - {EVERY_CLASS})
    if unknown:
        why = f"The classes are {some(list(counts), most=50)}"
        raise ClientError(f"Option --per-class names {', '.join(unknown)}", why, "Correct the names")
    for name, quota in settings.per_class.items():
        if name != EVERY_CLASS and counts[name] < quota:
            journal.warn(f"Class {name} has {counts[name]} fit pictures, and {quota} were asked for.")


def apportion(counts: dict[str, int], total: int) -> dict[str, int]:
    """Return each class's part of `total`, in proportion, by largest remainders; no class gets more than it has."""
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
    journal.choices.note_earlier(_earlier(settings))
    journal.choices.set_sides(_places(journal, settings))


def _places(journal: Journal, settings: Settings) -> Iterator[tuple[int, str]]:
    """Yield (number, side) of each picture: unit by unit, to the first side that has room for all of the unit."""
    for stratum, count in journal.choices.stratum_counts().items():
        room = borders(count, settings.ratios)
        for side, taken in journal.choices.known_sides(stratum).items():
            room[side] = max(0, room[side] - taken)
        for _, unit in groupby(journal.choices.units(stratum), key=lambda each: each.unit):
            members = list(unit)
            side = members[0].known_side or _first_with_room(room, len(members))
            for each in members:
                yield each.number, side


def _first_with_room(room: dict[str, int], count: int) -> str:
    side = next((each for each in SIDES[:-1] if room[each] >= count), SIDES[-1])
    room[side] -= count
    return side


def _earlier(settings: Settings) -> Iterator[tuple[bytes, str]]:
    """Yield content and side of each picture of the preparation in `like`. Raises ClientError if there is none."""
    if settings.like is None:
        return
    files = sorted(settings.like.glob(PICTURES_FILE))
    if not files:
        why = "Option --like takes the output folder of an earlier preparation"
        raise ClientError(f"{settings.like} does not hold a {PICTURES_FILE}", why)
    for path in files:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["side"] in settings.ratios and settings.ratios[row["side"]] > 0:
                    yield bytes.fromhex(row["sha256"]), row["side"]


def _classes(journal: Journal) -> list[str]:
    """Return the names of the classes in the order of the labels: sorted, unless the labels are numbers already."""
    found, listing = list(journal.choices.label_counts()), journal.listing
    if listing.numbered:
        count = max([len(listing.names), *(int(name) + 1 for name in found)])
        return listing.names + [str(number) for number in range(len(listing.names), count)]
    all_numbers = all(name.isdecimal() for name in found)
    return sorted(found, key=lambda name: (int(name) if all_numbers else 0, name))


def label_vector(names: list[str], classes: list[str], numbered: bool, multi: bool) -> tuple[float, ...]:
    """Return the labels of a record: the class's number, or for several labels a 0 or 1 for each class."""
    places = [int(name) if numbered else classes.index(name) for name in names]
    return labels.multi_hot(places, len(classes)) if multi else (float(places[0]),)
