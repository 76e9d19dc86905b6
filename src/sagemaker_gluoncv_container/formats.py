"""What counts as a picture: the one table of formats, by name, content type and first bytes.

A format is added here. Training, serving and preparing look here, and `images` opens no other. Signatures are those of
Pillow's plugins; content types are IANA's, with the unofficial ones that clients send.
"""

from dataclasses import dataclass
from pathlib import PurePath

# The built-in algorithm's type for a picture of any format.
ANY_PICTURE = "application/x-image"
# Enough for any signature of this module.
HEAD_BYTES = 64


@dataclass(frozen=True)
class Format:
    """A format that is read.

    name           Pillow's name
    plugin         Pillow's module for it
    suffixes       how file names end, in small letters
    content_types  the official one first
    signatures     (offset, bytes) pairs; one of them stands at the beginning of each file
    lossless       whether files hold exactly the pixels that were written
    """

    name: str
    plugin: str
    suffixes: tuple[str, ...]
    content_types: tuple[str, ...]
    signatures: tuple[tuple[int, bytes], ...]
    lossless: bool


TABLE = (
    Format(
        "JPEG",
        "JpegImagePlugin",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        ("image/jpeg", "image/jpg", "image/pjpeg"),
        ((0, b"\xff\xd8\xff"),),
        lossless=False,
    ),
    Format(
        "PNG",
        "PngImagePlugin",
        (".png",),
        ("image/png", "image/x-png"),
        ((0, b"\x89PNG\r\n\x1a\n"),),
        lossless=True,
    ),
    Format("WEBP", "WebPImagePlugin", (".webp",), ("image/webp",), ((8, b"WEBP"),), lossless=False),
    Format(
        "BMP",
        "BmpImagePlugin",
        (".bmp", ".dib"),
        ("image/bmp", "image/x-bmp", "image/x-ms-bmp"),
        ((0, b"BM"),),
        lossless=True,
    ),
    Format("GIF", "GifImagePlugin", (".gif",), ("image/gif",), ((0, b"GIF87a"), (0, b"GIF89a")), lossless=True),
    Format(
        "TIFF",
        "TiffImagePlugin",
        (".tif", ".tiff"),
        ("image/tiff", "image/tif", "image/x-tiff"),
        # Little and big endian, with the version in either order; 43 is BigTIFF.
        tuple((0, start) for start in (b"II*\0", b"MM\0*", b"MM*\0", b"II\0*", b"II+\0", b"MM\0+")),
        lossless=True,
    ),
    Format("AVIF", "AvifImagePlugin", (".avif",), ("image/avif",), ((8, b"avif"), (8, b"avis")), lossless=False),
)
NAMES = tuple(each.name for each in TABLE)
LOSSLESS = frozenset(each.name for each in TABLE if each.lossless)
# The names of files that are pictures, and the format that each promises.
SUFFIXES = {suffix: each.name for each in TABLE for suffix in each.suffixes}
# What messages name; ALL_CONTENT_TYPES are taken.
CONTENT_TYPES = (ANY_PICTURE, *(each.content_types[0] for each in TABLE))
ALL_CONTENT_TYPES = frozenset({ANY_PICTURE, *(kind for each in TABLE for kind in each.content_types)})
# Pictures by their names that no format of the table reads. They are looked at, so that a message can say so.
UNREAD_SUFFIXES = frozenset({".heic", ".heif"})
UNREAD = "HEIC pictures are not read here: convert them to JPEG"

