"""The chunks of PNG files."""

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from sagemaker_gluoncv_container.decoding import png
from sagemaker_gluoncv_container.decoding.picture import decode, describe
from sagemaker_gluoncv_container.errors import UnreadablePicture
from support.drawing import colours, levels

Encode = Callable[..., bytes]
ORIENTATION_6 = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


def with_chunk(data: bytes, kind: bytes, content: bytes, before: bytes) -> bytes:
    """Return a PNG with a further chunk before the first one of a kind."""
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    at = data.index(before) - 4
    return data[:at] + chunk + data[at:]


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_exif_before_and_after_the_pixels(encode: Encode, before: bytes) -> None:
    """The orientation counts wherever it stands, and is told without decoding the picture."""
    data = with_chunk(encode(colours()), b"eXIf", ORIENTATION_6, before)
    assert png.exif(data) == ORIENTATION_6
    assert describe(data).orientation == 6
    assert decode(data).size == (30, 40)


def test_describing_decodes_nothing(encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header of no format makes Pillow load the pixels, which would be before their memory is asked for."""
    loaded: list[str] = []
    for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        data = encode(colours(), form)
        with Image.open(io.BytesIO(data)) as opened:
            kind = type(opened)
        monkeypatch.setattr(kind, "load", lambda self, form=form: loaded.append(form))
        describe(data)
    assert loaded == []


def test_significant_bits(encode: Encode) -> None:
    """The first channel's bits are told, if they stand before the pixels."""
    data = encode(colours())
    assert png.significant_bits(data) is None
    assert png.significant_bits(with_chunk(data, b"sBIT", b"\x05\x06\x05", b"IDAT")) == 5
    assert png.significant_bits(with_chunk(data, b"sBIT", b"\x05\x06\x05", b"IEND")) is None


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\0\0\0\x09eXIf", b"GIF89a"])
def test_other_bytes(data: bytes) -> None:
    """What is no PNG, or hardly begins as one, has no chunks with content."""
    assert png.exif(data) == b""
    assert png.significant_bits(data) is None


def test_an_end_that_is_missing(encode: Encode) -> None:
    """A PNG in which only what follows the pixels is cut is read; one that lacks pixels is refused."""
    data = encode(colours())
    for length in range(len(data) - 12, len(data)):
        assert (levels(decode(data[:length])) == levels(colours())).all()
    with_text = with_chunk(data, b"tEXt", b"x" * 100, b"IEND")
    assert (levels(decode(with_text[:-50])) == levels(colours())).all()
    for length in (len(data) // 2, 60):
        with pytest.raises(UnreadablePicture):
            decode(data[:length])
