"""From a picture of any mode, as it is stored, to RGB that stands upright, in strips: never two whole copies more.

A picture of many pixels that is scaled down anyway is reduced by averaging whole blocks while it is converted, so that
the copy is small.
"""

import math
from collections.abc import Callable

from PIL import Image

# Pixels that are converted at once.
_STRIP_PIXELS = 1 << 20
# Of more pixels than any camera's of today, the copy is made small where it may be. Others keep every pixel.
REDUCED_PIXELS = 25_000_000
# What EXIF's orientations ask for, and where a strip from the top of the stored picture then lies.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TURNED = frozenset({5, 6, 7, 8})
_TO_THE_RIGHT_OR_BELOW = frozenset({3, 4, 6, 7})


def factor(size: tuple[int, int], side: int | None) -> int:
    """Return by what whole number a picture may be reduced: its shortest side stays at least `side` pixels."""
    if side is None or size[0] * size[1] <= REDUCED_PIXELS:
        return 1
    return max(1, min(size) // side)


def convert(
    image: Image.Image, to_rgb: Callable[[Image.Image], Image.Image], orientation: int, reduced: int
) -> Image.Image:
    """Return a picture through `to_rgb`, reduced by a whole number, and upright by its EXIF orientation, 1 to 8."""
    turn = _TURNS.get(orientation)
    rows = max(1, _STRIP_PIXELS // (image.width * reduced)) * reduced
    if rows >= image.height:
        return _strip(to_rgb(image), reduced, turn)
    width, height = math.ceil(image.width / reduced), math.ceil(image.height / reduced)
    upright = Image.new("RGB", (height, width) if orientation in TURNED else (width, height))
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        strip = _strip(to_rgb(strip), reduced, turn)
        deep = strip.width if orientation in TURNED else strip.height
        at = height - top // reduced - deep if orientation in _TO_THE_RIGHT_OR_BELOW else top // reduced
        upright.paste(strip, (at, 0) if orientation in TURNED else (0, at))
    return upright


def _strip(image: Image.Image, reduced: int, turn: Image.Transpose | None) -> Image.Image:
    image = image.reduce(reduced) if reduced > 1 else image
    return image.transpose(turn) if turn is not None else image
