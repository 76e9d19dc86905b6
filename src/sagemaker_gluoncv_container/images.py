"""From a decoded picture to the pixels a network sees; training, validation and serving all come through here.

The training and the evaluation transform stand side by side; both start from the same resize.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .arrays import Pixels

# A JPEG that is scaled down is decoded at no less than this many times the size that is wanted, as with Pillow's
# reducing_gap: of photos, scaled to 256, the pixels are then 0.2 of 255 apart on average.
REDUCING_GAP = 2
_GREY = (127, 127, 127)
AUGMENTATIONS = ("crop", "crop_color", "crop_color_transform")


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the net's input: shortest side to `resize`, then `height` x `width` of it; in pixels.

    With no `resize` the whole picture is squashed to height x width. `mean` and `deviation` are of RGB 0-255; a net
    that was trained here normalises by itself and has neither.
    """

    height: int
    width: int
    resize: int | None
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (1.0, 1.0, 1.0)

    @property
    def decoded_side(self) -> int:
        """How small, in pixels of its shortest side, a JPEG may be decoded: twice what is needed keeps it as sharp."""
        return REDUCING_GAP * (self.resize or max(self.height, self.width))


def default_resize(height: int, width: int) -> int:
    """Return the shortest side, in pixels, when the user gives none: 256 for 224, the usual ratio of evaluation."""
    return round(max(height, width) * 256 / 224)


def _cut(image: Image.Image, preprocessing: Preprocessing, across: float, down: float) -> Image.Image:
    """Return height x width pixels of the picture scaled to `resize`, at a share of the room there is on either axis.

    One resampling, of the region that stays: a 1 x 100,000 pixel picture costs no more than another.
    """
    if preprocessing.resize is None:
        return image.resize((preprocessing.width, preprocessing.height), Image.Resampling.BILINEAR)
    scale = preprocessing.resize / min(image.size)
    width, height = preprocessing.width / scale, preprocessing.height / scale
    # Where there is no room, rounding may leave a little less than none, which Pillow refuses.
    left, top = max(0.0, across * (image.width - width)), max(0.0, down * (image.height - height))
    box = (left, top, min(left + width, image.width), min(top + height, image.height))
    return image.resize((preprocessing.width, preprocessing.height), Image.Resampling.BILINEAR, box=box)


def for_evaluation(image: Image.Image, preprocessing: Preprocessing) -> Pixels:
    """Return the centre of the picture, uint8 of shape (height, width, 3), RGB."""
    return np.asarray(_cut(image, preprocessing, 0.5, 0.5))


def for_network(pixels: Pixels, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Return a view's pixels as the net takes them, float32 of shape (3, height, width)."""
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)
    if any(preprocessing.mean) or preprocessing.deviation != (1.0, 1.0, 1.0):
        planes -= np.array(preprocessing.mean, np.float32)[:, None, None]
        planes /= np.array(preprocessing.deviation, np.float32)[:, None, None]
    return planes


def for_training(
    image: Image.Image, preprocessing: Preprocessing, augmentation: str | None, random: np.random.Generator
) -> Pixels:
    """Return a training view of the picture, uint8 of shape (height, width, 3), RGB.

    None is the evaluation view; `crop` cuts at random and mirrors every other picture; `crop_color` also shifts hue
    by +-36 degrees of 360, saturation and lightness by +-50 of 255; `crop_color_transform` also turns by +-10 degrees,
    shears by +-0.1 and stretches by +-0.25. Values from the built-in algorithm's documentation.
    """
    if augmentation is None:
        return for_evaluation(image, preprocessing)
    image = _cut(image, preprocessing, random.random(), random.random())
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if augmentation == "crop_color_transform":
        image = _transformed(image, random)
    if augmentation != "crop":
        image = _recoloured(image, random)
    return np.asarray(image)


def _transformed(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Turn, shear and stretch about the centre; corners that come in from outside are grey."""
    angle = np.deg2rad(random.uniform(-10, 10))
    shear = random.uniform(-0.1, 0.1)
    stretch = np.sqrt(random.uniform(0.75, 1.25))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, shear], [0, 1]]) @ np.diag([stretch, 1 / stretch])
    centre = np.array(image.size) / 2
    shift = centre - matrix @ centre
    coefficients = (*matrix[0], shift[0], *matrix[1], shift[1])
    return image.transform(image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR, fillcolor=_GREY)


def _recoloured(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Shift hue (a circle), saturation and lightness (clipped), each by one amount for the whole picture."""
    levels = np.arange(256)
    hue = (levels + random.uniform(-36, 36) / 360 * 256).round() % 256
    saturation = (levels + random.uniform(-50, 50)).round().clip(0, 255)
    lightness = (levels + random.uniform(-50, 50)).round().clip(0, 255)
    table = np.concatenate([hue, saturation, lightness]).astype(int).tolist()
    return image.convert("HSV").point(table).convert("RGB")
