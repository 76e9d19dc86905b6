"""recordio: the format, against MXNet's own reader and writer, and what is done about damage."""

import io
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sagemaker_gluoncv_container.data import record_files, recordio
from sagemaker_gluoncv_container.data.recordio import MAGIC_BYTES, ImageRecord, Writer
from sagemaker_gluoncv_container.errors import ClientError

MAGIC = struct.pack("<I", recordio.MAGIC)
# The header of a picture is 24 bytes, so what is aligned in the data is aligned in the payload.
AWKWARD = {
    "empty": b"",
    "one byte": b"x",
    "padded": b"12345",
    "only magic": MAGIC,
    "magic at the start": MAGIC + b"tail",
    "magic at the end": b"head" + MAGIC,
    "magic twice": MAGIC * 2,
    "magic in the middle": b"head" + MAGIC + b"tail" + MAGIC + b"end",
    "magic unaligned": b"h" + MAGIC + b"tail",
    "magic unaligned, then aligned": b"h" + MAGIC + b"123" + MAGIC + b"x",
    "magic that overlaps itself": MAGIC[:2] + MAGIC + MAGIC[2:] + MAGIC,
}
payloads = st.lists(st.sampled_from([MAGIC, MAGIC[:2], b"\0"]) | st.binary(max_size=9), max_size=8).map(b"".join)
labels = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=40).map(tuple)
PAYLOADS = [b"", b"one", MAGIC_BYTES, b"head" + MAGIC_BYTES * 2 + b"tail", b"x" * 70_000, b"last!"]


@pytest.fixture(params=AWKWARD.values(), ids=AWKWARD.keys())
def data(request: pytest.FixtureRequest) -> bytes:
    """Return bytes in which the framing is put to the test."""
    return bytes(request.param)


def mxnet_records(path: Path) -> Iterator[bytes]:
    """Yield the payloads that MXNet's sequential reader finds."""
    reader = mx.recordio.MXRecordIO(str(path), "r")
    try:
        while (payload := reader.read()) is not None:
            yield payload
    finally:
        reader.close()


def write_with_mxnet(path: Path, contents: list[bytes]) -> None:
    """Write payloads with MXNet's own writer."""
    writer = mx.recordio.MXRecordIO(str(path), "w")
    for payload in contents:
        writer.write(payload)
    writer.close()


def read(path: Path) -> list[ImageRecord]:
    """Return the pictures that our own reader finds."""
    with path.open("rb") as file:
        places = [(record.offset, record.size) for record in record_files.scan(path)]
        return [recordio.unpack(record_files.read_payload(file.fileno(), *place)) for place in places]


def test_mxnet_reads_ours_in_order(tmp_path: Path, data: bytes) -> None:
    """MXNet's sequential reader gives back labels and bytes as we wrote them."""
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        writer.write((3.0,), data)
        writer.write((1.0, 0.0, 0.5), data)
        writer.write((7.0,), b"after")
    found = [mx.recordio.unpack(payload) for payload in mxnet_records(path)]
    assert [each for _, each in found] == [data, data, b"after"]
    assert [np.atleast_1d(header.label).tolist() for header, _ in found] == [[3.0], [1.0, 0.0, 0.5], [7.0]]
    assert [header.id for header, _ in found] == [0, 1, 2]


def test_mxnet_reads_ours_by_index(tmp_path: Path, data: bytes) -> None:
    """The index we write leads MXNet's indexed reader to every record, in any order."""
    path = tmp_path / "a.rec"
    contents = [data, b"between", data + b"x", data]
    with Writer(path) as writer:
        for number, each in enumerate(contents):
            writer.write((float(number),), each)
    reader = mx.recordio.MXIndexedRecordIO(str(path.with_suffix(".idx")), str(path), "r")
    assert reader.keys == [0, 1, 2, 3]
    for key in (3, 0, 2, 1):
        header, found = mx.recordio.unpack(reader.read_idx(key))
        assert (header.label, found) == (key, contents[key])
    reader.close()


def test_ours_reads_mxnets(tmp_path: Path, data: bytes) -> None:
    """What MXNet packs and writes, with one label or several, is read as it was given."""
    path = tmp_path / "a.rec"
    given = [(4.0, 11), ([0.0, 1.0, 1.0], 12), ([2.0], 13), (0.0, 14)]
    write_with_mxnet(path, [mx.recordio.pack(mx.recordio.IRHeader(0, label, id_, 0), data) for label, id_ in given])
    found = read(path)
    assert [picture.labels for picture in found] == [(4.0,), (0.0, 1.0, 1.0), (2.0,), (0.0,)]
    assert [picture.id for picture in found] == [11, 12, 13, 14]
    assert [picture.data for picture in found] == [data] * 4


def test_bytes_are_those_of_mxnet(tmp_path: Path, data: bytes) -> None:
    """A framed payload is, byte for byte, what MXNet's writer puts into a file."""
    path = tmp_path / "a.rec"
    write_with_mxnet(path, [data, b"after"])
    assert path.read_bytes() == recordio.frame(data) + recordio.frame(b"after")


