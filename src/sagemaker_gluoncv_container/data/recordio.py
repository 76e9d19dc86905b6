"""MXNet's RecordIO format: packed pictures with their labels.

A record is the magic number, a word of a 3-bit continuation flag and a 29-bit length, and the payload padded to 4
bytes. A payload in which the magic number itself occurs (at a multiple of 4) is cut there into parts, flagged 1, 2...,
3; the reader puts the magic number back between them. A picture's payload begins with the header `IfQQ` (flag, label,
id, id2); a flag n > 0 says that n float32 labels follow. Source: dmlc-core `include/dmlc/recordio.h` and MXNet
`python/mxnet/recordio.py`. Kept free of MXNet so that data can be made and looked at on any machine.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from ..errors import ClientError

MAGIC = 0xCED7230A
MAGIC_BYTES = struct.pack("<I", MAGIC)
_FRAME = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")
_LENGTH_BITS = 29
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
# A frame, a header and a few labels in one read.
_HEAD_BYTES = 64
# Where each read is a request over the network: few and large ones.
REMOTE_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True)
class Picture:
    """The payload of one record: its label or labels and the encoded picture."""

    labels: tuple[float, ...]
    id: int
    data: bytes


@dataclass(frozen=True)
class Record:
    """Where one picture lies. `number` counts from 0 in its file; `offset` and `size` are bytes, framing included."""

    path: Path
    number: int
    offset: int
    size: int
    labels: tuple[float, ...]

    @property
    def name(self) -> str:
        """What to call this record in a message."""
        return f"{self.path.name} record {self.number}"

    @property
    def head_size(self) -> int:
        """Bytes before the encoded picture: framing, header and labels."""
        return _FRAME.size + _HEADER.size + (4 * len(self.labels) if len(self.labels) > 1 else 0)


def unpack(payload: bytes) -> Picture:
    """Return the picture in a payload. Raises ClientError if it is too short for the header it begins with."""
    if len(payload) < _HEADER.size:
        raise ClientError(f"a record of {len(payload)} bytes", "it is too short for an image record's header")
    flag, label, id_, _ = _HEADER.unpack_from(payload)
    if flag == 0:
        return Picture((label,), id_, payload[_HEADER.size :])
    end = _HEADER.size + 4 * flag
    if end > len(payload):
        raise ClientError(f"a record announces {flag} labels", f"it has only {len(payload)} bytes")
    return Picture(struct.unpack_from(f"<{flag}f", payload, _HEADER.size), id_, payload[end:])


def pack(picture: Picture) -> bytes:
    """Return the payload of a picture: the inverse of unpack."""
    if len(picture.labels) == 1:
        return _HEADER.pack(0, picture.labels[0], picture.id, 0) + picture.data
    count = len(picture.labels)
    return _HEADER.pack(count, 0.0, picture.id, 0) + struct.pack(f"<{count}f", *picture.labels) + picture.data


def _parts(payload: bytes) -> list[bytes]:
    """Cut a payload at each aligned magic number, which would read as the start of a record."""
    parts, start, at = [], 0, payload.find(MAGIC_BYTES)
    while at != -1:
        if at % 4:
            at = payload.find(MAGIC_BYTES, at + 1)
            continue
        parts.append(payload[start:at])
        start = at + 4
        at = payload.find(MAGIC_BYTES, start)
    return [*parts, payload[start:]]


def frame(payload: bytes) -> bytes:
    """Return a payload with its framing, as it lies in a file. Payloads of 512 MiB and more do not fit the format."""
    parts = _parts(payload)
    framed = []
    for number, part in enumerate(parts):
        if len(part) >= 1 << _LENGTH_BITS:
            raise ValueError(f"a record part of {len(part)} bytes does not fit 29 bits of length")
        flag = _WHOLE if len(parts) == 1 else _FIRST if number == 0 else _LAST if number == len(parts) - 1 else _MIDDLE
        framed.append(_FRAME.pack(MAGIC, flag << _LENGTH_BITS | len(part)) + part + bytes(-len(part) % 4))
    return b"".join(framed)


class Writer:
    """Writes `<path>` and its index `<path with .idx>`, a line `key TAB offset` a record, as MXNet's tools do."""

    def __init__(self, path: Path) -> None:
        self._records = path.open("wb")
        self._index = path.with_suffix(".idx").open("w")
        self._count = 0

    def write(self, labels: tuple[float, ...], data: bytes) -> None:
        """Append a picture."""
        self._index.write(f"{self._count}\t{self._records.tell()}\n")
        self._records.write(frame(pack(Picture(labels, self._count, data))))
        self._count += 1

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._records.close()
        self._index.close()


def _cut(path: Path, number: int, offset: int) -> ClientError:
    return ClientError(
        f"{path} ends in the middle of record {number}, which starts at byte {offset}",
        f"the file has only {path.stat().st_size} bytes, so it was cut when it was written or copied",
        "Write or upload it again",
    )


def _damaged(path: Path | str, number: int, offset: int, why: str) -> ClientError:
    return ClientError(f"{path} is damaged at byte {offset}, record {number}", why, "Write the file again")


