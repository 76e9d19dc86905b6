"""Says what was done: report.json with every name, report.html to look at, pictures.csv with where each picture went.

Nothing in them hangs on the time or the machine, so that two runs can be compared byte for byte.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from .. import __version__, pages
from ..data import manifests
from ..errors import UnreadablePicture
from .exchange import Hosts
from .journal import HOST_STEP, Journal
from .references import References
from .scanning import read_picture
from .settings import SIDES, Settings
from .shards import Kept, picture_bytes

REPORT, PAGE, TO_LABEL = "report.json", "report.html", "to-label.manifest"
_SHEET_PICTURES = 24
_PAIRS_SHOWN = 12
_NAMES_SHOWN = 200
_THUMB_PIXELS = 96
_KEPT = "number, name, labels, sha, reference, at, size, spooled, length"
REASONS = {
    "unreadable": "cannot be read, or cut",
    "missing": "listed, but not there",
    "wrong-type": "no picture behind a picture's name",
    "too-small": "too small",
    "exact-duplicate": "the same bytes as another",
    "near-duplicate": "the same picture as another",
    "two-labels": "one picture under two labels",
    "class-too-small": "its class has too few pictures",
    "low-confidence": "labelled with too little confidence",
    "not-human": "labelled by a machine",
    "unlabelled": "without a label",
    "not-chosen": "fit, but over what was asked for",
    "other-file": "no picture's name",
}


def write(journal: Journal, settings: Settings, references: References, hosts: Hosts) -> dict[str, Any]:
    """Write all three into OUT, and the manifest of what has no label; return the summary."""
    warnings = _write_to_label(journal, settings, references)
    summary = summarize(journal, settings)
    summary["warnings"] += warnings
    for name, write_it in ((REPORT, _write_json), ("pictures.csv", _write_csv)):
        part = settings.work / name
        with part.open("w", encoding="utf-8", newline="") as file:
            write_it(journal, summary, file)
        part.replace(settings.out / name)
    part = settings.work / PAGE
    part.write_text(_page(journal, settings, references, hosts, summary), encoding="utf-8")
    part.replace(settings.out / PAGE)
    return summary


def summarize(journal: Journal, settings: Settings) -> dict[str, Any]:
    """Return what was found, in numbers."""
    found = journal.one("SELECT count(*) FROM pictures")
    kept = "FROM pictures WHERE reason IS NULL"
    sizes = next(
        journal.rows(
            "SELECT min(width), max(width), min(height), max(height), coalesce(sum(length), 0), "
            f"coalesce(sum(bytes), 0) {kept}"
        )
    )
    names = ("width_min", "width_max", "height_min", "height_max", "bytes", "source_bytes")
    return {
        "version": __version__,
        "settings": settings.described(),
        "found": found,
        "kept": journal.one(f"SELECT count(*) {kept}"),
        "sides": {side: journal.one(f"SELECT count(*) {kept} AND side = ?", side) for side in SIDES},
        "left_out_counts": dict(
            journal.rows("SELECT reason, count(*) FROM pictures WHERE reason NOT NULL GROUP BY reason")
        ),
        "mended_counts": _mended_counts(journal),
        "classes": journal.get("classes"),
        "per_class": _per_class(journal),
        "sizes": dict(zip(names, sizes, strict=True)),
        "warnings": journal.get("warnings") or [],
        "leakage": leakage(journal),
    }


def _mended_counts(journal: Journal) -> dict[str, int]:
    query = (
        "SELECT json_extract(value, '$[0]') AS kind, count(*) FROM pictures, json_each(mended) "
        "WHERE mended NOT NULL AND reason IS NULL GROUP BY kind"
    )
    return dict(journal.rows(query))


def _per_class(journal: Journal) -> dict[str, dict[str, int]]:
    """Return how many pictures of each class were found, left out, and are on each side."""
    query = (
        "SELECT value, coalesce(reason, ''), coalesce(side, ''), count(*) FROM pictures, json_each(labels) "
        "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    listed, table = journal.get("listed"), dict[str, dict[str, int]]()
    for name, reason, side, count in journal.rows(query):
        if listed["numbered"] and int(name) < len(listed["names"]):
            name = f"{name} {listed['names'][int(name)]}"
        row = table.setdefault(name, {"found": 0, "left_out": 0, **dict.fromkeys(SIDES, 0)})
        row["found"] += count
        row["left_out" if reason else side] += count
    return table


def leakage(journal: Journal) -> list[list[str]]:
    """Return pictures that are the same, exactly or nearly, and were put on different sides: none, if all is well."""
    query = (
        "SELECT min(name), max(name) FROM pictures WHERE reason IS NULL AND side NOT NULL GROUP BY {} "
        "HAVING count(DISTINCT side) > 1"
    )
    groups = ("sha", "coalesce(unit, sha)")
    return [list(row) for group in groups for row in journal.rows(query.format(group))]


def _write_json(journal: Journal, summary: dict[str, Any], file: TextIO) -> None:
    """Write the summary, then a line a picture that was left out or mended; names do not go through memory."""
    text = json.dumps(summary, ensure_ascii=False, indent=1)
    file.write(text.removesuffix("\n}"))
    query = "SELECT name, detail, resembles FROM pictures WHERE reason = ? ORDER BY name, number"
    left_out = ((reason, journal.rows(query, reason)) for reason in sorted(summary["left_out_counts"]))
    _write_lists(file, "left_out", left_out, ("name", "detail", "resembles"))
    query = (
        "SELECT name, json_extract(value, '$[1]') FROM pictures, json_each(mended) WHERE mended NOT NULL "
        "AND reason IS NULL AND json_extract(value, '$[0]') = ? ORDER BY name, number"
    )
    mended = ((kind, journal.rows(query, kind)) for kind in sorted(summary["mended_counts"]))
    _write_lists(file, "mended", mended, ("name", "detail"))
    file.write("\n}\n")


def _write_lists(
    file: TextIO, title: str, lists: Iterator[tuple[str, Iterator[tuple[Any, ...]]]], names: tuple[str, ...]
) -> None:
    file.write(f',\n "{title}": {{')
    for number, (key, rows) in enumerate(lists):
        file.write(f"{',' if number else ''}\n  {json.dumps(key)}: [")
        for nth, row in enumerate(rows):
            entry = {name: value for name, value in zip(names, row, strict=True) if value}
            file.write(f"{',' if nth else ''}\n   {json.dumps(entry, ensure_ascii=False)}")
        file.write("\n  ]")
    file.write("\n }")


def _write_csv(journal: Journal, _: dict[str, Any], file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["name", "side", "labels", "sha256", "width", "height", "bytes"])
    query = (
        "SELECT name, side, labels, sha, width, height, length FROM pictures WHERE reason IS NULL ORDER BY name, number"
    )
    for name, side, labels, sha, *rest in journal.rows(query):
        writer.writerow([name, side, ";".join(json.loads(labels)), sha.hex(), *rest])


def _write_to_label(journal: Journal, settings: Settings, references: References) -> list[str]:
    """Write an input manifest of what has no label, if anything; return warnings."""
    warnings: list[str] = []
    query = "SELECT reference FROM pictures WHERE reason = 'unlabelled' AND reference IS NOT NULL ORDER BY name, number"
    unlabelled = [row[0].decode("utf-8", "surrogateescape") for row in journal.rows(query)]
    remote = [place for reference in unlabelled if (place := references.remote(reference))]
    if remote:
        part = settings.work / TO_LABEL
        manifests.write_input(part, remote)
        part.replace(settings.out / TO_LABEL)
    if len(remote) < len(unlabelled):
        text = f"{len(unlabelled) - len(remote)} pictures without a label lie in no bucket, so they are in no manifest"
        warnings.append(f"{text}; --map s3://bucket/prefix=folder says where they do")
    return warnings


def _page(journal: Journal, settings: Settings, references: References, hosts: Hosts, summary: dict[str, Any]) -> str:
    sheets = [(name, list(_sheet(journal, references, hosts, name))) for name in _strata(journal)]
    return pages.render(
        Path(__file__).with_name("report_page.html"),
        summary=summary,
        sides=SIDES,
        reasons=REASONS,
        sheets=sheets,
        left_out={reason: _left_out(journal, references, hosts, reason) for reason in summary["left_out_counts"]},
        shown=_NAMES_SHOWN,
    )


def _strata(journal: Journal) -> list[str]:
    query = "SELECT DISTINCT stratum FROM pictures WHERE reason IS NULL ORDER BY stratum"
    return [row[0] for row in journal.rows(query)]


def _sheet(journal: Journal, references: References, hosts: Hosts, stratum: str) -> Iterator[tuple[str, str]]:
    """Yield (name, data URI) of a class's first pictures; of this host's, as the others' pixels lie elsewhere."""
    query = (
        f"SELECT {_KEPT} FROM pictures WHERE reason IS NULL AND stratum = ? AND number < ? ORDER BY key, name LIMIT ?"
    )
    for row in list(journal.rows(query, stratum, (hosts.rank + 1) * HOST_STEP, _SHEET_PICTURES)):
        kept = Kept(*row)
        yield kept.name, pages.thumbnail(picture_bytes(journal, references, kept), _THUMB_PIXELS)


