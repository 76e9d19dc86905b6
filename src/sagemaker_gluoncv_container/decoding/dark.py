"""Colour pictures of 16 bits that use fewer: Pillow keeps the upper 8, which are then black.

Such a picture is decoded a second time, for its lower bytes: Pillow's reader for the other byte order gives them.
"""

from typing import Any

import numpy as np
from PIL import Image

from . import depth

# The readers of 16-bit samples, and those that read the other byte of each.
_OTHER_BYTE = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA", "RGBX")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B"))
}
# Upper bytes up to this are those of 14 bits or fewer.
_MOST_UPPER = 63
_COLOURS = 3
_STRIP_PIXELS = 1 << 20


def other_tiles(image: Image.Image) -> list[Any] | None:
    """Return what an opened picture's `tile` must be to read its lower bytes; None if it is no such picture."""
    tiles = [each._replace(args=_other(each.args)) for each in getattr(image, "tile", [])]
    return tiles if tiles and all(each.args is not None for each in tiles) else None


def _other(args: Any) -> Any:
    rawmode, *rest = args if isinstance(args, tuple) else (args,)
    if rawmode not in _OTHER_BYTE:
        return None
    return (_OTHER_BYTE[rawmode], *rest) if isinstance(args, tuple) else _OTHER_BYTE[rawmode]


def is_dark(upper: Image.Image) -> bool:
    """Return whether no colour of a decoded picture uses more than 14 of its 16 bits."""
    return max(most for _, most in upper.getextrema()[:_COLOURS]) <= _MOST_UPPER  # type: ignore[misc]


def brighten(upper: Image.Image, lower: Image.Image) -> None:
    """Write the 8 bits that show most into `upper`, a few rows at a time; `lower` has the lower bytes."""
    rows = max(1, _STRIP_PIXELS // upper.width)
    boxes = [(0, top, upper.width, min(top + rows, upper.height)) for top in range(0, upper.height, rows)]
    most = max(int(_values(upper, lower, box).max()) for box in boxes)
    shift = depth.holding(most) - 8
    for box in boxes:
        pixels = np.array(upper.crop(box))
        pixels[..., :_COLOURS] = _values(upper, lower, box) >> shift
        upper.paste(Image.fromarray(pixels), box)


def _values(upper: Image.Image, lower: Image.Image, box: tuple[int, int, int, int]) -> Any:
    high, low = (np.asarray(each.crop(box))[..., :_COLOURS].astype(np.uint16) for each in (upper, lower))
    return high << 8 | low
