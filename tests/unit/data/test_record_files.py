"""Where records lie in a file: places, labels, and what is done about damage."""

import os
import struct
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagemaker_gluoncv_container.data import record_files, recordio
from sagemaker_gluoncv_container.data.recordio import MAGIC_BYTES, Writer
from sagemaker_gluoncv_container.errors import ClientError

MAGIC = MAGIC_BYTES
PAYLOADS = [b"", b"one", MAGIC, b"head" + MAGIC * 2 + b"tail", b"x" * 70_000, b"last!"]


@pytest.mark.parametrize("count", [1, 2, 8, 9, 10, 1000])
def test_labels_are_found_however_many(tmp_path: Path, count: int) -> None:
    """Labels that reach past the first bytes of a record are read whole, also if the magic number is among them."""
    labels = tuple(float(each) for each in range(count - 1)) + struct.unpack("<f", MAGIC)
    with Writer(tmp_path / "a.rec") as writer:
        writer.write(labels, b"picture")
    (record,) = record_files.scan(tmp_path / "a.rec")
    assert record.labels == labels


def test_records_know_their_place(tmp_path: Path) -> None:
    """Number, offset and size are those of the index, framing included, and the name can be shown."""
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        for each in PAYLOADS:
            writer.write((1.0,), each)
    records = record_files.scan(path)
    index = [tuple(map(int, line.split("\t"))) for line in path.with_suffix(".idx").read_text().splitlines()]
    assert [(record.number, record.offset) for record in records] == index
    assert [record.offset + record.size for record in records] == [
        *[offset for _, offset in index[1:]],
        path.stat().st_size,
    ]
    assert records[2].name == "a.rec record 2"
    assert records[2].path == path
    content = path.read_bytes()
    for record, data in zip(records, PAYLOADS, strict=True):
        assert record.data_size == len(data)
        assert record.in_parts == (MAGIC in data)
        if not record.in_parts:
            assert content[record.data_offset : record.data_offset + record.data_size] == data


def test_threads_share_a_descriptor(tmp_path: Path) -> None:
    """Reads do not move a position that another thread relies on."""
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        for number in range(200):
            writer.write((float(number),), str(number).encode() * number)
    records = record_files.scan(path) * 5
    with path.open("rb") as file, ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda each: record_files.read_payload(file.fileno(), each.offset, each.size), records)
        assert [recordio.unpack(payload).labels for payload in found] == [record.labels for record in records]


def test_cut_at_every_byte(whole: Path, tmp_path: Path) -> None:
    """A cut file is refused, and only at a boundary does it look like a whole one with fewer records."""
    records, content = record_files.scan(whole), whole.read_bytes()
    boundaries = [record.offset for record in records]
    path = tmp_path / "cut.rec"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        if length in boundaries:
            assert len(record_files.scan(path)) == boundaries.index(length)
            continue
        started = max(number for number, offset in enumerate(boundaries) if offset < length)
        with pytest.raises(ClientError) as caught:
            record_files.scan(path)
        assert caught.value.what.startswith(f"{path} ends in the middle of record {started}, which starts at byte ")
        assert f"only {length} bytes" in caught.value.why
    assert len(records) == 4


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("byte", range(4))
def test_damaged_magic(whole: Path, number: int, byte: int) -> None:
    """A wrong byte in a magic number is reported with the byte and the record at which it is."""
    record = record_files.scan(whole)[number]
    content = bytearray(whole.read_bytes())
    content[record.offset + byte] ^= 0xFF
    whole.write_bytes(content)
    with pytest.raises(ClientError, match=rf"is damaged at byte {record.offset}, record {number}\. .*0xced7230a"):
        record_files.scan(whole)


def test_damaged_length(whole: Path) -> None:
    """A length that leads out of the file, or between records, is no reason to read on."""
    content = whole.read_bytes()
    for length in (0, 1, 4, 12, 200, (1 << 29) - 1):
        whole.write_bytes(content[:4] + struct.pack("<I", length) + content[8:])
        with pytest.raises(ClientError, match="is damaged at byte|ends in the middle of record 0"):
            record_files.scan(whole)


def test_file_that_was_changed_after_the_scan(whole: Path) -> None:
    """A record that is gone, cut or overwritten by the time it is read is an error that says so."""
    records, content = record_files.scan(whole), whole.read_bytes()
    last = records[-1]
    for changed in (
        b"",
        content[: last.offset],
        content[: last.offset + 20],
        content[: last.offset] + b"x" * last.size,
    ):
        whole.write_bytes(changed)
        with (
            whole.open("rb") as file,
            pytest.raises(ClientError, match=f"byte {last.offset} is not a whole record of {last.size} bytes"),
        ):
            record_files.read_payload(file.fileno(), last.offset, last.size)


