"""Pictures of more than 8 bits: which of their values is black, which is white.

First comes what the file says: the least and largest sample value of a TIFF, its bits per sample, the significant bits
of a PNG. Then the range of the values: a sensor's 10, 12 or 14 bits lie in a file of 16. A full range of 16 bits is
scaled by dropping the lower 8. Sources: TIFF 6.0, sections 8 and 19; PNG, 11.3.3.4.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..arrays import Pixels
from . import png

# Depths that sensors and files have, in bits; 31 is that of signed numbers. A picture has the least that holds it.
_DEPTHS = (8, 10, 12, 14, 16, 24, 31)
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
# The pairs of TIFF tags that say the least and the largest value, the general pair first.
_LIMITS = ((340, 341), (280, 281))
_WHITE_IS_ZERO = 0
# Pixels that are looked at, or turned into 8 bits, at once.
_ROWS_PIXELS = 1 << 20


@dataclass(frozen=True)
class Scale:
    """The values that become 0 and 255; `inverted` if the larger one is black."""

    black: float
    white: float
    inverted: bool = False

    def to_8_bits(self, image: Image.Image) -> Image.Image:
        """Return a picture of one deep channel as 8 bits."""
        values = np.asarray(image)
        if self.black == 0 and self.white in _POWERS and values.dtype.kind in "iu":
            levels: NDArray[Any] = values.clip(0, int(self.white)) >> (_POWERS[self.white] - 8)
        else:
            span = self.white - self.black
            scaled = np.nan_to_num(values.astype(np.float64), nan=self.black, posinf=self.white, neginf=self.black)
            levels = ((scaled.clip(self.black, self.white) - self.black) * (255 / span) if span else scaled * 0).round()
        pixels: Pixels = levels.astype(np.uint8)
        return Image.fromarray(255 - pixels if self.inverted else pixels)


_POWERS = {float((1 << depth) - 1): depth for depth in _DEPTHS}


def holding(most: float) -> int:
    """Return the least depth, in bits, that holds a value."""
    return next(each for each in _DEPTHS if most < 1 << each)


def is_deep(mode: str) -> bool:
    """Return whether values of this mode of Pillow's do not fit 8 bits."""
    return mode.startswith("I") or mode == "F"


def scale(image: Image.Image, data: bytes) -> Scale:
    """Return which values of a decoded picture of one deep channel are black and white; `data` is its file."""
    tags: Any = getattr(image, "tag_v2", {})
    inverted = _number(tags.get(_PHOTOMETRIC)) == _WHITE_IS_ZERO and bool(tags)
    for low, high in _LIMITS:
        black, white = _number(tags.get(low)), _number(tags.get(high))
        if white is not None and np.isfinite(white) and (black or 0) < white:
            return Scale(black or 0.0, white, inverted)
    least, most = _range(image)
    bits = _number(tags.get(_BITS_PER_SAMPLE)) or 16.0
    if image.mode.startswith("I;16") and 8 < bits < 16:
        return Scale(0, float((1 << int(bits)) - 1), inverted)
    significant = png.significant_bits(data)
    if significant and 8 <= significant <= 16:
        # As PNG has it values are shifted to 16 bits; some writers leave them as they are.
        return Scale(0, float((1 << (significant if most < 1 << significant else 16)) - 1))
    if image.mode == "F" and least >= 0 and most <= 1:
        return Scale(0, 1, inverted)
    if least < 0:
        return Scale(least, most, inverted)
    depth = next((each for each in _DEPTHS if most < 1 << each), None)
    return Scale(0, float((1 << depth) - 1) if depth else most, inverted)


def _number(value: object) -> float | None:
    first = value[0] if isinstance(value, tuple) and value else value
    try:
        return float(first)  # type: ignore[arg-type]
    except (TypeError, ValueError, ArithmeticError):
        return None


def _range(image: Image.Image) -> tuple[float, float]:
    """Return the least and the largest finite value, a few rows at a time."""
    rows = max(1, _ROWS_PIXELS // image.width)
    least, most = np.inf, -np.inf
    for top in range(0, image.height, rows):
        values: NDArray[Any] = np.asarray(image.crop((0, top, image.width, min(top + rows, image.height))))
        values = values[np.isfinite(values)]
        if values.size:
            least, most = min(least, float(values.min())), max(most, float(values.max()))
    return (least, most) if least <= most else (0.0, 0.0)
