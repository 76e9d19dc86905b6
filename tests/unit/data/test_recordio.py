"""recordio: the format, against MXNet's own reader and writer, and what is done about damage."""

import struct
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sagemaker_gluoncv_container.data import recordio
from sagemaker_gluoncv_container.data.recordio import Picture, Writer
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


def read(path: Path) -> list[Picture]:
    """Return the pictures that our own reader finds."""
    with path.open("rb") as file:
        places = [(record.offset, record.size) for record in recordio.scan(path)]
        return [recordio.unpack(recordio.read_payload(file.fileno(), *place)) for place in places]


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
    picture = Picture(labels, id_, data)
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
        records = recordio.scan(path)
        assert [record.labels for record in records] == [each for each, _ in contents]
        assert [(picture.labels, picture.data) for picture in read(path)] == contents


@pytest.mark.parametrize("count", [1, 2, 8, 9, 10, 1000])
def test_labels_are_found_however_many(tmp_path: Path, count: int) -> None:
    """Labels that reach past the first bytes of a record are read whole, also if the magic number is among them."""
    labels = tuple(float(each) for each in range(count - 1)) + struct.unpack("<f", MAGIC)
    with Writer(tmp_path / "a.rec") as writer:
        writer.write(labels, b"picture")
    (record,) = recordio.scan(tmp_path / "a.rec")
    assert record.labels == labels


def test_records_know_their_place(tmp_path: Path) -> None:
    """Number, offset and size are those of the index, framing included, and the name can be shown."""
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        for each in AWKWARD.values():
            writer.write((1.0,), each)
    records = recordio.scan(path)
    index = [tuple(map(int, line.split("\t"))) for line in path.with_suffix(".idx").read_text().splitlines()]
    assert [(record.number, record.offset) for record in records] == index
    assert [record.offset + record.size for record in records] == [
        *[offset for _, offset in index[1:]],
        path.stat().st_size,
    ]
    assert records[2].name == "a.rec record 2"
    assert records[2].path == path


def test_threads_share_a_descriptor(tmp_path: Path) -> None:
    """Reads do not move a position that another thread relies on."""
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        for number in range(200):
            writer.write((float(number),), str(number).encode() * number)
    records = recordio.scan(path) * 5
    with path.open("rb") as file, ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda each: recordio.read_payload(file.fileno(), each.offset, each.size), records)
        assert [recordio.unpack(payload).labels for payload in found] == [record.labels for record in records]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """Return a file of four records: plain, of three parts, with twelve labels, plain and padded."""
    path = tmp_path / "whole.rec"
    with Writer(path) as writer:
        writer.write((1.0,), b"1234")
        writer.write((2.0,), b"head" + MAGIC + b"mid" + MAGIC + MAGIC + b"tail")
        writer.write((0.0,) * 12, b"x")
        writer.write((3.0,), b"12345")
    return path


def test_cut_at_every_byte(whole: Path, tmp_path: Path) -> None:
    """A cut file is refused, and only at a boundary does it look like a whole one with fewer records."""
    records, content = recordio.scan(whole), whole.read_bytes()
    boundaries = [record.offset for record in records]
    path = tmp_path / "cut.rec"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        if length in boundaries:
            assert len(recordio.scan(path)) == boundaries.index(length)
            continue
        started = max(number for number, offset in enumerate(boundaries) if offset < length)
        with pytest.raises(ClientError) as caught:
            recordio.scan(path)
        assert caught.value.what.startswith(f"{path} ends in the middle of record {started}, which starts at byte ")
        assert f"only {length} bytes" in caught.value.why
    assert len(records) == 4


