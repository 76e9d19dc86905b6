"""What the markers of a JPEG say: scans, and whether all of them came. Source: ITU-T T.81, annex B."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_FRAMES = frozenset({*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})
_RESTARTS = range(0xD0, 0xD8)
# Application segments that say how colours are stored: JFIF's and Adobe's. The others hold metadata.
_KEPT_SEGMENTS = (0xE0, 0xEE)
_COEFFICIENTS = 64
END = b"\xff\xd9"
# What may follow a file that breaks off: bits of two kinds, after each restart marker that a decoder may wait for.
NOISES = tuple(
    b"".join(bits * 32 + bytes([0xFF, marker]) for marker in _RESTARTS)
    for bits in (b"\x55\x33\x5a\xc3", b"\xaa\x0f\xe4\x99")
)


@dataclass
class Structure:
    """What a JPEG is made of.

    components  id -> (horizontal, vertical) sampling factor
    scans       whether each coefficient of each component came with all its bits: id -> coefficients left
    several     whether the first scan is not the only one: then the decoder holds all coefficients at once
    """

    components: dict[int, tuple[int, int]] = field(default_factory=dict)
    left: dict[int, set[int]] = field(default_factory=dict)
    several: bool = False

    @property
    def all_scans_began(self) -> bool:
        """Whether there is a scan for every bit of every coefficient."""
        return bool(self.left) and not any(self.left.values())

    @property
    def samples_per_pixel(self) -> float:
        """How many coefficients are stored for a pixel, with colours at their lower resolution."""
        most_h = max((h for h, _ in self.components.values()), default=1)
        most_v = max((v for _, v in self.components.values()), default=1)
        return sum(h * v for h, v in self.components.values()) / (most_h * most_v)


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of each segment up to the end of the data; a scan's bits are not part of its segment.

    Stops where the bytes are no JPEG.
    """
    at = 2 if data.startswith(b"\xff\xd8") else len(data)
    while at + 4 <= len(data):
        at = data.find(b"\xff", at)
        if at < 0 or at + 4 > len(data):
            return
        marker = data[at + 1]
        if marker in (0, 0xFF, 1) or marker in _RESTARTS:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == _EOI:
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, at, at + 2 + length
        at += 2 + length


def structure(data: bytes) -> Structure:
    """Return what the frame and scan headers say."""
    found = Structure()
    for marker, start, end in segments(data):
        body = data[start + 4 : end]
        try:
            if marker in _FRAMES:
                found.components = {
                    body[at]: (max(1, body[at + 1] >> 4), max(1, body[at + 1] & 15))
                    for at in range(6, 6 + 3 * body[5], 3)
                }
                found.left = {each: set(range(_COEFFICIENTS)) for each in found.components}
                found.several = marker in (0xC2, 0xC6, 0xCA, 0xCE)
            elif marker == _SOS:
                _scan(found, body)
        except (IndexError, struct.error):
            return found
    return found


def _scan(found: Structure, body: bytes) -> None:
    count = body[0]
    first, last, low = body[1 + 2 * count], body[2 + 2 * count], body[3 + 2 * count] & 15
    found.several = found.several or count < len(found.components)
    if low == 0:
        for at in range(1, 1 + 2 * count, 2):
            found.left.get(body[at], set()).difference_update(range(first, last + 1))


def without_padding(data: bytes) -> bytes:
    """Return a JPEG without the zeros that follow it.

    They are what is left of a download whose space was taken beforehand, and a decoder would take them for pixels.
    """
    if not data.startswith(b"\xff\xd8") or not data.endswith(b"\0\0"):
        return data
    bare = data.rstrip(b"\0")
    # A byte of 255 among the bits of pixels is followed by a zero.
    return bare + b"\0" if bare.endswith(b"\xff") else bare


def without_metadata(data: bytes) -> bytes:
    """Return the file without the application segments that pixels do not need, where damage may lie."""
    kept, start = [], 0
    for marker, begin, end in segments(data):
        if marker == _SOS:
            break
        if (0xE0 <= marker <= 0xEF and marker not in _KEPT_SEGMENTS) or marker == _COM:
            kept.append(data[start:begin])
            start = end
    return b"".join([*kept, data[start:]])
