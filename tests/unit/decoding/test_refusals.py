"""decoding.refusals: a refusal says what the bytes are, and what is wrong with them, and nothing that is not true."""

import pytest
from PIL import Image, UnidentifiedImageError

from sagemaker_gluoncv_container.decoding.refusals import refusal

PNG, BMP = b"\x89PNG\r\n\x1a\n" + bytes(100), b"BM" + bytes(100)


@pytest.mark.parametrize(
    ("data", "error", "why"),
    [
        (PNG, OSError("image file is truncated"), "it begins as PNG, and its end is missing (image file is truncated)"),
        (BMP, OSError("Unsupported BMP compression (1)"), "it begins as BMP, and is of a rare kind (Unsupported BMP"),
        (
            BMP,
            UnidentifiedImageError("<_io.BytesIO at 0x7>"),
            "it begins as BMP, and is damaged, cut or of a rare kind",
        ),
        (
            PNG,
            OSError("decoder error -2"),
            "it begins as PNG, and is damaged, cut or of a rare kind (decoder error -2)",
        ),
    ],
)
def test_a_format_that_is_read(data: bytes, error: Exception, why: str) -> None:
    """Bytes that begin as one of our formats are never called unknown; whether they are cut is said if it is known."""
    said = refusal(data, error, 1000).why
    assert why in said
    assert "known format" not in said
    assert said.startswith(f"{len(data)} bytes are not a whole picture: ")
    assert "0x" not in said


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"8BPS\0\1" + bytes(60), "Photoshop"), (b"\0\0\0\x0cjP  " + bytes(60), "JPEG 2000"), (b"%PDF-1.7", "PDF")],
)
def test_a_format_that_is_not_read(data: bytes, kind: str) -> None:
    """Another format is named, beside those that are read."""
    said = refusal(data, UnidentifiedImageError("<_io.BytesIO at 0x7>"), 1000).why
    assert said.endswith(f"of a known format (JPEG, PNG, WEBP, BMP, GIF, TIFF, AVIF): it is {kind}")


def test_bytes_of_no_format() -> None:
    """Bytes that are nothing we know are called just that."""
    said = refusal(b"\x07" * 50, UnidentifiedImageError("<_io.BytesIO at 0x7>"), 1000).why
    assert said == "50 bytes are not a whole picture of a known format (JPEG, PNG, WEBP, BMP, GIF, TIFF, AVIF)"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (Image.DecompressionBombError(), "It has more than 1,000 pixels"),
        (MemoryError(), "There is not enough memory to decode it"),
    ],
)
def test_a_picture_that_is_too_large(error: BaseException, why: str) -> None:
    """A size that is refused is not called damage."""
    found = refusal(PNG, error, 1000)
    assert (found.what, found.why) == ("The picture is too large", why)
