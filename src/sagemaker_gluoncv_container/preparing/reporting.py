"""Says what was done: report.json with every name, report.html to look at, pictures.csv with the side of each picture.

Nothing in them depends on the time or the machine, so that two runs can be compared byte for byte.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from .. import __version__
from ..data import manifests
from . import page
from .choosing import PICTURES_FILE
from .journal.store import Journal
from .references import References
from .settings import SIDES, Settings
from .shards import write_text

REPORT, PAGE, TO_LABEL = "report.json", "report.html", "to-label.manifest"
REASONS = {
    "unreadable": "cannot be read, or the end is missing",
    "missing": "listed, but not there",
    "unsupported": "a picture in a format that cannot be read here; convert it to JPEG or PNG",
    "wrong-type": "has a picture's name, but is something else",
    "too-large": "more pixels than are decoded, or than there is memory for",
    "too-small": "its shortest side is under --min-side",
    "exact-duplicate": "the same bytes as another",
    "near-duplicate": "the same picture as another",
    "two-labels": "one picture under two labels",
    "class-too-small": "its class has fewer pictures than --min-per-class",
    "low-confidence": "labelled with less than --least-confidence",
    "not-human": "labelled by a machine",
    "unlabelled": "without a label",
    "not-chosen": "fit, but --per-class or --limit asks for fewer",
    "other-file": "does not have a picture's name",
}
FIXES = {
    "turned": "upright now, as EXIF says",
    "converted": "another colour mode or format",
    "wrong-type": "a picture, but of another format than its name says",
}
_Lists = Iterable[tuple[str, Iterator[dict[str, str]]]]


def write(journal: Journal, settings: Settings, references: References) -> dict[str, Any]:
    """Write all three into OUT, and the manifest of what has no label; return the summary."""
    hints = _write_to_label(journal, settings, references)
    summary = summarize(journal, settings)
    summary["warnings"] += hints
    for name, write_it in ((REPORT, _write_json), (PICTURES_FILE, _write_csv)):
        part = settings.work / name
        with part.open("w", encoding="utf-8", newline="") as file:
            write_it(journal, summary, file)
        part.replace(settings.out / name)
    write_text(settings.out / PAGE, page.render(journal, references, summary, hints, REASONS, FIXES), settings.work)
    return summary


def summarize(journal: Journal, settings: Settings) -> dict[str, Any]:
    """Return what was found, in numbers."""
    totals, fixes = journal.totals, journal.totals.fixes()
    return {
        "version": __version__,
        "settings": settings.described(),
        "found": journal.pictures.count(),
        "kept": totals.kept(),
        "sides": {**dict.fromkeys(SIDES, 0), **totals.sides()},
        "left_out_counts": totals.reasons(),
        "fixed_counts": fixes,
        # The earlier name of the same, for programs that read it.
        "mended_counts": fixes,
        "classes": journal.classes,
        "per_class": _per_class(journal),
        "sizes": totals.sizes(),
        "warnings": journal.warnings,
        "leakage": totals.leaks(),
    }


def _per_class(journal: Journal) -> dict[str, dict[str, int]]:
    """Return how many pictures of each class were found, left out, and are on each side."""
    listing, table = journal.listing, dict[str, dict[str, int]]()
    for each in journal.totals.classes():
        row = table.setdefault(listing.title(each.name), {"found": 0, "left_out": 0, **dict.fromkeys(SIDES, 0)})
        row["found"] += each.count
        row["left_out" if each.reason else each.side] += each.count
    return table


def _write_json(journal: Journal, summary: dict[str, Any], file: TextIO) -> None:
    """Write the summary, then a line for each picture that was left out or fixed; names are never all in memory."""
    file.write(json.dumps(summary, ensure_ascii=False, indent=1).removesuffix("\n}"))
    _write_lists(file, "left_out", ((reason, _left_out(journal, reason)) for reason in summary["left_out_counts"]))
    for title in ("fixed", "mended"):
        _write_lists(file, title, ((kind, _fixed(journal, kind)) for kind in summary["fixed_counts"]))
    file.write("\n}\n")


def _left_out(journal: Journal, reason: str) -> Iterator[dict[str, str]]:
    for each in journal.totals.left_out(reason):
        yield {"name": each.name, "detail": each.detail, "resembles": each.resembles}


def _fixed(journal: Journal, kind: str) -> Iterator[dict[str, str]]:
    return ({"name": name, "detail": detail} for name, detail in journal.totals.fixed(kind))


def _write_lists(file: TextIO, title: str, lists: _Lists) -> None:
    file.write(f',\n "{title}": {{')
    for number, (key, entries) in enumerate(lists):
        file.write(f"{',' if number else ''}\n  {json.dumps(key)}: [")
        for nth, entry in enumerate(entries):
            given = {name: value for name, value in entry.items() if value}
            file.write(f"{',' if nth else ''}\n   {json.dumps(given, ensure_ascii=False)}")
        file.write("\n  ]")
    file.write("\n }")


def _write_csv(journal: Journal, _: dict[str, Any], file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["name", "side", "labels", "sha256", "width", "height", "bytes"])
    for row in journal.totals.packed():
        labels = ";".join(json.loads(row.labels))
        writer.writerow([row.name, row.side, labels, row.sha.hex(), row.width, row.height, row.length])


def _write_to_label(journal: Journal, settings: Settings, references: References) -> list[str]:
    """Write an input manifest of what has no label, if anything of it is in S3; return hints about the rest."""
    places = (each.location for each in journal.totals.left_out("unlabelled"))
    unlabelled = [references.remote(place.reference) for place in places if place is not None]
    remote = [place for place in unlabelled if place]
    if remote:
        part = settings.work / TO_LABEL
        manifests.write_input(part, remote)
        part.replace(settings.out / TO_LABEL)
    local = len(unlabelled) - len(remote)
    if not local:
        return []
    where = "in no class folder" if journal.listing.kind == "folders" else "listed without one"
    do = "To list them for a labelling job instead, say where they are in S3 with --map S3=FOLDER."
    return [f"Pictures that have no label, because they are {where}: {local}. Give each a label. {do}"]
