"""How much memory decoding takes, told from the header alone: an upper bound, which tests measure against."""

from typing import Any

from PIL import Image

from . import dark, depth, jpeg, upright

# Bytes a pixel in Pillow's storage.
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_MOST_STORED = 4
# Bytes a pixel that the decoder of a format holds beside the picture. WebP: two canvases, the frame as bytes, and what
# a lossless one is unpacked into. AVIF: planes of up to 16 bits, twice, and RGB twice. GIF: a small first frame.
_BESIDE = {"WEBP": 13, "AVIF": 14, "GIF": 1, "BMP": 1, "PNG": 0, "TIFF": 0, "JPEG": 0}
# A JPEG of several scans is held as coefficients of 16 bits.
_COEFFICIENT_BYTES = 2
_ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH, _BITS, _SAMPLES = 278, 322, 323, 258, 277
# What any decoder takes; and, of a larger picture, strips in the making.
_LEAST, _STRIPS = 2 << 20, 12 << 20


def estimate(image: Image.Image, data: bytes, stored: tuple[int, int], plain: bool, side: int | None) -> int:
    """Return the most bytes that it takes to decode an opened picture.

    `stored` is its size in pixels before a JPEG is scaled down by its decoder; `plain` says that it is RGB and upright
    as it is, so that no copy is made; `side` is what it may be reduced to.
    """
    pixels, whole = image.width * image.height, stored[0] * stored[1]
    cost = pixels * (_STORED.get(image.mode, _MOST_STORED) + _BESIDE.get(str(image.format), 0))
    if image.format in ("JPEG", "MPO"):
        structure = jpeg.structure(data)
        if structure.several:
            cost += int(whole * structure.samples_per_pixel * _COEFFICIENT_BYTES)
    elif image.format == "TIFF":
        cost += _strip_bytes(getattr(image, "tag_v2", {}), stored)
    if dark.other_tiles(image):
        # It may be decoded twice.
        cost += pixels * _MOST_STORED + min(pixels, 1 << 20) * 18
    if not plain:
        cost += pixels // upright.factor(image.size, side) ** 2 * _MOST_STORED
        # One strip is the whole picture if it is small.
        cost += min(pixels, 1 << 20) * (24 if depth.is_deep(image.mode) else 12)
    return int(cost) + len(data) + _LEAST + (_STRIPS if pixels > 1 << 20 else 0)


def _strip_bytes(tags: Any, size: tuple[int, int]) -> int:
    """Return the bytes of the largest strip or tile of a TIFF, which libtiff holds unpacked."""
    try:
        bits = max(tags.get(_BITS, (8,)))
        samples = max(1, int(tags.get(_SAMPLES, 1)))
        width, rows = size[0], min(size[1], int(tags.get(_ROWS_PER_STRIP) or size[1]))
        if _TILE_WIDTH in tags:
            width, rows = int(tags[_TILE_WIDTH]), int(tags[_TILE_LENGTH])
        return int(width * rows * max(_MOST_STORED, samples * bits // 8))
    except (TypeError, ValueError, KeyError):
        return size[0] * size[1] * 2 * _MOST_STORED
