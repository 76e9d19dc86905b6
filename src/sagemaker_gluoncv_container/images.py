"""From encoded bytes to the pixels a network sees; training, validation and serving all come through here.

Pictures come from strangers, so they are decoded by Pillow, which is maintained, and not by the OpenCV of 2018 that is
linked into MXNet. The training and the evaluation transform stand side by side; both start from the same resize.
"""

import importlib
import io
import math
import struct
import warnings
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from . import formats
from .arrays import Pixels
from .errors import UnreadablePicture

# The plugins worth their risk, of Pillow's forty: importing them registers them, and keeps it from loading the rest.
for _format in formats.TABLE:
    importlib.import_module(f"PIL.{_format.plugin}")
# 100 megapixels is past any camera our users have, and 300 MB decoded.
MAX_PIXELS = 100_000_000
# Of a transparent picture, what shows through: product photos are cut out against white.
_BACKGROUND = (255, 255, 255)
# A JPEG that is scaled down is decoded at no less than this many times the size that is wanted, as with Pillow's
# reducing_gap: of photos, scaled to 256, the pixels are then 0.2 of 255 apart on average.
REDUCING_GAP = 2
_GREY = (127, 127, 127)
_ORIENTATION = 0x0112  # EXIF
AUGMENTATIONS = ("crop", "crop_color", "crop_color_transform")

# What Pillow's decoders are known to raise on broken bytes.
_DECODER_ERRORS = (
    Image.DecompressionBombError,
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
)

# Odd metadata is no reason to bother anyone.
warnings.filterwarnings("ignore", module="PIL")
# Pillow refuses at twice its limit, and does so before a frame, a tile or a canvas that a header asks for is allocated:
# of a GIF of 60 bytes, frames of 4 gigapixels are, before its size can be asked.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the net's input: shortest side to `resize`, then `height` x `width` of it; pixels.

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


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return an image of any mode as RGB, transparent parts on white, 16 bits scaled to 8."""
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I"):
        # Pillow would clip 16-bit values at 255, which turns the picture white.
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        canvas = Image.new("RGB", rgba.size, _BACKGROUND)
        canvas.paste(rgba, mask=rgba.getchannel("A"))
        return canvas
    return image.convert("RGB")


def _unreadable(data: bytes, error: Exception) -> UnreadablePicture:
    if isinstance(error, Image.DecompressionBombError):
        return UnreadablePicture(
            "The picture is too large", f"It has more than {MAX_PIXELS:,} pixels", "Make it smaller"
        )
    # That no plugin knows the bytes is what we say ourselves, without the address of an object.
    detail = "" if isinstance(error, UnidentifiedImageError) else f": {error}"
    known = ", ".join(formats.NAMES)
    return UnreadablePicture(
        "The picture cannot be read",
        f"{len(data)} bytes are not a whole picture of a known format ({known}){detail}".rstrip(".: "),
        "Send the bytes of a picture file as they are",
    )


@dataclass(frozen=True)
class Header:
    """What a picture's header says: Pillow's names of format and mode, pixels as stored, EXIF orientation 1 to 8."""

    format: str
    mode: str
    width: int
    height: int
    orientation: int
    transparent: bool


def describe(data: bytes) -> Header:
    """Return what the header says, decoding nothing. Raises UnreadablePicture if it is none of a known format."""
    try:
        image = Image.open(io.BytesIO(data), formats=formats.NAMES)
        orientation = int(image.getexif().get(_ORIENTATION, 1))
        return Header(str(image.format), image.mode, *image.size, orientation, image.has_transparency_data)
    except _DECODER_ERRORS as error:
        raise _unreadable(data, error) from error


def _reduce(image: Image.Image, side: int) -> None:
    """Let a JPEG be decoded at 1/2, 1/4 or 1/8, the smallest whose shortest side is still at least `side` pixels."""
    scale = side / min(image.size)
    if scale < 1:
        image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))


def decode(data: bytes, reduce_to: int | None = None) -> Image.Image:
    """Return the picture in `data` as it is meant to be seen: RGB, upright by its EXIF orientation, first frame.

    With `reduce_to`, pixels, a JPEG may come smaller by 2, 4 or 8, never with its shortest side under that: several
    times as fast, for those who scale it down anyway. Raises UnreadablePicture if the bytes are no whole picture of a
    known format, or over MAX_PIXELS pixels; the size is read from the header, before anything is decoded.
    """
    # A cut picture is an error, never grey stripes that get a confident answer. Said each time, because other libraries
    # switch it for the whole process: gluoncv does when it is imported, after us.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        image = Image.open(io.BytesIO(data), formats=formats.NAMES)
        if reduce_to is not None:
            _reduce(image, reduce_to)
        ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image)
    except _DECODER_ERRORS as error:
        raise _unreadable(data, error) from error


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
