"""Looks over channels without decoding a picture: what `train` can afford to do before the first epoch.

`sagemaker-gluoncv prepare --check` runs the same, and the dear part too.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from . import recordio
from .recordio import Record

# Enough to tell two pictures of the same size apart in all but a few cases, which are then read in full.
_HEAD_BYTES = 4096
_NAMED = 3
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")
# The largest class is this many times the smallest: accuracy then says little.
_IMBALANCE = 20


@dataclass(frozen=True)
class Finding:
    """Something odd about channels: a name that programs may look for, how often, and a sentence for people."""

    kind: str
    count: int
    text: str


def check(channels: Mapping[str, Sequence[Record]], classes: Sequence[str] = ()) -> list[Finding]:
    """Return what is odd about channels, which are records by channel name; `classes` are names by label.

    Costs two reads of 4 KiB a picture at most, and a full one where two pictures look the same.
    """
    names = dict(enumerate(classes))
    findings = [*_labels(channels, names)]
    with ExitStack() as stack:
        descriptors = {}
        for path in sorted({record.path for records in channels.values() for record in records}):
            descriptors[path] = os.open(path, os.O_RDONLY)
            stack.callback(os.close, descriptors[path])
        heads = {
            channel: [_head(descriptors[record.path], record) for record in records]
            for channel, records in channels.items()
        }
        findings += _no_pictures(channels, heads)
        same = _same(channels, heads, lambda record: _digest(descriptors[record.path], record))
    return [*findings, *_duplicates(same)]


def _labels(channels: Mapping[str, Sequence[Record]], names: Mapping[int, str]) -> Iterator[Finding]:
    counts = {
        channel: Counter(int(record.labels[0]) for record in records if len(record.labels) == 1)
        for channel, records in channels.items()
    }
    train = counts.get("train", Counter())
    if train:
        for channel, counter in counts.items():
            unseen = sorted(counter.keys() - train.keys())
            if unseen:
                named = _listed([names.get(each, str(each)) for each in unseen])
                text = f"channel {channel} has classes that train has not: {named}"
                yield Finding("class-without-training", len(unseen), text)
        empty = sorted(set(range(max(max(train) + 1, len(names)))) - train.keys())
        if empty:
            text = f"no training picture has the label {_listed([names.get(each, str(each)) for each in empty])}"
            yield Finding("empty-class", len(empty), text)
        (most, largest), (least, smallest) = train.most_common()[0], train.most_common()[-1]
        if largest > _IMBALANCE * smallest:
            text = (
                f"class {names.get(most, most)} has {largest} training pictures, {names.get(least, least)} {smallest}"
            )
            yield Finding("imbalance", 1, text)


def _head(descriptor: int, record: Record) -> tuple[int, bytes, bytes]:
    """Return (size, digest of the first bytes, first 16 bytes) of a record's picture."""
    framing = 8 + 24 + (4 * len(record.labels) if len(record.labels) > 1 else 0)
    data = os.pread(descriptor, min(_HEAD_BYTES, record.size - framing), record.offset + framing)
    return record.size - framing, hashlib.blake2b(data, digest_size=8).digest(), data[:16]


def _digest(descriptor: int, record: Record) -> bytes:
    payload = recordio.read_payload(descriptor, record.offset, record.size)
    return hashlib.sha256(recordio.unpack(payload).data).digest()


def _no_pictures(
    channels: Mapping[str, Sequence[Record]], heads: Mapping[str, list[tuple[int, bytes, bytes]]]
) -> Iterator[Finding]:
    for channel, records in channels.items():
        odd = [
            record.name
            for record, (_, _, start) in zip(records, heads[channel], strict=True)
            if not start.startswith(_SIGNATURES)
        ]
        if odd:
            yield Finding("no-picture", len(odd), f"channel {channel} has records that are no picture: {_listed(odd)}")


def _same(
    channels: Mapping[str, Sequence[Record]],
    heads: Mapping[str, list[tuple[int, bytes, bytes]]],
    digest: Callable[[Record], bytes],
) -> list[list[tuple[str, Record]]]:
    """Return groups of (channel, record) with the same picture."""
    alike: dict[tuple[int, bytes], list[tuple[str, Record]]] = {}
    for channel, records in channels.items():
        for record, (size, start, _) in zip(records, heads[channel], strict=True):
            alike.setdefault((size, start), []).append((channel, record))
    same: dict[bytes, list[tuple[str, Record]]] = {}
    for group in alike.values():
        if len(group) > 1:
            for channel, record in group:
                same.setdefault(digest(record), []).append((channel, record))
    return [group for group in same.values() if len(group) > 1]


def _duplicates(same: list[list[tuple[str, Record]]]) -> Iterator[Finding]:
    leaks = [group for group in same if len({channel for channel, _ in group}) > 1]
    if leaks:
        named = _listed([" = ".join(f"{channel}/{record.name}" for channel, record in group) for group in leaks])
        yield Finding("leakage", len(leaks), f"pictures are in two channels, which flatters the accuracy: {named}")
    labels = [group for group in same if len({record.labels for _, record in group}) > 1]
    if labels:
        named = _listed([" = ".join(record.name for _, record in group) for group in labels])
        yield Finding("two-labels", len(labels), f"pictures have two labels: {named}")
    copies = sum(len(group) - len({channel for channel, _ in group}) for group in same)
    if copies:
        yield Finding("duplicates", copies, f"{copies} pictures are copies of another in their channel")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
