"""The markers of JPEG files."""

from collections.abc import Callable

import pytest
from PIL import Image

from sagemaker_gluoncv_container.decoding import jpeg
from support.drawing import colours

Encode = Callable[..., bytes]


@pytest.mark.parametrize(
    ("options", "samples", "several"),
    [
        ({"subsampling": 0}, 3, False),
        ({"subsampling": 2}, 1.5, False),
        ({"subsampling": 0, "progressive": True}, 3, True),
        ({"subsampling": 1, "progressive": True}, 2, True),
    ],
)
def test_structure(encode: Encode, options: dict[str, object], samples: float, several: bool) -> None:
    """Sampling and scans are those that were asked for, and every coefficient has a scan."""
    found = jpeg.structure(encode(colours(), "JPEG", **options))
    assert found.samples_per_pixel == samples
    assert found.several == several
    assert found.all_scans_began


def test_scans_that_are_missing(encode: Encode) -> None:
    """A progressive file that breaks off between two scans has not all of them."""
    data = encode(colours(), "JPEG", progressive=True)
    starts = [start for marker, start, _ in jpeg.segments(data) if marker == 0xDA]
    assert len(starts) > 5
    for start in starts:
        assert not jpeg.structure(data[:start]).all_scans_began


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xc0\0\x0b\x08", b"GIF89a", b"\xff" * 99]
)
def test_other_bytes(data: bytes) -> None:
    """What is no JPEG, or hardly begins as one, has no scans."""
    assert not jpeg.structure(data).all_scans_began
    assert jpeg.without_metadata(data) == data


def test_without_metadata(encode: Encode) -> None:
    """EXIF, profiles and comments go; pixels and the colour transform stay."""
    exif = Image.Exif()
    exif[0x010E] = "a picture"
    image = colours().convert("CMYK")
    data = encode(image, "JPEG", exif=exif, icc_profile=b"x" * 200, comment=b"comment")
    bare = jpeg.without_metadata(data)
    assert b"a picture" in data
    assert b"a picture" not in bare
    assert b"comment" not in bare
    assert b"Adobe" in bare
    assert bare.endswith(data[data.index(b"\xff\xda") :])
