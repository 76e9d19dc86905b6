"""The page report.html: what was done with the pictures, to look at."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import pages
from ..errors import UnreadablePicture
from .journal.rows import Location, numbers_of
from .journal.store import Journal
from .references import References
from .scanning import read_picture
from .settings import SIDES
from .shards import picture_bytes

_TEMPLATE = Path(__file__).with_name("report_page.html")
_SHEET_PICTURES = 24
_PAIRS_SHOWN = 12
_NAMES_SHOWN = 200
_THUMB_PIXELS = 96
# Those whose pictures can be shown, and say more than their names.
_SHOWN_REASONS = ("near-duplicate", "two-labels", "too-small")
# Only the first host writes a page, and has the pixels of its own pictures only.
_NUMBERS = numbers_of(0)


def render(
    journal: Journal,
    references: References,
    summary: Mapping[str, Any],
    hints: Sequence[str],
    reasons: Mapping[str, str],
    fixes: Mapping[str, str],
) -> str:
    """Return the page. `hints` are those warnings that are less urgent; `reasons` and `fixes` explain those words."""
    titles = {name: journal.listing.title(name) for name in journal.totals.strata()}
    return pages.render(
        _TEMPLATE,
        summary=summary,
        warnings=[each for each in summary["warnings"] if each not in hints],
        hints=hints,
        sides=[side for side in reversed(SIDES) if summary["sides"][side]],
        reasons=reasons,
        fixes=fixes,
        sheets=[(title, list(_sheet(journal, references, name))) for name, title in titles.items()],
        left_out={reason: list(_left_out(journal, references, reason)) for reason in summary["left_out_counts"]},
        shown=_NAMES_SHOWN,
    )


def _sheet(journal: Journal, references: References, stratum: str) -> Iterator[tuple[str, str]]:
    """Yield (name, data URI) of a class's first pictures."""
    for picture in journal.totals.sample(stratum, _NUMBERS, _SHEET_PICTURES):
        yield picture.name, pages.thumbnail(picture_bytes(journal, references, picture), _THUMB_PIXELS)


def _left_out(journal: Journal, references: References, reason: str) -> Iterator[dict[str, str]]:
    """Yield the first names under a reason, a few with pictures of what was left out and what it resembles."""
    for place, each in enumerate(journal.totals.left_out(reason, _NAMES_SHOWN)):
        entry = {"name": each.name, "detail": each.detail, "resembles": each.resembles, "picture": "", "other": ""}
        if place < _PAIRS_SHOWN and each.number in _NUMBERS and reason in _SHOWN_REASONS:
            entry["picture"] = _thumbnail(references, each.location)
            entry["other"] = _thumbnail(references, journal.totals.locate(each.resembles))
        yield entry


def _thumbnail(references: References, location: Location | None) -> str:
    if location is None:
        return ""
    try:
        return pages.thumbnail(read_picture(references, location), _THUMB_PIXELS)
    except (OSError, UnreadablePicture):
        return ""
