"""MXNet's RecordIO format: packed pictures with their labels.

A record is the magic number, a word of a 3-bit continuation flag and a 29-bit length, and the payload padded to 4
bytes. A payload in which the magic number itself occurs (at a multiple of 4) is cut there into parts, flagged 1, 2 ...
3; the reader puts the magic number back between them. A picture's payload begins with the header `IfQQ` (flag, label,
id, id2); a flag n > 0 says that n float32 labels follow. Source: dmlc-core `include/dmlc/recordio.h` and MXNet
`python/mxnet/recordio.py`. Kept free of MXNet so that data can be made and looked at on any machine.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from ..errors import ClientError

MAGIC = 0xCED7230A
MAGIC_BYTES = struct.pack("<I", MAGIC)
# Magic number, then flag and length in one word.
FRAME = struct.Struct("<II")
# Flag, label, id, id2.
HEADER = struct.Struct("<IfQQ")
_LENGTH_BITS = 29
WHOLE, FIRST, MIDDLE, LAST = range(4)
PARTS_OUT_OF_ORDER = "The parts of a record do not follow each other"


@dataclass(frozen=True)
class ImageRecord:
    """What one record holds: its label or labels and the encoded picture."""

    labels: tuple[float, ...]
    id: int
    data: bytes


def unpack(payload: bytes) -> ImageRecord:
    """Return the picture in a payload. Raises ClientError if it is too short for the header it begins with."""
    if len(payload) < HEADER.size:
        raise ClientError(f"A record has {len(payload)} bytes", "That is too short for an image record's header")
    flag, label, id_, _ = HEADER.unpack_from(payload)
    if flag == 0:
        return ImageRecord((label,), id_, payload[HEADER.size :])
    end = HEADER.size + 4 * flag
    if end > len(payload):
        raise ClientError(f"A record announces {flag} labels", f"It has only {len(payload)} bytes")
    return ImageRecord(struct.unpack_from(f"<{flag}f", payload, HEADER.size), id_, payload[end:])


def pack(picture: ImageRecord) -> bytes:
    """Return the payload of a picture: the inverse of unpack."""
    if len(picture.labels) == 1:
        return HEADER.pack(0, picture.labels[0], picture.id, 0) + picture.data
    count = len(picture.labels)
    return HEADER.pack(count, 0.0, picture.id, 0) + struct.pack(f"<{count}f", *picture.labels) + picture.data


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
        flag = WHOLE if len(parts) == 1 else FIRST if number == 0 else LAST if number == len(parts) - 1 else MIDDLE
        framed.append(FRAME.pack(MAGIC, flag << _LENGTH_BITS | len(part)) + part + bytes(-len(part) % 4))
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
        self._records.write(frame(pack(ImageRecord(labels, self._count, data))))
        self._count += 1

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._records.close()
        self._index.close()


def damaged(path: Path | str, number: int, offset: int, why: str) -> ClientError:
    """Return the error for a file or stream that is not what the format says at a byte."""
    return ClientError(f"{path} is damaged at byte {offset}, record {number}", why, "Write the file again")


def frame_head(head: bytes, path: Path | str, number: int, offset: int) -> tuple[int, int]:
    """Return the continuation flag and the length of a part. Raises ClientError if no part starts here."""
    magic, word = FRAME.unpack_from(head)
    if magic != MAGIC:
        raise damaged(path, number, offset, f"A record starts with {MAGIC:#x}, not {magic:#x}. Is it a .rec file?")
    return word >> _LENGTH_BITS, word & (1 << _LENGTH_BITS) - 1


def follows(flag: int, between_records: bool) -> bool:
    """Return whether a part with this continuation flag may stand here."""
    return flag in ((WHOLE, FIRST) if between_records else (MIDDLE, LAST))


def payloads(data: bytes) -> Iterator[bytes]:
    """Yield the payload of each record in framed bytes, parts joined. Raises ValueError if they are cut or damaged."""
    offset = 0
    parts: list[bytes] = []
    while offset < len(data):
        if offset + FRAME.size > len(data):
            raise ValueError(f"cut at byte {offset}")
        magic, word = FRAME.unpack_from(data, offset)
        flag, length = word >> _LENGTH_BITS, word & (1 << _LENGTH_BITS) - 1
        start = offset + FRAME.size
        if magic != MAGIC or start + length > len(data) or not follows(flag, not parts):
            raise ValueError(f"damaged or cut at byte {offset}")
        parts.append(data[start : start + length])
        offset = start + length + -length % 4
        if flag in (WHOLE, LAST):
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
    while head := file.read(FRAME.size):
        if len(head) < FRAME.size:
            raise _ended(name, number, offset)
        flag, length = frame_head(head, name, number, offset)
        if not follows(flag, not parts):
            raise damaged(name, number, offset, PARTS_OUT_OF_ORDER)
        part = file.read(length + -length % 4)
        # The padding at the very end holds nothing, so it may be missing.
        if len(part) < length:
            raise _ended(name, number, offset)
        parts.append(part[:length])
        offset += FRAME.size + len(part)
        if flag in (WHOLE, LAST):
            yield MAGIC_BYTES.join(parts)
            number, parts = number + 1, []
    if parts:
        raise _ended(name, number, offset)


def _ended(name: str, number: int, offset: int) -> ClientError:
    return ClientError(
        f"{name} ends in the middle of record {number}",
        f"A part of it starts at byte {offset} or before, and no more bytes came",
        "Check that the files of this channel are whole",
    )
