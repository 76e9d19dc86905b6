"""Colour pictures that use fewer than their 16 bits."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sagemaker_gluoncv_container.decoding import dark, depth
from sagemaker_gluoncv_container.decoding.picture import decode
from support.drawing import colours, levels

SHOWN = levels(colours())


def png(values: np.ndarray) -> bytes:
    """Return values, uint16 (height, width, 3 or 4), as a PNG; Pillow writes none of 16-bit colours."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, 2 if channels == 3 else 6, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff(values: np.ndarray, order: str, deflated: bool = False) -> bytes:
    """Return values, uint16 (height, width, 3), as a TIFF of one strip in a byte order."""
    data = values.astype(f"{order}u2").tobytes()
    data = zlib.compress(data) if deflated else data
    height, width, _ = values.shape
    bits = 8 + len(data) + len(data) % 2
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, bits), (259, 3, 1, 8 if deflated else 1), (262, 3, 1, 2),
        (273, 4, 1, 8), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, len(data)),
    ]  # fmt: skip
    ifd = struct.pack(f"{order}H", len(entries))
    for tag, kind, count, value in entries:
        packed = struct.pack(f"{order}HH", value, 0) if kind == 3 and count == 1 else struct.pack(f"{order}I", value)
        ifd += struct.pack(f"{order}HHI", tag, kind, count) + packed
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, bits + 6)
    return head + data + bytes(len(data) % 2) + struct.pack(f"{order}HHH", 16, 16, 16) + ifd + bytes(4)


FILES = {
    "PNG": png,
    "TIFF, little endian": lambda values: tiff(values, "<"),
    "TIFF, big endian": lambda values: tiff(values, ">"),
    "TIFF, compressed": lambda values: tiff(values, "<", deflated=True),
    "TIFF, compressed, big endian": lambda values: tiff(values, ">", deflated=True),
}


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("form", FILES)
def test_colours(form: str, bits: int) -> None:
    """However many of the 16 bits are used, the picture is as bright as it was."""
    values = (SHOWN / 255 * ((1 << bits) - 1)).round().astype(np.uint16)
    assert abs(levels(decode(FILES[form](values))) - SHOWN).max() <= 1


def test_transparent() -> None:
    """What is transparent stays so."""
    values = np.dstack([SHOWN * 4095 // 255, np.full(SHOWN.shape[:2], 65535)]).astype(np.uint16)
    values[:5, :, 3] = 0
    pixels = levels(decode(png(values)))
    assert (pixels[:5] == 255).all()
    assert abs(pixels[5:] - SHOWN[5:]).max() <= 1


def test_black_stays_black() -> None:
    """A picture that is all black is nothing else."""
    assert not levels(decode(png(np.zeros((8, 8, 3), np.uint16)))).any()


def test_only_deep_colours_are_looked_at_twice() -> None:
    """Pictures of 8 bits, and grey ones, have no lower bytes."""
    for image, form in ((colours(), "PNG"), (colours(), "JPEG"), (colours().convert("L"), "TIFF")):
        buffer = io.BytesIO()
        image.save(buffer, form)
        with Image.open(buffer) as opened:
            assert dark.other_tiles(opened) is None


@pytest.mark.parametrize(("most", "bits"), [(0, 8), (255, 8), (256, 10), (4095, 12), (4096, 14), (65535, 16)])
def test_depths(most: int, bits: int) -> None:
    """The least depth that holds a value."""
    assert depth.holding(most) == bits
