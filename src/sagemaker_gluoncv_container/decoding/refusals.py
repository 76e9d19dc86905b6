"""Why bytes are not a picture that can be read: what they are and what is wrong, as far as it can be told."""

import re

from PIL import Image, UnidentifiedImageError

from .. import formats
from ..errors import PictureTooLarge, UnreadablePicture

# What Pillow's decoders say of bytes that end too soon, and of forms that they do not know.
_CUT = re.compile(r"truncated|not enough|unexpected end|buffer is not large enough", re.IGNORECASE)
_RARE = re.compile(r"unsupported|not supported|unknown|too large for|bad mode|invalid palette", re.IGNORECASE)


def refusal(data: bytes, error: BaseException, max_pixels: int) -> UnreadablePicture:
    """Return the error for bytes on which a decoder raised `error`."""
    if isinstance(error, Image.DecompressionBombError):
        return PictureTooLarge("The picture is too large", f"It has more than {max_pixels:,} pixels", "Make it smaller")
    if isinstance(error, MemoryError):
        return PictureTooLarge("The picture is too large", "There is not enough memory to decode it", "Make it smaller")
    return UnreadablePicture(
        "The picture cannot be read",
        f"{len(data)} bytes are not a whole picture{_what_they_are(data, error)}".rstrip(".: "),
        "Send the bytes of a picture file as they are",
    )


def _what_they_are(data: bytes, error: BaseException) -> str:
    head = data[: formats.HEAD_BYTES]
    form, other = formats.recognized(head), formats.other_kind(head)
    # That no plugin knows the bytes is what we say ourselves, without the address of an object.
    said = "" if isinstance(error, UnidentifiedImageError) else str(error)
    if form:
        return f": it begins as {form.name}, and {_fault(said)}{f' ({said})' if said else ''}"
    detail = f": it is {other}" if other else f": {said}" if said else ""
    return f" of a known format ({', '.join(formats.NAMES)}){detail}"


def _fault(said: str) -> str:
    if _CUT.search(said):
        return "its end is missing"
    return "is of a rare kind" if _RARE.search(said) else "is damaged, cut or of a rare kind"
