"""`prepare --check`: looks at channels that exist already, changes nothing, says what is wrong with them."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import junk
from ..data import checks, classes, record_files
from ..data.checks import Finding
from ..errors import ClientError, some
from . import duplicates, scanning
from .journal.store import Journal
from .processing import ProcessingJob
from .references import References
from .settings import Settings

_NAMED = 5


@dataclass(frozen=True)
class PackedPicture:
    """A record of a channel, as `checks` looks at it."""

    channel: str
    record: record_files.Record

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return f"{self.channel}/{self.record.name}"

    @property
    def labels(self) -> tuple[float, ...]:
        """As they are written in the record."""
        return self.record.labels

    @property
    def place(self) -> checks.Place:
        """Where the encoded picture is."""
        return checks.place(self.record)


def check(folder: Path, settings: Settings) -> dict[str, Any]:
    """Return what is in the channels under `folder` (or in it, if it is one) and every finding.

    Raises ClientError if there is no .rec file, or if one is cut or damaged.
    """
    files = [path for path in junk.files(folder) if path.suffix == ".rec"]
    if not files:
        do = "Give the folder of a channel, or one that holds a folder for each channel"
        raise ClientError(f"{folder} holds no RecordIO file (*.rec)", "With --check, channels must exist already", do)
    channels: dict[str, list[PackedPicture]] = {}
    for path in files:
        name = path.relative_to(folder).parts[0] if path.parent != folder else folder.name
        channels.setdefault(name, []).extend(PackedPicture(name, record) for record in record_files.scan(path))
    multi_label = any(len(packed.labels) > 1 for each in channels.values() for packed in each)
    findings = checks.of_labels(channels, classes.read(folder) or classes.read(folder / "train"), multi_label)
    findings += checks.of_pictures(channels, most_bytes=None)[0]
    findings += [finding for path in files for finding in _index(path)]
    # Exact duplicates were found without decoding; near ones need every picture.
    with tempfile.TemporaryDirectory(prefix="sagemaker-gluoncv-check-") as work:
        findings += _by_decoding(replace(settings, source=str(folder), out=Path(work), kind="rec"))
    counts = {name: len(records) for name, records in channels.items()}
    return {"channels": counts, "findings": [finding.__dict__ for finding in findings]}


def _by_decoding(settings: Settings) -> list[Finding]:
    """Decode every picture and compare them all."""
    settings = replace(settings, keep_bytes=True, resize=None)
    references = References((), 1)
    with Journal(settings.work, settings.fingerprint()) as journal:
        scanning.list_source(journal, settings, references, ProcessingJob())
        scanning.scan(journal, settings, references, encode=False)
        findings = [
            Finding(reason, count, f"{count} pictures are {reason}: {_names(journal, reason)}")
            for reason, count in journal.totals.reasons().items()
        ]
        return [*findings, *_near(journal)]


def _names(journal: Journal, reason: str) -> str:
    return ", ".join(each.name for each in journal.totals.left_out(reason, _NAMED))


def _near(journal: Journal) -> list[Finding]:
    """Return near duplicates in two channels, or under two labels; exact ones stand in for each other."""
    leaks, labels = [], []
    for numbers in duplicates.near_groups(journal, distinct=True):
        members = journal.choices.candidates(numbers)
        if len({each.sha for each in members}) == 1:
            continue
        named = " = ".join(each.name for each in members)
        leaks += [named] if len({each.side for each in members}) > 1 else []
        labels += [named] if len({each.labels for each in members}) > 1 else []
    found = (("near-leakage", leaks, "are in two channels"), ("near-two-labels", labels, "have two labels"))
    return [
        Finding(kind, len(names), f"{len(names)} pictures, encoded again, {what}: {some(names, _NAMED)}")
        for kind, names, what in found
        if names
    ]


def _index(path: Path) -> list[Finding]:
    """Return a finding if a file's index does not say where its records are."""
    index = path.with_suffix(".idx")
    if not index.is_file():
        return []
    noted = [int(line.split("\t")[1]) for line in index.read_text().splitlines() if line.strip()]
    if sorted(noted) == [record.offset for record in record_files.scan(path)]:
        return []
    text = f"{index} does not say where the records of {path.name} are; delete it"
    return [Finding("wrong-index", 1, text)]


def as_text(report: dict[str, Any]) -> str:
    """Return a report for a person."""
    lines = [f"channel {name}: {count} pictures" for name, count in report["channels"].items()]
    lines += [f"  {each['kind']}: {each['text']}" for each in report["findings"]]
    return "\n".join(lines if report["findings"] else [*lines, "Nothing is wrong with them."])
