"""Writes the channels: `.rec` files with `.idx` and `.lst`, each under another name until it is whole."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..data.classes import CLASSES_FILE
from ..data.recordio import Writer
from ..errors import ClientError
from . import choosing
from .exchange import Hosts
from .journal import HOST_STEP, Journal
from .references import References
from .scanning import progress, read_picture
from .settings import SIDES, Settings

# A record's frame and header, bytes: what a picture costs beside its own.
_RECORD_BYTES = 32
_QUERY = (
    "SELECT number, name, labels, sha, reference, at, size, spooled, length FROM pictures "
    "WHERE side = ? AND reason IS NULL AND number BETWEEN ? AND ? ORDER BY key, name"
)


@dataclass(frozen=True)
class Kept:
    """A picture that goes out."""

    number: int
    name: str
    labels: str
    sha: bytes
    reference: bytes
    at: int
    size: int
    spooled: int | None
    length: int


def write(journal: Journal, settings: Settings, references: References, hosts: Hosts) -> None:
    """Write what is not there yet of this host's shards, and classes.json.

    Raises ClientError if a picture has changed since it was looked at.
    """
    listed, classes = journal.get("listed"), journal.get("classes")
    first = hosts.rank * HOST_STEP
    total = journal.one(
        "SELECT count(*) FROM pictures WHERE side NOT NULL AND number BETWEEN ? AND ?", first, first + HOST_STEP - 1
    )
    prefix = "pictures" if hosts.alone else f"pictures-{hosts.rank}"
    with progress("Writing", total, 0, settings) as bar:
        for side in SIDES:
            if settings.ratios[side] == 0:
                continue
            folder = settings.out / side
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / CLASSES_FILE, json.dumps(classes, ensure_ascii=False), settings.work)
            rows = journal.rows(_QUERY, side, first, first + HOST_STEP - 1)
            numbered = _numbered((Kept(*row) for row in rows), settings.shard_bytes)
            for number, shard in groupby(numbered, key=lambda each: each[0]):
                path = folder / f"{prefix}-{number:05d}.rec"
                if not path.exists():
                    pictures = ((kept, _vector(kept, classes, listed)) for _, kept in shard)
                    _write_shard(journal, settings, references, path, pictures, bar)
    write_text(settings.out / CLASSES_FILE, json.dumps(classes, ensure_ascii=False), settings.work)


def _numbered(rows: Iterator[Kept], limit: int) -> Iterator[tuple[int, Kept]]:
    """Yield each picture with its shard's number: at most `limit` bytes each, but for a larger picture by itself."""
    number = total = 0
    for kept in rows:
        size = kept.length + _RECORD_BYTES
        if total and total + size > limit:
            number, total = number + 1, 0
        total += size
        yield number, kept


def _vector(kept: Kept, classes: list[str], listed: dict[str, Any]) -> tuple[float, ...]:
    return choosing.label_vector(json.loads(kept.labels), classes, listed["numbered"], listed["multi"])


def _write_shard(
    journal: Journal,
    settings: Settings,
    references: References,
    path: Path,
    pictures: Iterator[tuple[Kept, tuple[float, ...]]],
    bar: "tqdm[None]",
) -> None:
    part = settings.work / path.name
    with Writer(part) as writer, part.with_suffix(".lst").open("w", encoding="utf-8") as names:
        for number, (kept, labels) in enumerate(pictures):
            writer.write(labels, picture_bytes(journal, references, kept))
            names.write("\t".join([str(number), *(f"{label:g}" for label in labels), kept.name]) + "\n")
            bar.update()
    # The .rec comes last: where it is, all is.
    for suffix in (".idx", ".lst", ".rec"):
        _publish(part.with_suffix(suffix), path.with_suffix(suffix))


def picture_bytes(journal: Journal, references: References, kept: Kept) -> bytes:
    """Return the bytes that go out. Raises ClientError if the source's are no longer those that were looked at."""
    if kept.spooled is not None:
        return journal.spooled(kept.spooled, kept.length)
    try:
        data = read_picture(references, kept.reference, kept.at, kept.size)
    except OSError as error:
        raise ClientError(f"{kept.name} cannot be read any more", str(error), "Start anew") from error
    if hashlib.sha256(data).digest() != kept.sha:
        raise ClientError(f"{kept.name} has changed while it was prepared", do="Let the source be, and start anew")
    return data


def _publish(part: Path, path: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    # Source and target lie in OUT, so that this is one step.
    part.replace(path)


def write_text(path: Path, text: str, work: Path) -> None:
    """Write a small file in one step."""
    part = work / path.name
    part.write_text(text, encoding="utf-8")
    part.replace(path)
