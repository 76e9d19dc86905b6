"""Looks over channels without decoding a picture: `train` does, before the first epoch.

`sagemaker-gluoncv prepare --check` does the same, and decodes every picture too.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from .. import formats
from ..errors import some
from . import record_files, recordio

# Enough to tell two pictures of the same size apart in all but a few cases, which are then read in full.
_HEAD_BYTES = 4096
# What reading in full may cost: some seconds of a disk.
_MOST_BYTES = 1 << 30
_NAMED = 3
# The largest class is this many times the smallest: accuracy then says little.
_IMBALANCE = 20


class Place(NamedTuple):
    """The bytes of an encoded picture: in which file, from which byte, how many.

    `record` is the record they must be put together from, if framing lies between them.
    """

    path: Path
    offset: int
    size: int
    record: record_files.Record | None = None

    def read(self, most: int | None = None) -> bytes:
        """Return the bytes, or the first `most` of them. Raises OSError, or ClientError if the file has changed."""
        with self.path.open("rb") as file:
            if self.record:
                payload = record_files.read_payload(file.fileno(), self.record.offset, self.record.size)
                return recordio.unpack(payload).data[:most]
            file.seek(self.offset)
            return file.read(self.size if most is None else min(most, self.size))


def place(record: record_files.Record) -> Place:
    """Return where the picture of a record lies."""
    return Place(record.path, record.data_offset, record.data_size, record if record.in_parts else None)


class Picture(Protocol):
    """A picture of a channel; `labels` are one class id, or a 0 or 1 for each class."""

    @property
    def name(self) -> str:
        """What to call it in a message."""

    @property
    def labels(self) -> tuple[float, ...]:
        """(class id,) or a vector of 0 and 1."""

    @property
    def place(self) -> Place:
        """Where it lies. Raises OSError."""


@dataclass(frozen=True)
class Finding:
    """Something odd about channels: a name that programs may look for, how often, and a sentence for people."""

    kind: str
    count: int
    text: str


# Equal pictures: (channel, picture) each.
Group = list[tuple[str, Picture]]


def of_labels(
    channels: Mapping[str, Sequence[Picture]], classes: Sequence[str] = (), multi_label: bool = False
) -> list[Finding]:
    """Return what is odd about the labels of channels, by channel name; `classes` are names by label."""
    counts = {
        channel: Counter(number for picture in pictures for number in _classes(picture.labels, multi_label))
        for channel, pictures in channels.items()
    }
    return list(_label_findings(counts, dict(enumerate(classes)))) if counts.get("train") else []


def _classes(labels: tuple[float, ...], multi_label: bool) -> Iterable[int]:
    return (number for number, on in enumerate(labels) if on) if multi_label else map(int, labels)


def _label_findings(counts: Mapping[str, Counter[int]], names: Mapping[int, str]) -> Iterator[Finding]:
    train = counts["train"]
    for channel, counter in counts.items():
        unseen = sorted(counter.keys() - train.keys())
        if unseen:
            named = _named([names.get(each, str(each)) for each in unseen])
            text = f"channel {channel} has classes that are not in train: {named}"
            yield Finding("class-without-training", len(unseen), text)
    empty = sorted(set(range(max(max(train) + 1, len(names)))) - train.keys())
    if empty:
        text = f"channel train has no pictures of classes: {_named([names.get(each, str(each)) for each in empty])}"
        yield Finding("empty-class", len(empty), text)
    (most, largest), (least, smallest) = train.most_common()[0], train.most_common()[-1]
    if largest > _IMBALANCE * smallest:
        text = f"class {names.get(most, most)} has {largest} training pictures, {names.get(least, least)} {smallest}"
        yield Finding("imbalance", 1, text)


def of_pictures(
    channels: Mapping[str, Sequence[Picture]], most_bytes: int | None = _MOST_BYTES
) -> tuple[list[Finding], list[Group] | None]:
    """Return what is odd about the pictures of channels, and the groups of equal ones.

    Reads 4 KiB of each picture, and in full those that these do not tell apart; where that would be more than
    `most_bytes`, equal pictures are not looked for and the groups are None. What cannot be read equals nothing.
    """
    findings: list[Finding] = []
    alike: dict[tuple[int, bytes], Group] = {}
    for channel, pictures in channels.items():
        odd: list[str] = []
        for picture in pictures:
            try:
                size, head = picture.place.size, picture.place.read(_HEAD_BYTES)
            except OSError:
                continue
            if formats.recognized(head) is None:
                odd.append(picture.name)
            digest = hashlib.blake2b(head, digest_size=8).digest()
            alike.setdefault((size, digest), []).append((channel, picture))
        if odd:
            text = f"channel {channel} has records that are not pictures: {_named(odd)}"
            findings.append(Finding("no-picture", len(odd), text))
    twins = [group for group in alike.values() if len(group) > 1]
    if most_bytes is not None and sum(picture.place.size for group in twins for _, picture in group) > most_bytes:
        return findings, None
    same = _same(twins)
    return [*findings, *_duplicates(same)], same


def _same(twins: list[Group]) -> list[Group]:
    """Return groups of equal pictures among those whose size and first bytes are equal."""
    same: dict[bytes, Group] = {}
    for group in twins:
        for channel, picture in group:
            try:
                digest = hashlib.sha256(picture.place.read()).digest()
            except OSError:
                continue
            same.setdefault(digest, []).append((channel, picture))
    return [group for group in same.values() if len(group) > 1]


def _duplicates(same: list[Group]) -> Iterator[Finding]:
    leaks = [group for group in same if len({channel for channel, _ in group}) > 1]
    if leaks:
        named = _named([" = ".join(picture.name for _, picture in group) for group in leaks])
        yield Finding("leakage", len(leaks), f"pictures are in two channels, which flatters the accuracy: {named}")
    labels = [group for group in same if len({picture.labels for _, picture in group}) > 1]
    if labels:
        named = _named([" = ".join(picture.name for _, picture in group) for group in labels])
        yield Finding("two-labels", len(labels), f"equal pictures have different labels: {named}")
    copies = sum(len(group) - len({channel for channel, _ in group}) for group in same)
    if copies:
        yield Finding("duplicates", copies, f"{copies} pictures are copies of another in their channel")


def _named(names: list[str]) -> str:
    return some(names, _NAMED)
