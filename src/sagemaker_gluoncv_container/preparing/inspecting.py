"""Inspects one picture: whether it can be read, what it is and looks like, and which bytes of it go out."""

import hashlib
import io
from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image

from .. import formats, images
from ..decoding.picture import Header, decode, describe
from ..errors import PictureTooLarge, UnreadablePicture
from .settings import Settings

# The side of the thumbnail by which near duplicates are confirmed, pixels; uint8 RGB.
THUMB_SIDE = 16
# pHash scales to 32 by itself: from a small picture that is cheap, and Pillow's BOX does not alias.
_HASH_SIDE = 64
# What SageMaker's channels are made of, and every reader of RecordIO reads.
_KEPT_FORMATS = ("JPEG", "PNG")


@dataclass(frozen=True)
class Inspection:
    """What was found out about a picture.

    reason         why it is left out; None if it is fit
    detail         more about the reason
    length, sha    of the bytes in the source
    phash          perceptual hash, 64 bits as a signed integer
    thumb          THUMB_SIDE x THUMB_SIDE pixels, RGB
    width, height  of what goes out, pixels
    fixes          (kind, detail) of what was wrong and is now right
    encoded        the bytes that go out; None if those are the source's
    """

    reason: str | None = None
    detail: str = ""
    length: int = 0
    sha: bytes = b""
    phash: int = 0
    thumb: bytes = b""
    width: int = 0
    height: int = 0
    fixes: tuple[tuple[str, str], ...] = ()
    encoded: bytes | None = None


def inspect(data: bytes, name: str, settings: Settings) -> Inspection:
    """Return what there is to know about the bytes of a picture; `name` is the file's, empty for a record."""
    sha = hashlib.sha256(data).digest()
    try:
        description = describe(data)
        turned = description.orientation in (5, 6, 7, 8)
        size = (description.height, description.width) if turned else (description.width, description.height)
        if min(size) < settings.min_side:
            why = f"{size[0]} x {size[1]} pixels, under {settings.min_side}"
            # A broken one is called unreadable, however small it is.
            decode(data)
            return Inspection("too-small", why, len(data), sha, width=size[0], height=size[1])
        return _fit(data, sha, name, size, description, settings)
    except UnreadablePicture as error:
        reason, detail = _why_unreadable(data, name, error)
        return Inspection(reason, detail, len(data), sha)


def _why_unreadable(data: bytes, name: str, error: UnreadablePicture) -> tuple[str, str]:
    """Return reason and detail for bytes that cannot be decoded: what they are counts, and only then their name."""
    if isinstance(error, PictureTooLarge):
        return "too-large", error.why
    head = data[: formats.HEAD_BYTES]
    other = formats.other_kind(head)
    if formats.recognized(head) or other in formats.NAMES:
        return "unreadable", error.why
    if other is None:
        return "unreadable", "it begins like none of the formats that are read" if data else "it is empty"
    if other in formats.UNREAD_PICTURES:
        return "unsupported", f"it is {other}"
    named = formats.is_picture_name(name) or formats.suffix(name) in formats.UNREAD_SUFFIXES
    return "wrong-type" if named else "unreadable", f"it is {other}"


def _fit(
    data: bytes, sha: bytes, name: str, size: tuple[int, int], description: Header, settings: Settings
) -> Inspection:
    fixes = []
    expected = formats.SUFFIXES.get(formats.suffix(name))
    if expected and expected != description.format:
        fixes.append(("wrong-type", f"it is {description.format}"))
    down = settings.resize is not None and min(size) > settings.resize
    faults = _faults(description, settings.keep_bytes)
    fixes += [] if settings.keep_bytes and description.format in _KEPT_FORMATS else faults
    if not down and not faults:
        image = decode(data, reduce_to=_HASH_SIDE)
        encoded = None
    else:
        side = settings.resize if down else None
        image = decode(data, reduce_to=side and side * images.REDUCING_GAP)
        image = scaled(image, size, side)
        encoded = _encoded(image, description.format in formats.LOSSLESS and not down, settings.quality)
    # reduce() averages whole blocks, which is cheaper than resize() from a large picture.
    small = image.reduce(max(1, min(image.size) // _HASH_SIDE)).resize((_HASH_SIDE, _HASH_SIDE), Image.Resampling.BOX)
    thumb = small.resize((THUMB_SIDE, THUMB_SIDE), Image.Resampling.BOX).tobytes()
    return Inspection(
        None, "", len(data), sha, _phash(small), thumb, *image_size(image, encoded, size), tuple(fixes), encoded
    )


def image_size(image: Image.Image, encoded: bytes | None, size: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of what goes out, pixels."""
    return size if encoded is None else image.size


def _faults(description: Header, keep_bytes: bool) -> list[tuple[str, str]]:
    """Return what makes bytes unfit to go out as they are, as (kind, detail)."""
    faults = []
    if description.format not in _KEPT_FORMATS:
        faults.append(("converted", f"{description.format} to one that all read"))
    if keep_bytes:
        return faults
    if description.orientation not in (0, 1):
        faults.append(("turned", f"EXIF orientation {description.orientation}"))
    if description.mode != "RGB" or description.transparent:
        faults.append(("converted", f"{description.mode} to RGB"))
    return faults


def scaled(image: Image.Image, size: tuple[int, int], side: int | None) -> Image.Image:
    """Return the picture, `size` pixels before it was decoded at a reduced scale, with its shortest side at `side`."""
    if side is None:
        return image
    scale = side / min(size)
    return image.resize((round(size[0] * scale), round(size[1] * scale)), Image.Resampling.BILINEAR)


def _encoded(image: Image.Image, lossless: bool, quality: int) -> bytes:
    buffer = io.BytesIO()
    if lossless:
        image.save(buffer, "PNG")
    else:
        image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _phash(image: Image.Image) -> int:
    """Return ImageHash's perceptual hash: the signs of 64 low frequencies of the cosine transform."""
    bits = imagehash.phash(image).hash
    return int(np.packbits(bits.ravel()).view(">i8")[0])