def _left_out(journal: Journal, references: References, hosts: Hosts, reason: str) -> list[dict[str, str]]:
    """Return the first names under a reason, a few with pictures of what was left out and what it resembles."""
    query = (
        "SELECT name, detail, resembles, reference, at, size, number FROM pictures WHERE reason = ? "
        "ORDER BY name, number LIMIT ?"
    )
    shown = []
    for place, (name, detail, resembles, *where, number) in enumerate(list(journal.rows(query, reason, _NAMES_SHOWN))):
        entry = {"name": name, "detail": detail or "", "resembles": resembles or "", "picture": "", "other": ""}
        if place < _PAIRS_SHOWN and number < HOST_STEP and reason in ("near-duplicate", "two-labels", "too-small"):
            entry["picture"] = _thumbnail_of(references, *where)
            other = list(journal.rows("SELECT reference, at, size FROM pictures WHERE name = ? LIMIT 1", resembles))
            entry["other"] = _thumbnail_of(references, *other[0]) if other and other[0][0] is not None else ""
        shown.append(entry)
    return shown


def _thumbnail_of(references: References, reference: bytes, at: int, size: int) -> str:
    try:
        return pages.thumbnail(read_picture(references, reference, at, size), _THUMB_PIXELS)
    except (OSError, UnreadablePicture):
        return ""
