"""Pictures that tests draw, and their pixels as numbers."""

import numpy as np
from PIL import Image


def levels(image: Image.Image) -> np.ndarray:
    """Return pixels that can be subtracted."""
    return np.asarray(image).astype(int)


def colours(width: int = 40, height: int = 30) -> Image.Image:
    """Return a smooth RGB picture in which every corner differs."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 / max(1, width - 1), y * 255 / max(1, height - 1), np.full_like(x, 60)]
    return Image.fromarray(np.stack(channels, 2).astype(np.uint8))


def grey(width: int = 40, height: int = 30) -> Image.Image:
    """Return a smooth grey picture."""
    return colours(width, height).convert("L")
