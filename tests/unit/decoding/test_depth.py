"""More than 8 bits become 8 by what the file says, else by the range of its values."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from sagemaker_gluoncv_container.decoding.picture import decode

RAMP = np.linspace(0, 1, 40 * 30).reshape(30, 40)
EXPECTED = (RAMP * 255).round()


def tiff(values: np.ndarray, **tags: object) -> bytes:
    """Return values as a TIFF with further tags, by their names."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in tags.items():
        tag = {"SMin": 340, "SMax": 341, "Min": 280, "Max": 281, "Photometric": 262}[name]
        info.tagtype[tag] = {340: 12, 341: 12}.get(tag, 3)
        info[tag] = value
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF", tiffinfo=info)
    return buffer.getvalue()


def png(values: np.ndarray, significant: int | None = None) -> bytes:
    """Return values as a grey PNG of 16 bits, with the significant bits that it says it has."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    bits = chunk(b"sBIT", bytes([significant])) if significant else b""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + bits + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def packed_12_bits(values: np.ndarray) -> bytes:
    """Return values as a TIFF of 12 bits a sample, two in three bytes."""
    height, width = values.shape
    even, odd = values[:, ::2].astype(int), values[:, 1::2].astype(int)
    triples = np.stack([even >> 4, (even & 15) << 4 | odd >> 8, odd & 255], 2).astype(np.uint8).tobytes()
    entries = [
        (256, 4, width), (257, 4, height), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
        (278, 4, height), (279, 4, len(triples)),
    ]  # fmt: skip
    ifd = struct.pack("<H", len(entries))
    ifd += b"".join(struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<I", 8 + len(triples)) + triples + ifd + bytes(4)


def grey(data: bytes) -> np.ndarray:
    """Return the decoded picture's grey levels."""
    pixels = np.asarray(decode(data)).astype(int)
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png((RAMP * 65535).astype(np.uint16)), id="PNG, 16 of 16 bits"),
        pytest.param(png((RAMP * 4095).astype(np.uint16)), id="PNG, 12 of 16 bits"),
        pytest.param(png((RAMP * 1023).astype(np.uint16)), id="PNG, 10 of 16 bits"),
        pytest.param(png((RAMP * 16383).astype(np.uint16)), id="PNG, 14 of 16 bits"),
        pytest.param(png((RAMP * 255).astype(np.uint16)), id="PNG, 8 of 16 bits"),
        pytest.param(png((RAMP * 4095).astype(np.uint16), 12), id="PNG, sBIT 12, as they are"),
        pytest.param(png((RAMP * 65535).astype(np.uint16), 12), id="PNG, sBIT 12, shifted"),
        pytest.param(png((RAMP * 2047).astype(np.uint16), 11), id="PNG, sBIT 11"),
        pytest.param(tiff((RAMP * 65535).astype(np.uint16)), id="TIFF, 16 bits"),
        pytest.param(tiff((RAMP * 4095).astype(np.uint16)), id="TIFF, 12 of 16 bits"),
        pytest.param(packed_12_bits((RAMP * 4095).astype(np.uint16)), id="TIFF, 12 bits packed"),
        pytest.param(tiff((RAMP * 3000 + 500).astype(np.uint16), SMin=500.0, SMax=3500.0), id="TIFF, SMin and SMax"),
        pytest.param(tiff((RAMP * 3000 + 500).astype(np.uint16), Min=500, Max=3500), id="TIFF, Min and Max"),
        pytest.param(tiff((65535 - RAMP * 65535).astype(np.uint16), Photometric=0), id="TIFF, white is zero"),
        pytest.param(tiff(RAMP.astype(np.float32)), id="float, 0 to 1"),
        pytest.param(tiff((RAMP * 255).astype(np.float32)), id="float, 0 to 255"),
        pytest.param(tiff((RAMP * 65535).astype(np.float32)), id="float, 0 to 65535"),
        pytest.param(tiff((RAMP * 2 - 1).astype(np.float32)), id="float, -1 to 1"),
        pytest.param(tiff((RAMP * 40 + 20).astype(np.float32), SMin=20.0, SMax=60.0), id="float, SMin and SMax"),
        pytest.param(tiff((RAMP * (2**31 - 1)).astype(np.int32)), id="int32, all"),
        pytest.param(tiff((RAMP * 65535).astype(np.int32)), id="int32, 16 of 32 bits"),
        pytest.param(tiff((RAMP * 4095).astype(np.int32)), id="int32, 12 of 32 bits"),
        pytest.param(tiff((RAMP * 3000 - 1000).astype(np.int32)), id="int32, with negative values"),
    ],
)
def test_levels(data: bytes) -> None:
    """Black to white in the file is 0 to 255 in the picture."""
    assert abs(grey(data) - EXPECTED).max() <= 1


def test_values_that_are_no_numbers() -> None:
    """NaN is black and infinity white; neither decides what the others become."""
    values = RAMP.astype(np.float32)
    values[0, 0], values[0, 1], values[0, 2] = np.nan, np.inf, -np.inf
    pixels = grey(tiff(values))
    assert pixels[0, :3].tolist() == [0, 255, 0]
    assert abs(pixels[1:] - EXPECTED[1:]).max() <= 1


@pytest.mark.parametrize("value", [0, 7, 255, 65535])
def test_one_value_only(value: int) -> None:
    """A picture of one value is that much of its depth, without an error."""
    assert len(set(grey(tiff(np.full((8, 8), value, np.uint16))).ravel().tolist())) == 1


def test_limits_that_make_no_sense() -> None:
    """Limits the wrong way round are not followed."""
    assert abs(grey(tiff((RAMP * 65535).astype(np.uint16), SMin=9.0, SMax=3.0)) - EXPECTED).max() <= 1
