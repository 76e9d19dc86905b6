"""From encoded bytes to an RGB picture; training, validation, serving and preparing all come through here.

Pictures come from strangers, so they are decoded by Pillow, which is maintained, and not by the OpenCV of 2018 that is
linked into MXNet.
"""

import importlib
import io
import math
import struct
import warnings
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from . import formats
from .errors import UnreadablePicture

# The plugins worth their risk, of Pillow's forty: importing them registers them, and keeps it from loading the rest.
for _format in formats.TABLE:
    importlib.import_module(f"PIL.{_format.plugin}")
# 100 megapixels is past any camera our users have, and 300 MB decoded.
MAX_PIXELS = 100_000_000
# Of a transparent picture, what shows through: product photos are cut out against white.
_BACKGROUND = (255, 255, 255)
_ORIENTATION = 0x0112  # EXIF

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
