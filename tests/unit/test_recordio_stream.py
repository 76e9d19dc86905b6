"""RecordIO that is read once, from start to end, and in blocks."""

import io
import os
from pathlib import Path
from typing import Any

import pytest

from sagemaker_gluoncv_container.data import recordio
from sagemaker_gluoncv_container.data.recordio import MAGIC_BYTES, Writer
from sagemaker_gluoncv_container.errors import ClientError

PAYLOADS = [b"", b"one", MAGIC_BYTES, b"head" + MAGIC_BYTES * 2 + b"tail", b"x" * 70_000, b"last!"]


@pytest.fixture
def framed() -> bytes:
    """Return six records, some in parts."""
    return b"".join(map(recordio.frame, PAYLOADS))


def test_records_of_a_stream(framed: bytes) -> None:
    """Payloads come as they were written, parts joined."""
    assert list(recordio.stream(io.BytesIO(framed), "the stream")) == PAYLOADS


def test_no_more_than_a_record_is_read_ahead(framed: bytes) -> None:
    """A record is yielded when it is there, before the next is read."""
    file = io.BytesIO(framed)
    for number, _ in enumerate(recordio.stream(file, "the stream"), 1):
        assert file.tell() == len(b"".join(map(recordio.frame, PAYLOADS[:number])))


def test_a_stream_cut_at_every_byte() -> None:
    """A cut stream gives its whole records, then an error that names the one it ends in."""
    parts = [recordio.frame(payload) for payload in PAYLOADS[:4]]
    content = b"".join(parts)
    ends = [len(b"".join(parts[:number])) for number in range(5)]
    for length in range(len(content)):
        whole = sum(end <= length for end in ends) - 1
        found: list[bytes] = []
        stream = recordio.stream(io.BytesIO(content[:length]), "the stream")
        if length in ends:
            assert list(stream) == PAYLOADS[:whole]
            continue
        # The padding of the last record holds nothing.
        if any(0 < end - length < 4 and end - length <= -len(PAYLOADS[n]) % 4 for n, end in enumerate(ends[1:])):
            assert list(stream) == PAYLOADS[: whole + 1]
            continue
        with pytest.raises(ClientError, match=f"^the stream ends in the middle of record {whole}\\."):
            found.extend(stream)


def test_a_damaged_stream(framed: bytes) -> None:
    """What is no RecordIO, and parts that do not follow each other, are errors with byte and record."""
    with pytest.raises(ClientError, match="the stream is damaged at byte 0, record 0. .* is it a .rec file"):
        list(recordio.stream(io.BytesIO(b"\xff\xd8\xff\xe0 a picture"), "the stream"))
    first, middle = recordio.frame(b"1234" + MAGIC_BYTES + b"5678")[:12], recordio.frame(b"plain")
    with pytest.raises(ClientError, match="the stream is damaged at byte 12, record 0. the parts"):
        list(recordio.stream(io.BytesIO(first + middle), "the stream"))


@pytest.mark.parametrize("block", [64, 100, 4096, 8 << 20])
def test_a_scan_in_blocks_is_the_same(tmp_path: Path, block: int) -> None:
    """However large the reads of a scan are, it finds the same."""
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        for number, payload in enumerate(PAYLOADS * 3):
            writer.write((float(number),) * (1 + number % 20), payload)
    assert recordio.scan(path, block) == recordio.scan(path)


def test_a_scan_in_blocks_reads_once_from_end_to_end(tmp_path: Path, monkeypatch: Any) -> None:
    """Reads follow each other, are large, and read no byte twice but for the head that a block cuts."""
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        for number in range(500):
            writer.write((float(number),), b"x" * 1000)
    reads: list[tuple[int, int]] = []
    whole = os.pread

    def pread(descriptor: int, size: int, offset: int) -> bytes:
        data = whole(descriptor, size, offset)
        reads.append((offset, len(data)))
        return data

    monkeypatch.setattr(os, "pread", pread)
    assert len(recordio.scan(path, 64 << 10)) == 500
    reads = [(offset, size) for offset, size in reads if size]
    assert len(reads) <= 9
    for (offset, size), (following, _) in zip(reads, reads[1:], strict=False):
        assert offset + size - 64 <= following <= offset + size + 1032


def test_a_file_system_that_gives_less_than_asked(tmp_path: Path, monkeypatch: Any) -> None:
    """A record is read whole also where a read gives fewer bytes than asked for."""
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        writer.write((1.0,), b"x" * 5000)
    whole = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, size, offset: whole(descriptor, min(size, 999), offset))
    (record,) = recordio.scan(path)
    with path.open("rb") as file:
        assert len(recordio.read_payload(file.fileno(), record.offset, record.size)) == 5024
    assert record.size - record.head_size == 5000