# How other files begin that arrive under a picture's name.
_TEXTS = (
    (b"<!doctype", "HTML"),
    (b"<html", "HTML"),
    (b"<?xml", "XML"),
    (b"<svg", "SVG"),
    (b"%pdf", "PDF"),
    (b"%!ps", "PostScript"),
    (b"/* xpm", "XPM"),
    (b"#define ", "XBM"),
    (b"{", "JSON"),
    (b"/* xpm */", "XPM"),
    (b"simple  =", "FITS"),
    # Netpbm's formats: P, a digit or F, and white space.
    *((bytes((ord("p"), kind, space)), "PPM") for kind in b"1234567f" for space in b" \t\r\n"),
)
_BYTES = (
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"\x00\x00\x01\x00", "an icon"),
    (0, b"icns", "an icon"),
    (0, b"\0\0\2\0", "a cursor"),
    (0, b"qoif", "QOI"),
    (0, b"BLP1", "BLP"),
    (0, b"BLP2", "BLP"),
    (0, b"\x01\xda", "SGI"),
    (0, b"\x59\xa6\x6a\x95", "Sun raster"),
    (4, b"\x11\xaf", "FLI"),
    (4, b"\x12\xaf", "FLI"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"\x89HDF", "HDF5"),
    (0, b"GRIB", "GRIB"),
    (0, b"BUFR", "BUFR"),
    (0, b"\xd7\xcd\xc6\x9a", "WMF"),
    (40, b" EMF", "EMF"),
    (0, b"\xd0\xcf\x11\xe0", "an OLE file"),
    (0, b"DanM", "MSP"),
    (0, b"LinS", "MSP"),
    *(
        (0, b"P" + kind + space, "a portable anymap")
        for kind in (b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"f", b"F")
        for space in (b"\n", b" ", b"\t", b"\r")
    ),
    *((0, b"\x0a" + version + b"\x01", "PCX") for version in (b"\0", b"\2", b"\3", b"\5")),
    (0, b"DDS ", "DDS"),
    (0, b"\x0a\x05\x01", "PCX"),
    (0, b"\x01\xda", "SGI"),
    (0, b"\x59\xa6\x6a\x95", "a Sun raster"),
    (0, b"BLP1", "BLP"),
    (0, b"BLP2", "BLP"),
    (0, b"\x00\x00\x02\x00", "a cursor"),
    (0, b"\xd7\xcd\xc6\x9a", "WMF"),
    (40, b" EMF", "EMF"),
    (4, b"\x11\xaf", "FLI"),
    (4, b"\x12\xaf", "FLI"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE document"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5"),
    (0, b"GRIB", "GRIB"),
    (0, b"BUFR", "BUFR"),
    (8, b"AVI ", "a video"),
    (8, b"WAVE", "a sound"),
)
# ISO base media files (ISO/IEC 14496-12, 23008-12): the brands after `ftyp`.
_BRANDS = {
    "AVIF": (b"avif", b"avis"),
    "HEIC": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"),
    "Canon's raw format": (b"crx ",),
}

# Those kinds that are pictures: as good as any other, but nothing here reads them.
UNREAD_PICTURES = frozenset(
    {
        *(
            "AVIF",
            "HEIC",
            "Canon's raw format",
            "JPEG 2000",
            "JPEG XL",
            "Photoshop",
            "an icon",
            "a cursor",
            "QOI",
            "DDS",
        ),
        *("BLP", "SGI", "Sun raster", "FLI", "FITS", "WMF", "EMF", "MSP", "PCX", "XPM", "XBM", "a portable anymap"),
    }
    - set(NAMES)
)


def suffix(name: str | PurePath) -> str:
    """Return the ending of a file's name, in small letters, as the table has it."""
    return PurePath(name).suffix.lower()


def is_picture_name(name: str | PurePath) -> bool:
    """Return whether a file is a picture that can be read, by its name."""
    return suffix(name) in SUFFIXES


def recognized(head: bytes) -> Format | None:
    """Return the format that the first HEAD_BYTES of a file belong to; None if it is not in the table."""
    for each in TABLE:
        if any(head[at : at + len(start)] == start for at, start in each.signatures):
            return each
    return None


def other_kind(head: bytes) -> str | None:
    """Return what a file is that is not in the table, by its first HEAD_BYTES: "HEIC", "a ZIP archive", "HTML"."""
    if head[4:8] == b"ftyp":
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(len(head), HEAD_BYTES), 4))]
        return next((name for name, known in _BRANDS.items() if set(known) & set(brands)), "a video")
    for at, start, name in _BYTES:
        if head[at : at + len(start)] == start:
            return name
    text = head[:HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((name for start, name in _TEXTS if text.startswith(start)), None)