def _frame_head(head: bytes, path: Path | str, number: int, offset: int) -> tuple[int, int]:
    """Return the continuation flag and the length of a part. Raises ClientError if no part starts here."""
    magic, word = _FRAME.unpack_from(head)
    if magic != MAGIC:
        raise _damaged(path, number, offset, f"a record starts with {MAGIC:#x}, not {magic:#x}; is it a .rec file?")
    return word >> _LENGTH_BITS, word & (1 << _LENGTH_BITS) - 1


def _frames(file: BinaryIO, path: Path, block: int) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield (flag, offset, end, first bytes of the payload) of each part, read in blocks of that many bytes."""
    size = path.stat().st_size
    window, window_start = b"", 0
    offset = number = 0
    while offset < size:
        if min(offset + _HEAD_BYTES, size) > window_start + len(window):
            window, window_start = _read_at(file.fileno(), block, offset), offset
        head = window[offset - window_start : offset - window_start + _HEAD_BYTES]
        if len(head) < _FRAME.size:
            raise _cut(path, number, offset)
        flag, length = _frame_head(head, path, number, offset)
        end = offset + _FRAME.size + length + -length % 4
        if end > size:
            raise _cut(path, number, offset)
        yield flag, offset, end, head[_FRAME.size : _FRAME.size + length]
        number += flag in (_WHOLE, _LAST)
        offset = end


def _follows(flag: int, between_records: bool) -> bool:
    """Return whether a part with this continuation flag may stand here."""
    return flag in ((_WHOLE, _FIRST) if between_records else (_MIDDLE, _LAST))


def scan(path: Path, block: int = _HEAD_BYTES) -> list[Record]:
    """Return where every picture of a file lies and its labels, in file order; no .idx is needed.

    By default only the heads of records are read; a larger `block` reads the file from end to end, that many bytes
    at a time. Raises ClientError if the file is cut or damaged, and says at which byte.
    """
    records: list[Record] = []
    start, head = -1, b""
    with path.open("rb", buffering=0) as file:
        for flag, offset, end, part in _frames(file, path, block):
            if not _follows(flag, start == -1):
                raise _damaged(path, len(records), offset, "the parts of a record do not follow each other")
            if start == -1:
                start, head = offset, part
            if flag in (_WHOLE, _LAST):
                payload = head
                if len(head) < _HEADER.size or _HEADER.size + 4 * _HEADER.unpack_from(head)[0] > len(head):
                    payload = read_payload(file.fileno(), start, end - start)
                try:
                    labels = unpack(payload).labels
                except ClientError as error:
                    raise _damaged(path, len(records), start, str(error)) from error
                records.append(Record(path, len(records), start, end - start, labels))
                start = -1
        if start != -1:
            raise _cut(path, len(records), start)
    return records


def payloads(data: bytes) -> Iterator[bytes]:
    """Yield the payload of each record in framed bytes, parts joined. Raises ValueError if they are cut or damaged."""
    offset = 0
    parts: list[bytes] = []
    while offset < len(data):
        if offset + _FRAME.size > len(data):
            raise ValueError(f"cut at byte {offset}")
        magic, word = _FRAME.unpack_from(data, offset)
        flag, length = word >> _LENGTH_BITS, word & (1 << _LENGTH_BITS) - 1
        start = offset + _FRAME.size
        if magic != MAGIC or start + length > len(data) or not _follows(flag, not parts):
            raise ValueError(f"damaged or cut at byte {offset}")
        parts.append(data[start : start + length])
        offset = start + length + -length % 4
        if flag in (_WHOLE, _LAST):
            yield MAGIC_BYTES.join(parts)
            parts = []
    if parts:
        raise ValueError("cut between the parts of a record")


def stream(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the payload of each record of a file that is read once, from start to end, as a pipe; parts joined.

    No more than one record is in memory. Raises ClientError, which names the stream and the record, if it is cut or
    damaged.
    """
    offset = number = 0
    parts: list[bytes] = []
    while head := file.read(_FRAME.size):
        if len(head) < _FRAME.size:
            raise _ended(name, number, offset)
        flag, length = _frame_head(head, name, number, offset)
        if not _follows(flag, not parts):
            raise _damaged(name, number, offset, "the parts of a record do not follow each other")
        part = file.read(length + -length % 4)
        # The padding at the very end holds nothing, so it may be missing.
        if len(part) < length:
            raise _ended(name, number, offset)
        parts.append(part[:length])
        offset += _FRAME.size + len(part)
        if flag in (_WHOLE, _LAST):
            yield MAGIC_BYTES.join(parts)
            number, parts = number + 1, []
    if parts:
        raise _ended(name, number, offset)


def _ended(name: str, number: int, offset: int) -> ClientError:
    return ClientError(
        f"{name} ends in the middle of record {number}",
        f"a part of it starts at byte {offset} or before, and no more bytes came",
        "See that the files of this channel are whole",
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
        why = f"what lies at byte {offset} is no whole record of {size} bytes: the file was changed meanwhile"
        raise ClientError("a record cannot be read", why, "Leave the files alone while a job reads them") from error
