"""Finds pictures that lie in both channels: they make a validation accuracy look better than it is."""

import zlib
from collections import defaultdict

from ..errors import ContainerError
from .samples import Channel, FileSample, Listed, RecordSample

# What looking may cost: some seconds of a disk.
_MOST_BYTES = 1 << 30


def duplicates_between(
    train: Channel, validation: Channel, most_bytes: int = _MOST_BYTES
) -> list[tuple[str, str]] | None:
    """Return (name in train, name in validation) of pictures that are equal byte for byte, by size and CRC-32.

    Only pictures of equal sizes are read. None if it is not known: in FastFile and Pipe mode, and where more than
    `most_bytes` would have to be read.
    """
    if not (isinstance(train, Listed) and isinstance(validation, Listed) and train.local and validation.local):
        return None
    sizes = _by_size(train), _by_size(validation)
    common = sizes[0].keys() & sizes[1].keys()
    if sum(4 * size * len(each[size]) for each in sizes for size in common) > most_bytes:
        return None
    pairs = []
    for size in sorted(common):
        sums = defaultdict(list)
        for sample in sizes[0][size]:
            sums[_sum(sample)].append(sample.name)
        for sample in sizes[1][size]:
            total = _sum(sample)
            if total is not None:
                pairs += [(name, sample.name) for name in sums.get(total, ())[:1]]
    return pairs


def _by_size(channel: Listed) -> dict[int, list[FileSample | RecordSample]]:
    """Return samples by size in words of 4 bytes, to which records are padded."""
    found = defaultdict(list)
    for sample in channel.samples:
        found[-(-sample.size // 4)].append(sample)
    return found


def _sum(sample: FileSample | RecordSample) -> int | None:
    try:
        return zlib.crc32(sample.read())
    except ContainerError:
        # It is skipped, and counted, where it is decoded.
        return None