def test_cut_bytes_have_no_payload(whole: Path) -> None:
    """Framed bytes that are cut give their whole records, then an error, also between the parts of a record."""
    content = whole.read_bytes()
    boundaries = [record.offset for record in recordio.scan(whole)]
    # The padding at the very end holds nothing, so it may be missing.
    for length in range(len(content) - 3):
        if length in boundaries:
            assert len(list(recordio.payloads(content[:length]))) == boundaries.index(length)
        elif not any(boundary - 3 <= length < boundary for boundary in boundaries):
            with pytest.raises(ValueError, match="cut"):
                list(recordio.payloads(content[:length]))


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("byte", range(4))
def test_damaged_magic(whole: Path, number: int, byte: int) -> None:
    """A wrong byte in a magic number is reported with the byte and the record at which it is."""
    record = recordio.scan(whole)[number]
    content = bytearray(whole.read_bytes())
    content[record.offset + byte] ^= 0xFF
    whole.write_bytes(content)
    with pytest.raises(ClientError, match=rf"is damaged at byte {record.offset}, record {number}\. .*0xced7230a"):
        recordio.scan(whole)


def test_damaged_length(whole: Path) -> None:
    """A length that leads out of the file, or between records, is no reason to read on."""
    content = whole.read_bytes()
    for length in (0, 1, 4, 12, 200, (1 << 29) - 1):
        whole.write_bytes(content[:4] + struct.pack("<I", length) + content[8:])
        with pytest.raises(ClientError, match="is damaged at byte|ends in the middle of record 0"):
            recordio.scan(whole)


def test_file_that_was_changed_after_the_scan(whole: Path) -> None:
    """A record that is gone, cut or overwritten by the time it is read is an error that says so."""
    records, content = recordio.scan(whole), whole.read_bytes()
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
            pytest.raises(ClientError, match=f"byte {last.offset} is no whole record of {last.size} bytes"),
        ):
            recordio.read_payload(file.fileno(), last.offset, last.size)


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
    with pytest.raises(ClientError, match="the parts of a record do not follow each other"):
        recordio.scan(path)
    with pytest.raises(ValueError, match="damaged or cut"):
        list(recordio.payloads(path.read_bytes()))


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "a record of 0 bytes"),
        (HEADER[:-1], "a record of 23 bytes. it is too short for an image record's header"),
        (struct.pack("<IfQQ", 3, 0, 0, 0) + b"12345678", "a record announces 3 labels. it has only 32 bytes"),
        (b"\xff" * 40, "a record announces 4294967295 labels"),
    ],
)
def test_record_without_a_header(tmp_path: Path, payload: bytes, why: str) -> None:
    """A record that is whole but no picture's is reported with its place."""
    path = tmp_path / "a.rec"
    good = recordio.frame(HEADER + b"picture")
    path.write_bytes(good + recordio.frame(payload))
    with pytest.raises(ClientError) as caught:
        recordio.scan(path)
    assert f"is damaged at byte {len(good)}, record 1" in caught.value.what
    assert caught.value.why.startswith(why)


def test_empty_file(tmp_path: Path) -> None:
    """An empty file has no records, which is for the channel to judge."""
    (tmp_path / "a.rec").touch()
    assert recordio.scan(tmp_path / "a.rec") == []
    assert list(recordio.payloads(b"")) == []


def test_other_file_under_this_name(tmp_path: Path) -> None:
    """A file of another kind is recognised as such."""
    path = tmp_path / "a.rec"
    path.write_text("0\t1.0\tpictures/a.jpg\n" * 10)
    with pytest.raises(ClientError, match=r"damaged at byte 0.*is it a \.rec file\?"):
        recordio.scan(path)


@given(st.binary(max_size=60) | st.lists(st.sampled_from([MAGIC, bytes(4), part(0, HEADER)]), max_size=6).map(b"".join))
def test_any_bytes(content: bytes) -> None:
    """Whatever a file holds, it is records or a ClientError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.rec"
        path.write_bytes(content)
        try:
            records = recordio.scan(path)
        except ClientError:
            return
        assert sum(record.size for record in records) == len(content)


def test_scan_leaves_nothing_open(whole: Path) -> None:
    """Neither a good nor a damaged file stays open."""
    before = set(Path("/proc/self/fd").iterdir())
    recordio.scan(whole)
    whole.write_bytes(whole.read_bytes()[:-1])
    with pytest.raises(ClientError):
        recordio.scan(whole)
    assert set(Path("/proc/self/fd").iterdir()) == before


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
    assert len(recordio.scan(tmp_path / "a.rec")) == 1
    assert (tmp_path / "a.idx").read_text() == "0\t0\n"
