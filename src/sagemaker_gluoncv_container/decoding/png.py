"""The chunks of a PNG, without its pixels. Source: PNG (W3C), chapters 5 and 11."""

from collections.abc import Iterator

_START = b"\x89PNG\r\n\x1a\n"
# A length and a kind before a chunk's content, a checksum after it.
_BEFORE, _AFTER = 8, 4
_END = b"\0\0\0\0IEND\xaeB`\x82"


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of each chunk but the pixels' (b"IDAT"), whose content is left out."""
    at = len(_START)
    while data.startswith(_START) and at + _BEFORE <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + _BEFORE]
        yield kind, b"" if kind == b"IDAT" else data[at + _BEFORE : at + _BEFORE + length]
        at += _BEFORE + length + _AFTER


def with_end(data: bytes) -> bytes | None:
    """Return a PNG that is cut after its pixels with an end chunk; None if it is no PNG, whole, or lacks pixels."""
    at = len(_START)
    pixels = False
    while data.startswith(_START) and at + _BEFORE <= len(data):
        kind = data[at + 4 : at + _BEFORE]
        end = at + _BEFORE + int.from_bytes(data[at : at + 4], "big") + _AFTER
        if end > len(data):
            return data[:at] + _END if pixels and kind != b"IDAT" else None
        pixels = pixels or kind == b"IDAT"
        if kind == b"IEND":
            return None
        at = end
    return data[:at] + _END if pixels else None


def exif(data: bytes) -> bytes:
    """Return the EXIF data of a PNG, wherever they stand in the file; none if there are none."""
    return next((content for kind, content in chunks(data) if kind == b"eXIf"), b"")


def significant_bits(data: bytes) -> int | None:
    """Return the bits that sBIT gives to the first channel; None if it is no PNG, or does not say."""
    for kind, content in chunks(data):
        if kind == b"sBIT" and content:
            return content[0]
        if kind == b"IDAT":
            return None
    return None
