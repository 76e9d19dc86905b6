"""Opens and decodes pictures from strangers.

Pillow does it, which is maintained, and not the OpenCV of 2018 that is linked into MXNet. What a picture's metadata say
beside its orientation is not read, so damage there refuses nothing.
"""

import hashlib
import importlib
import io
import math
import struct
import zlib
from dataclasses import dataclass

from PIL import AvifImagePlugin, Image, ImageFile

from .. import formats
from . import costs, dark, depth, jpeg, png, quiet, refusals, upright
from .turns import taking

# The plugins worth their risk, of Pillow's forty: importing them registers them, and keeps it from loading the rest.
for _format in formats.TABLE:
    importlib.import_module(f"PIL.{_format.plugin}")
# A picture is decoded by one thread: the others have pictures of their own.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# 100 megapixels is past any camera our users have, and 300 MB decoded.
MAX_PIXELS = 100_000_000
# Of a transparent picture, what shows through: product photos are cut out against white.
_BACKGROUND = (255, 255, 255)
_ORIENTATION = 0x0112  # EXIF
# Pillow calls a JPEG that holds further pictures by the name of their container.
_ALSO_JPEG = {"MPO": "JPEG"}

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

quiet.silence()
# Pillow refuses at twice its limit, and does so before a frame, a tile or a canvas that a header asks for is allocated:
# of a GIF of 60 bytes, frames of 4 gigapixels are, before its size can be asked.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2


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
        image = _open(data)
        name = str(image.format)
        return Header(
            _ALSO_JPEG.get(name, name), image.mode, *image.size, _orientation(image, data), image.has_transparency_data
        )
    except (*_DECODER_ERRORS, MemoryError) as error:
        raise refusals.refusal(data, error, MAX_PIXELS) from error


def decode(data: bytes, reduce_to: int | None = None, deadline: float | None = None) -> Image.Image:
    """Return the picture in `data` as it is meant to be seen: RGB, upright by its EXIF orientation, first frame.

    With `reduce_to`, pixels, a JPEG may come smaller by 2, 4 or 8, never with its shortest side under that: several
    times as fast, for those who scale it down anyway. Another picture of many megapixels may come smaller by any whole
    number. One that takes much memory waits for its turn (`turns`), until `deadline`, of time.monotonic(), if given.

    Raises UnreadablePicture if the bytes are not a whole picture of a known format, over MAX_PIXELS pixels or too large
    for the container's memory: its size is read from the header, before anything is decoded. Raises Overloaded after
    the deadline.
    """
    # A cut picture is an error, never grey stripes that get a confident answer. Said each time, because other libraries
    # switch it for the whole process: gluoncv does when it is imported, after us.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    bare = jpeg.without_padding(data)
    try:
        try:
            return _decode(bare, reduce_to, deadline)
        except (OSError, SyntaxError):
            whole = png.with_end(bare) or _jpeg_with_its_end(bare, reduce_to, deadline)
            if whole is None:
                raise
            return _decode(whole, reduce_to, deadline)
    except (*_DECODER_ERRORS, MemoryError) as error:
        raise refusals.refusal(data, error, MAX_PIXELS) from error


def _decode(data: bytes, reduce_to: int | None, deadline: float | None) -> Image.Image:
    image = _open(data)
    stored, orientation = image.size, _orientation(image, data)
    if reduce_to is not None:
        _reduce(image, reduce_to)
    plain = image.mode == "RGB" and not image.has_transparency_data and orientation == 1
    cost = costs.estimate(image, data, stored, plain, reduce_to)
    with taking(cost, f"its {stored[0]:,} x {stored[1]:,} pixels ({image.format}, {image.mode})", deadline):
        lower = dark.other_tiles(image)
        _load(image)
        if lower and dark.is_dark(image):
            other = _open(data)
            other.tile = lower  # type: ignore[attr-defined]
            _load(other)
            dark.brighten(image, other)
        scale = depth.scale(image, data) if depth.is_deep(image.mode) else None
        # The same pixels without the decoder, which holds as much again.
        pixels = image._new(image.im)
        del image
        if plain:
            return pixels
        reduced = upright.factor(pixels.size, reduce_to)
        return upright.convert(pixels, lambda strip: _to_rgb(strip, scale), orientation, reduced)


def _load(image: Image.Image) -> None:
    if image.format == "TIFF":
        # Pillow would turn it here, with a copy, and read the rest of its metadata for that.
        setattr(image, "load_end", lambda: None)  # noqa: B010
    image.load()


def _open(data: bytes) -> Image.Image:
    """Open a picture; a JPEG whose metadata are damaged is opened without them."""
    try:
        return Image.open(io.BytesIO(data), formats=formats.NAMES)
    except Image.DecompressionBombError:
        raise
    except _DECODER_ERRORS:
        bare = jpeg.without_metadata(data)
        if bare == data:
            raise
        return _open(bare)


def _orientation(image: Image.Image, data: bytes) -> int:
    """Return EXIF's orientation, 1 if it says none or nothing that can be read."""
    if late := png.exif(data):
        image.info.setdefault("exif", late)
    try:
        # Not the PNG plugin's own, which decodes the picture to see what follows its pixels.
        value = int(Image.Image.getexif(image).get(_ORIENTATION, 1))
    except (*_DECODER_ERRORS, RecursionError):
        return 1
    return value if 1 <= value <= 8 else 1


def _reduce(image: Image.Image, side: int) -> None:
    """Let a JPEG be decoded at 1/2, 1/4 or 1/8, the smallest whose shortest side is still at least `side` pixels."""
    scale = side / min(image.size)
    if scale < 1:
        image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))


def _to_rgb(image: Image.Image, scale: depth.Scale | None) -> Image.Image:
    """Return an image of any mode as RGB, transparent parts on white, deep channels as 8 bits."""
    transparent = image.has_transparency_data
    if scale:
        image = scale.to_8_bits(image)
    if transparent and not scale:
        rgba = image.convert("RGBA")
        canvas = Image.new("RGB", rgba.size, _BACKGROUND)
        canvas.paste(rgba, mask=rgba.getchannel("A"))
        return canvas
    return image.convert("RGB")


def _jpeg_with_its_end(data: bytes, reduce_to: int | None, deadline: float | None) -> bytes | None:
    """Return a JPEG that lacks nothing but its end marker with that; None if it is no JPEG, or lacks more.

    Where all pixels are there, a decoder skips what follows them; where some are missing, it takes it for their bits.
    So bits before the marker change the pixels, or they do not.
    """
    # Half an end marker is none.
    data = data.rstrip(b"\xff")
    if not jpeg.structure(data).all_scans_began:
        return None
    tails = (jpeg.END, *(noise + jpeg.END for noise in jpeg.NOISES))
    try:
        seen = {_digest(_decode(data + tail, reduce_to, deadline)) for tail in tails}
    except _DECODER_ERRORS:
        return None
    return data + jpeg.END if len(seen) == 1 else None


def _digest(image: Image.Image) -> bytes:
    digest = hashlib.blake2b()
    for top in range(0, image.height, 64):
        digest.update(image.crop((0, top, image.width, min(top + 64, image.height))).tobytes())
    return digest.digest()
