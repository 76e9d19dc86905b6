"""Writes the channels: `.rec` files with `.idx` and `.lst`, each under a temporary name until it is complete."""

import hashlib
import json
import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from ..data.classes import CLASSES_FILE
from ..data.recordio import Writer
from ..errors import ClientError
from ..hosts import Hosts
from . import choosing
from .journal.rows import KeptPicture, numbers_of
from .journal.store import Journal
from .progress import Progress
from .references import References
from .scanning import read_picture
from .settings import SIDES, Settings

# A record's frame and header, bytes: what a picture costs beside its own.
_RECORD_BYTES = 32
Labelled = tuple[KeptPicture, tuple[float, ...]]


def write(journal: Journal, settings: Settings, references: References, hosts: Hosts) -> None:
    """Write what is missing of this host's shards, and classes.json.

    Raises ClientError if a picture has changed since it was inspected.
    """
    total = journal.pictures.count_kept(numbers_of(hosts.rank))
    prefix = "pictures" if hosts.alone else f"pictures-{hosts.rank}"
    with Progress("Writing", total, 0, settings.progress) as progress:
        for side in SIDES:
            if settings.ratios[side] > 0:
                _write_side(journal, settings, references, settings.out / side / prefix, hosts.rank, progress)
    write_text(settings.out / CLASSES_FILE, _names(journal), settings.work)


def _names(journal: Journal) -> str:
    return json.dumps(journal.classes, ensure_ascii=False)


def _write_side(
    journal: Journal, settings: Settings, references: References, prefix: Path, rank: int, progress: Progress
) -> None:
    """Write this host's shards of the side whose folder `prefix` is in."""
    listing, classes = journal.listing, journal.classes or []
    prefix.parent.mkdir(parents=True, exist_ok=True)
    write_text(prefix.with_name(CLASSES_FILE), _names(journal), settings.work)
    kept = journal.pictures.kept(prefix.parent.name, numbers_of(rank))
    for number, shard in groupby(numbered(kept, settings.shard_bytes), key=lambda each: each[0]):
        path = prefix.with_name(f"{prefix.name}-{number:05d}.rec")
        if not path.exists():
            labelled = (
                (picture, choosing.label_vector(json.loads(picture.labels), classes, listing.numbered, listing.multi))
                for _, picture in shard
            )
            _write_shard(journal, references, settings.work / path.name, labelled, progress)
            _publish_shard(settings.work / path.name, path)


def numbered(pictures: Iterator[KeptPicture], limit: int) -> Iterator[tuple[int, KeptPicture]]:
    """Yield each picture with its shard's number: at most `limit` bytes each, but for a larger picture by itself."""
    number = total = 0
    for picture in pictures:
        size = picture.length + _RECORD_BYTES
        if total and total + size > limit:
            number, total = number + 1, 0
        total += size
        yield number, picture


def _write_shard(
    journal: Journal, references: References, part: Path, pictures: Iterator[Labelled], progress: Progress
) -> None:
    with Writer(part) as writer, part.with_suffix(".lst").open("w", encoding="utf-8") as names:
        for number, (picture, labels) in enumerate(pictures):
            writer.write(labels, picture_bytes(journal, references, picture))
            names.write("\t".join([str(number), *(f"{label:g}" for label in labels), picture.name]) + "\n")
            progress.update()


def picture_bytes(journal: Journal, references: References, picture: KeptPicture) -> bytes:
    """Return the bytes that go out. Raises ClientError if the source's are no longer those that were inspected."""
    if picture.spooled is not None:
        return journal.spooled(picture.spooled, picture.length)
    do = "Leave the source unchanged, delete the output folder and start again"
    try:
        data = read_picture(references, picture.location)
    except OSError as error:
        raise ClientError(f"{picture.name} can no longer be read", error.strerror or str(error), do) from error
    if hashlib.sha256(data).digest() != picture.sha:
        raise ClientError(f"{picture.name} has changed since it was inspected", do=do)
    return data


def _publish_shard(part: Path, path: Path) -> None:
    # The .rec comes last: where it is, the others are.
    for suffix in (".idx", ".lst", ".rec"):
        with part.with_suffix(suffix).open("rb") as file:
            os.fsync(file.fileno())
        # Both names are in OUT, so that this is one step.
        part.with_suffix(suffix).replace(path.with_suffix(suffix))


def write_text(path: Path, text: str, work: Path) -> None:
    """Write a small file in one step."""
    part = work / path.name
    part.write_text(text, encoding="utf-8")
    part.replace(path)