def part(flag: int, payload: bytes) -> bytes:
    """Return one part of a record with the given continuation flag."""
    return struct.pack("<II", recordio.MAGIC, flag << 29 | len(payload)) + payload + bytes(-len(payload) % 4)


HEADER = struct.pack("<IfQQ", 0, 1, 0, 0)


@pytest.mark.parametrize(
    "flags",
    [[2], [3], [0, 2], [0, 3], [1, 0], [1, 1], [1, 3, 3], [1, 3, 2], [4], [5], [1, 4, 3], [1, 7, 3]],
    ids=str,
)
def test_parts_out_of_order(tmp_path: Path, flags: list[int]) -> None:
    """Continuation flags that make no sequence are damage, in a file and in framed bytes."""
    path = tmp_path / "a.rec"
    path.write_bytes(b"".join(part(flag, HEADER) for flag in flags))
    with pytest.raises(ClientError, match="The parts of a record do not follow each other"):
        record_files.scan(path)
    with pytest.raises(ValueError, match="damaged or cut"):
        list(recordio.payloads(path.read_bytes()))


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "A record has 0 bytes"),
        (HEADER[:-1], "A record has 23 bytes. That is too short for an image record's header"),
        (struct.pack("<IfQQ", 3, 0, 0, 0) + b"12345678", "A record announces 3 labels. It has only 32 bytes"),
        (b"\xff" * 40, "A record announces 4294967295 labels"),
    ],
)
def test_record_without_a_header(tmp_path: Path, payload: bytes, why: str) -> None:
    """A record that is whole but no picture's is reported with its place."""
    path = tmp_path / "a.rec"
    good = recordio.frame(HEADER + b"picture")
    path.write_bytes(good + recordio.frame(payload))
    with pytest.raises(ClientError) as caught:
        record_files.scan(path)
    assert f"is damaged at byte {len(good)}, record 1" in caught.value.what
    assert caught.value.why.startswith(why)


def test_empty_file(tmp_path: Path) -> None:
    """An empty file has no records, which is for the channel to judge."""
    (tmp_path / "a.rec").touch()
    assert record_files.scan(tmp_path / "a.rec") == []
    assert list(recordio.payloads(b"")) == []


def test_other_file_under_this_name(tmp_path: Path) -> None:
    """A file of another kind is recognised as such."""
    path = tmp_path / "a.rec"
    path.write_text("0\t1.0\tpictures/a.jpg\n" * 10)
    with pytest.raises(ClientError, match=r"damaged at byte 0.*Is it a \.rec file\?"):
        record_files.scan(path)


@given(st.binary(max_size=60) | st.lists(st.sampled_from([MAGIC, bytes(4), part(0, HEADER)]), max_size=6).map(b"".join))
def test_any_bytes(content: bytes) -> None:
    """Whatever a file holds, it is records or a ClientError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.rec"
        path.write_bytes(content)
        try:
            records = record_files.scan(path)
        except ClientError:
            return
        assert sum(record.size for record in records) == len(content)


def test_scan_leaves_nothing_open(whole: Path) -> None:
    """Neither a good nor a damaged file stays open."""
    before = set(Path("/proc/self/fd").iterdir())
    record_files.scan(whole)
    whole.write_bytes(whole.read_bytes()[:-1])
    with pytest.raises(ClientError):
        record_files.scan(whole)
    assert set(Path("/proc/self/fd").iterdir()) == before


@pytest.mark.parametrize("block", [64, 100, 4096, 8 << 20])
def test_a_scan_in_blocks_is_the_same(tmp_path: Path, block: int) -> None:
    """However large the reads of a scan are, it finds the same."""
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        for number, payload in enumerate(PAYLOADS * 3):
            writer.write((float(number),) * (1 + number % 20), payload)
    assert record_files.scan(path, block) == record_files.scan(path)


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
    assert len(record_files.scan(path, 64 << 10)) == 500
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
    (record,) = record_files.scan(path)
    with path.open("rb") as file:
        assert len(record_files.read_payload(file.fileno(), record.offset, record.size)) == 5024
    assert (record.data_size, record.data_offset) == (5000, 32)