@given(st.lists(payloads, max_size=5))
@example([MAGIC * 3, b"", b"a" + MAGIC])
def test_framing_round_trip(contents: list[bytes]) -> None:
    """Whatever payloads are framed come back, wherever the magic number occurs in them."""
    framed = b"".join(map(recordio.frame, contents))
    assert len(framed) % 4 == 0
    assert list(recordio.payloads(framed)) == contents


@given(labels, st.integers(0, 2**64 - 1), payloads)
def test_picture_round_trip(labels: tuple[float, ...], id_: int, data: bytes) -> None:
    """A picture that is packed is unpacked the same, and as MXNet unpacks it."""
    picture = ImageRecord(labels, id_, data)
    packed = recordio.pack(picture)
    assert recordio.unpack(packed) == picture
    header, found = mx.recordio.unpack(packed)
    assert (tuple(np.atleast_1d(header.label)), header.id, found) == (labels, id_, data)


@given(st.lists(st.tuples(labels, payloads), max_size=4))
def test_file_round_trip(contents: list[tuple[tuple[float, ...], bytes]]) -> None:
    """A file of any pictures is scanned and read as it was written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.rec"
        with Writer(path) as writer:
            for each in contents:
                writer.write(*each)
        records = record_files.scan(path)
        assert [record.labels for record in records] == [each for each, _ in contents]
        assert [(picture.labels, picture.data) for picture in read(path)] == contents


def test_cut_bytes_have_no_payload(whole: Path) -> None:
    """Framed bytes that are cut give their whole records, then an error, also between the parts of a record."""
    content = whole.read_bytes()
    boundaries = [record.offset for record in record_files.scan(whole)]
    # The padding at the very end holds nothing, so it may be missing.
    for length in range(len(content) - 3):
        if length in boundaries:
            assert len(list(recordio.payloads(content[:length]))) == boundaries.index(length)
        elif not any(boundary - 3 <= length < boundary for boundary in boundaries):
            with pytest.raises(ValueError, match="cut"):
                list(recordio.payloads(content[:length]))


def test_payload_that_does_not_fit_the_format() -> None:
    """A length takes 29 bits, so half a gigabyte is refused instead of written wrong."""
    with pytest.raises(ValueError, match="536870912 bytes does not fit 29 bits"):
        recordio.frame(bytes(1 << 29))


def test_writer_closes_its_files_on_an_error(tmp_path: Path) -> None:
    """What was written before an error can be read."""

    def write() -> None:
        with Writer(tmp_path / "a.rec") as writer:
            writer.write((1.0,), b"picture")
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert len(record_files.scan(tmp_path / "a.rec")) == 1
    assert (tmp_path / "a.idx").read_text() == "0\t0\n"


@pytest.fixture
def framed() -> bytes:
    """Return six records, some in parts."""
    return b"".join(map(recordio.frame, PAYLOADS))


def test_records_of_a_stream(framed: bytes) -> None:
    """Payloads come as they were written, parts joined."""
    assert list(recordio.stream(io.BytesIO(framed), "The stream")) == PAYLOADS


def test_no_more_than_a_record_is_read_ahead(framed: bytes) -> None:
    """A record is yielded when it is there, before the next is read."""
    file = io.BytesIO(framed)
    for number, _ in enumerate(recordio.stream(file, "The stream"), 1):
        assert file.tell() == len(b"".join(map(recordio.frame, PAYLOADS[:number])))


def test_a_stream_cut_at_every_byte() -> None:
    """A cut stream gives its whole records, then an error that names the one it ends in."""
    parts = [recordio.frame(payload) for payload in PAYLOADS[:4]]
    content = b"".join(parts)
    ends = [len(b"".join(parts[:number])) for number in range(5)]
    for length in range(len(content)):
        whole = sum(end <= length for end in ends) - 1
        found: list[bytes] = []
        stream = recordio.stream(io.BytesIO(content[:length]), "The stream")
        if length in ends:
            assert list(stream) == PAYLOADS[:whole]
            continue
        # The padding of the last record holds nothing.
        if any(0 < end - length < 4 and end - length <= -len(PAYLOADS[n]) % 4 for n, end in enumerate(ends[1:])):
            assert list(stream) == PAYLOADS[: whole + 1]
            continue
        with pytest.raises(ClientError, match=f"^The stream ends in the middle of record {whole}\\."):
            found.extend(stream)


def test_a_damaged_stream(framed: bytes) -> None:
    """What is no RecordIO, and parts that do not follow each other, are errors with byte and record."""
    with pytest.raises(ClientError, match="The stream is damaged at byte 0, record 0. .* Is it a .rec file"):
        list(recordio.stream(io.BytesIO(b"\xff\xd8\xff\xe0 a picture"), "The stream"))
    first, middle = recordio.frame(b"1234" + MAGIC_BYTES + b"5678")[:12], recordio.frame(b"plain")
    with pytest.raises(ClientError, match="The stream is damaged at byte 12, record 0. The parts"):
        list(recordio.stream(io.BytesIO(first + middle), "The stream"))
