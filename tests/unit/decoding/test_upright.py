"""Strips of a picture, put together upright, are the same as the whole."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from sagemaker_gluoncv_container.decoding import upright
from support.drawing import colours, levels


@pytest.fixture(autouse=True)
def thin_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make strips of a few rows."""
    monkeypatch.setattr(upright, "_STRIP_PIXELS", 300)


def same(image: Image.Image) -> Image.Image:
    """Return the picture as it is."""
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(40, 30), (30, 41), (1, 700), (700, 1), (13, 13)])
def test_orientations(orientation: int, size: tuple[int, int]) -> None:
    """Every orientation is that of Pillow's own transposition."""
    image = colours(*size)
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(noise)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.info["exif"] = exif.tobytes()
    expected = ImageOps.exif_transpose(image)
    assert (levels(upright.convert(image, same, orientation, 1)) == levels(expected)).all()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("reduced", [2, 3, 7])
def test_reduced(orientation: int, reduced: int) -> None:
    """Averages over blocks are those of the whole picture, also at the right and lower edge."""
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (101, 67, 3), np.uint8))
    whole = upright.convert(image.reduce(reduced), same, orientation, 1)
    assert (levels(upright.convert(image, same, orientation, reduced)) == levels(whole)).all()


def test_a_strip_is_all_that_is_converted_at_once() -> None:
    """The conversion sees a few rows at a time."""
    seen: list[tuple[int, int]] = []

    def convert(strip: Image.Image) -> Image.Image:
        seen.append(strip.size)
        return strip.convert("RGB")

    image = colours(50, 40).convert("RGBA")
    assert (levels(upright.convert(image, convert, 1, 1)) == levels(colours(50, 40))).all()
    assert {width * height <= 300 for width, height in seen} == {True}
    assert sum(height for _, height in seen) == 40


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [((5000, 5000), 512, 1), ((6000, 5000), None, 1), ((6000, 5000), 512, 9), ((30_000, 1000), 512, 1)],
)
def test_factor(size: tuple[int, int], side: int | None, expected: int) -> None:
    """Ordinary pictures keep every pixel; the shortest side stays as long as it was asked for."""
    assert upright.factor(size, side) == expected
