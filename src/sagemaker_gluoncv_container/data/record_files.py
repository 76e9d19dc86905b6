"""Where the records of a `.rec` file lie, found by reading the file itself: no `.idx` is needed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import ClientError
from .recordio import (
    FRAME,
    HEADER,
    LAST,
    PARTS_OUT_OF_ORDER,
    WHOLE,
    damaged,
    follows,
    frame_head,
    payloads,
    unpack,
)

# A frame, a header and a few labels in one read.
_HEAD_BYTES = 64
# Where each read is a request over the network: few and large ones.
REMOTE_BLOCK_BYTES = 8 << 20
# What the parts of a payload are joined by, bytes: the magic number.
_JOINT = 4


# There may be millions of records: slots halve what they take.
@dataclass(frozen=True, slots=True)
class Record:
    """Where one picture lies.

    number        counts from 0 in its file
    offset, size  bytes, framing and padding included
    labels        as they are written in the record
    data_size     bytes of the encoded picture
    in_parts      whether framing lies between the picture's bytes
    """

    path: Path
    number: int
    offset: int
    size: int
    labels: tuple[float, ...]
    data_size: int
    in_parts: bool

    @property
    def name(self) -> str:
        """What to call this record in a message."""
        return f"{self.path.name} record {self.number}"

    @property
    def data_offset(self) -> int:
        """Where the encoded picture begins in the file, bytes of a record in one part."""
        # Header and labels are a multiple of 4 bytes, so that the padding is that of the picture.
        return self.offset + self.size - self.data_size - -self.data_size % 4


class _Part(NamedTuple):
    """One part of a record: its flag, where it begins and ends in the file, its length, and its first bytes."""

    flag: int
    offset: int
    end: int
    length: int
    head: bytes


def scan(path: Path, block: int = _HEAD_BYTES) -> list[Record]:
    """Return where every picture of a file lies and its labels, in file order.

    By default only the heads of records are read; a larger `block` reads the file from end to end, that many bytes
    at a time. Raises ClientError if the file is cut or damaged, and says at which byte.
    """
    records: list[Record] = []
    parts: list[_Part] = []
    with path.open("rb", buffering=0) as file:
        for part in _parts(file, path, block):
            if not follows(part.flag, not parts):
                raise damaged(path, len(records), part.offset, PARTS_OUT_OF_ORDER)
            parts.append(part)
            if part.flag in (WHOLE, LAST):
                records.append(_record(file, path, len(records), parts))
                parts = []
    if parts:
        raise _cut(path, len(records), parts[0].offset)
    return records


def _record(file: BinaryIO, path: Path, number: int, parts: list[_Part]) -> Record:
    first, size = parts[0], parts[-1].end - parts[0].offset
    payload = first.head
    # The header or the labels may reach past what was read, or into the second part.
    if len(payload) < HEADER.size or HEADER.size + 4 * HEADER.unpack_from(payload)[0] > len(payload):
        payload = read_payload(file.fileno(), first.offset, size)
    try:
        labels = unpack(payload).labels
    except ClientError as error:
        raise damaged(path, number, first.offset, str(error)) from error
    length = sum(part.length for part in parts) + _JOINT * (len(parts) - 1)
    # A flag of 1 is one label after the header, whose own label then means nothing.
    data_size = length - HEADER.size - 4 * HEADER.unpack_from(payload)[0]
    return Record(path, number, first.offset, size, labels, data_size, len(parts) > 1)


def _parts(file: BinaryIO, path: Path, block: int) -> Iterator[_Part]:
    """Yield every part of a file, which is read in blocks of that many bytes."""
    size = path.stat().st_size
    window, window_start = b"", 0
    offset = number = 0
    while offset < size:
        if min(offset + _HEAD_BYTES, size) > window_start + len(window):
            window, window_start = _read_at(file.fileno(), block, offset), offset
        head = window[offset - window_start : offset - window_start + _HEAD_BYTES]
        if len(head) < FRAME.size:
            raise _cut(path, number, offset)
        flag, length = frame_head(head, path, number, offset)
        end = offset + FRAME.size + length + -length % 4
        if end > size:
            raise _cut(path, number, offset)
        yield _Part(flag, offset, end, length, head[FRAME.size : FRAME.size + length])
        number += flag in (WHOLE, LAST)
        offset = end


def _cut(path: Path, number: int, offset: int) -> ClientError:
    return ClientError(
        f"{path} ends in the middle of record {number}, which starts at byte {offset}",
        f"The file has only {path.stat().st_size} bytes: it was cut when it was written or copied",
        "Write or upload it again",
    )


def _read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Return `size` bytes from `offset`, fewer at the end of the file; network file systems may give less at once."""
    data = os.pread(descriptor, size, offset)
    while len(data) < size and (more := os.pread(descriptor, size - len(data), offset + len(data))):
        data += more
    return data


def read_payload(descriptor: int, offset: int, size: int) -> bytes:
    """Return the payload of the record at `offset`, `size` bytes with framing. Threads may share the descriptor.

    Raises ClientError if there is no such record, because the file was changed after it was scanned.
    """
    try:
        return next(payloads(_read_at(descriptor, size, offset)))
    except (StopIteration, ValueError) as error:
        why = f"What lies at byte {offset} is not a whole record of {size} bytes: it has changed since the scan"
        raise ClientError("A record cannot be read", why, "Leave the files unchanged while a job reads them") from error
