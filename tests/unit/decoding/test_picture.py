"""decoding: whatever people send becomes RGB, or is refused with a reason."""

import ast
import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile, TiffImagePlugin

from sagemaker_gluoncv_container import images, machine
from sagemaker_gluoncv_container.decoding import turns, upright
from sagemaker_gluoncv_container.decoding.picture import decode, describe
from sagemaker_gluoncv_container.errors import UnreadablePicture
from sagemaker_gluoncv_container.images import Preprocessing
from support.drawing import colours, grey, levels

Encode = Callable[..., bytes]
SQUARE = Preprocessing(height=32, width=32, resize=36)


class TestDecode:
    """Every kind of picture becomes RGB as it is meant to be seen."""

    @pytest.mark.parametrize(
        ("form", "options", "tolerance"),
        [
            ("PNG", {}, 0),
            ("BMP", {}, 0),
            ("TIFF", {}, 0),
            ("TIFF", {"compression": "tiff_lzw"}, 0),
            ("TIFF", {"compression": "tiff_adobe_deflate"}, 0),
            ("WEBP", {"lossless": True}, 0),
            ("WEBP", {"quality": 95}, 12),
            ("JPEG", {"quality": 95}, 12),
            ("JPEG", {"quality": 95, "progressive": True}, 12),
            ("MPO", {"quality": 95}, 12),
        ],
        ids=str,
    )
    def test_formats(self, encode: Encode, form: str, options: dict[str, object], tolerance: int) -> None:
        """A colour picture of each format comes as it was drawn, within what its compression loses."""
        image = decode(encode(colours(), form, **options))
        assert (image.mode, image.size) == ("RGB", (40, 30))
        assert abs(levels(image) - levels(colours())).max() <= tolerance

    @pytest.mark.parametrize("form", ["PPM", "ICO", "TGA", "PCX", "JPEG2000", "EPS"])
    def test_formats_that_are_not_worth_their_risk(self, encode: Encode, form: str) -> None:
        """A format that Pillow knows and we do not take is refused, with those that we take."""
        with pytest.raises(UnreadablePicture, match=r"known format \(JPEG, PNG, WEBP, BMP, GIF, TIFF, AVIF\)"):
            decode(encode(colours(), form))

    @pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
    def test_grey(self, encode: Encode, form: str) -> None:
        """A grey picture gets three equal channels."""
        pixels = levels(decode(encode(grey(), form)))
        assert abs(pixels - levels(grey())[..., None]).max() <= 12
        if form != "WEBP":
            assert (pixels == pixels[..., :1]).all()

    def test_grey_of_16_bits(self, encode: Encode) -> None:
        """A picture of 16 bits looks like the same in 8 bits, and is not clipped to white."""
        deep = Image.fromarray(np.asarray(grey()).astype(np.uint16) * 257)
        assert deep.mode == "I;16"
        expected = levels(decode(encode(grey())))
        for form in ("PNG", "TIFF"):
            assert abs(levels(decode(encode(deep, form))) - expected).max() <= 1

    def test_colour_of_16_bits(self) -> None:
        """A colour PNG of 16 bits looks like the same in 8 bits; it is made by hand, since Pillow writes none."""
        pixels = np.asarray(colours()).astype(">u2") * 257
        lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
        content = png((40, 30), depth=16, colour=2, data=zlib.compress(lines))
        assert abs(levels(decode(content)) - levels(colours())).max() <= 1

    @pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "GIF"])
    def test_one_bit(self, encode: Encode, form: str) -> None:
        """A picture of one bit is black and white, not black and almost black."""
        bits = grey().point(lambda level: 255 * (level > 120)).convert("1")
        assert (levels(decode(encode(bits, form))) == levels(bits)[..., None] * 255).all()

    @pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "TIFF"])
    def test_palette(self, encode: Encode, form: str) -> None:
        """The palette's colours come out, not its indices."""
        palette = colours().quantize(64)
        assert abs(levels(decode(encode(palette, form))) - levels(palette.convert("RGB"))).max() == 0

    def test_cmyk(self, encode: Encode) -> None:
        """A print shop's JPEG has its colours, and not their negatives."""
        image = Image.new("RGB", (16, 16), (200, 30, 90))
        pixels = levels(decode(encode(image.convert("CMYK"), "JPEG", quality=95)))
        assert abs(pixels - (200, 30, 90)).max() <= 12

    @pytest.mark.parametrize(("mode", "opaque"), [("RGBA", (200, 30, 90)), ("LA", (90, 90, 90))], ids=["RGBA", "LA"])
    @pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
    def test_transparency_lies_on_white(self, encode: Encode, mode: str, opaque: tuple[int, ...], form: str) -> None:
        """What is transparent is white, what is half transparent half as bright, whatever colour hides there."""
        image = Image.new("RGBA", (30, 10), (*opaque, 255))
        image.paste((*opaque, 0), (0, 0, 10, 10))
        image.paste((*opaque, 128), (10, 0, 20, 10))
        options = {"lossless": True, "exact": True} if form == "WEBP" else {}
        pixels = levels(decode(encode(image.convert(mode), form, **options)))
        half = [round((each * 128 + 255 * 127) / 255) for each in opaque]
        assert (pixels[:, :10] == 255).all()
        assert abs(pixels[:, 10:20] - half).max() <= 1
        assert abs(pixels[:, 20:] - opaque).max() <= 1

    @pytest.mark.parametrize("form", ["PNG", "GIF"])
    def test_transparent_colour_of_a_palette(self, encode: Encode, form: str) -> None:
        """A palette's transparent entry shows the white behind it."""
        image = Image.new("P", (20, 10), 1)
        image.putpalette([10, 20, 30, 200, 30, 90])
        image.paste(0, (0, 0, 10, 10))
        pixels = levels(decode(encode(image, form, transparency=0)))
        assert (pixels[:, :10] == 255).all()
        assert (pixels[:, 10:] == (200, 30, 90)).all()

    @pytest.mark.parametrize(("mode", "transparent"), [("L", 7), ("RGB", (7, 8, 9))])
    def test_transparent_colour_without_alpha(self, encode: Encode, mode: str, transparent: object) -> None:
        """A PNG may name one colour as the transparent one."""
        image = Image.new(mode, (20, 10), 90 if mode == "L" else (200, 30, 90))
        image.paste(transparent, (0, 0, 10, 10))
        pixels = levels(decode(encode(image, transparency=transparent)))
        assert (pixels[:, :10] == 255).all()
        assert (pixels[:, 10:] == ((90,) * 3 if mode == "L" else (200, 30, 90))).all()

    @pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
    def test_first_frame(self, encode: Encode, form: str) -> None:
        """Of several frames the first is seen."""
        first, second = Image.new("RGB", (20, 10), (250, 0, 0)), Image.new("RGB", (20, 10), (0, 0, 250))
        pixels = levels(decode(encode(first, form, save_all=True, append_images=[second])))
        assert abs(pixels - (250, 0, 0)).max() <= 12

    @pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "MPO"])
    @pytest.mark.parametrize(
        ("orientation", "undo"),
        [
            (1, None),
            (2, Image.Transpose.FLIP_LEFT_RIGHT),
            (3, Image.Transpose.ROTATE_180),
            (4, Image.Transpose.FLIP_TOP_BOTTOM),
            (5, Image.Transpose.TRANSPOSE),
            (6, Image.Transpose.ROTATE_90),
            (7, Image.Transpose.TRANSVERSE),
            (8, Image.Transpose.ROTATE_270),
        ],
    )
    def test_orientation(self, encode: Encode, form: str, orientation: int, undo: Image.Transpose | None) -> None:
        """A telephone's picture is upright, however it was held."""
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = colours() if undo is None else colours().transpose(undo)
        image = decode(encode(stored, form, exif=exif, **({"quality": 95} if form != "TIFF" else {})))
        assert image.size == (40, 30)
        assert abs(levels(image) - levels(colours())).max() <= 16


def png(size: tuple[int, int], depth: int = 8, colour: int = 0, data: bytes = b"") -> bytes:
    """Return a PNG made by hand: `data` is what its IDAT holds."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


FORMS = {
    "JPEG": {},
    "progressive": {"progressive": True},
    "PNG": {},
    "WEBP": {},
    "BMP": {},
    "GIF": {},
    "TIFF": {},
    "MPO": {},
}


def file_of(name: str) -> bytes:
    """Return a picture's file of a kind of FORMS, with some noise so that no format makes it tiny."""
    noise = np.random.default_rng(0).integers(0, 60, (30, 40, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(colours()) // 2 + noise).save(
        buffer, "JPEG" if name == "progressive" else name, **FORMS[name]
    )
    return buffer.getvalue()


class TestUnreadable:
    """Bytes that are no whole picture are the sender's fault, and never an exception that nobody expects."""

    @pytest.mark.parametrize("name", FORMS)
    @pytest.mark.parametrize("share", [0, 0.02, 0.25, 0.5, 0.9])
    def test_truncated(self, name: str, share: float) -> None:
        """A cut picture is refused, never filled up with grey."""
        content = file_of(name)
        with pytest.raises(UnreadablePicture):
            decode(content[: int(len(content) * share)])

    @pytest.mark.parametrize("name", FORMS)
    def test_truncated_whatever_others_say(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """GluonCV makes Pillow fill up cut pictures, in the whole process; that changes nothing here."""
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        content = file_of(name)
        with pytest.raises(UnreadablePicture):
            decode(content[: len(content) // 2])

    @pytest.mark.parametrize(
        "content", [b"", b"\0" * 1000, b"<svg/>", b"\xff\xd8\xff", b"GIF89a", b"\x89PNG\r\n\x1a\n"]
    )
    def test_no_picture(self, content: bytes) -> None:
        """The message says how many bytes came, what they should be and what to do."""
        with pytest.raises(UnreadablePicture) as caught:
            decode(content)
        assert caught.value.what == "The picture cannot be read"
        assert caught.value.why.startswith(f"{len(content)} bytes are not a whole picture")
        assert " at 0x" not in caught.value.why
        assert caught.value.do

    @given(st.binary(max_size=200))
    def test_any_bytes(self, content: bytes) -> None:
        """Bytes at random are refused."""
        with pytest.raises(UnreadablePicture):
            decode(content)

    @given(
        st.sampled_from(sorted(FORMS)),
        st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
        st.floats(0.5, 1),
    )
    def test_damaged_bytes(self, name: str, changes: list[tuple[float, int]], share: float) -> None:
        """A file with some bytes changed, and perhaps cut, is refused or gives an RGB picture that can be used."""
        content = bytearray(file_of(name))
        for place, value in changes:
            content[int(place * len(content))] = value
        decodes_or_refuses(bytes(content[: int(len(content) * share)]))

    @given(
        st.sampled_from(sorted(FORMS)),
        st.integers(0, 199),
        st.sampled_from([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\1", b"\1\0\0\0", b"\0\xff"]),
    )
    def test_damaged_header(self, name: str, place: int, value: bytes) -> None:
        """Lengths and sizes of all kinds near the start of a file are survived."""
        content = file_of(name)
        decodes_or_refuses(content[:place] + value + content[place + len(value) :])

    @given(
        st.integers(0, 70),
        st.integers(0, 70),
        st.sampled_from([1, 2, 4, 8, 16, 3]),
        st.sampled_from([0, 2, 3, 4, 6, 1]),
        st.binary(max_size=300).map(zlib.compress) | st.binary(max_size=40),
    )
    def test_damaged_png_with_good_checksums(
        self, width: int, height: int, depth: int, colour: int, data: bytes
    ) -> None:
        """A PNG whose checksums are right and whose content is not is survived as well."""
        decodes_or_refuses(png((width, height), depth, colour, data))

    def test_bomb(self) -> None:
        """A header that announces gigabytes is refused before anything is decoded."""
        with pytest.raises(UnreadablePicture, match=r"too large\. It has more than 100,000,000 pixels"):
            decode(png((30_000, 30_000), data=zlib.compress(bytes(1000))))

    @pytest.mark.parametrize("disposal", range(4))
    def test_bomb_in_a_frame(self, disposal: int) -> None:
        """A GIF of 60 bytes whose frame is of 4 gigapixels is refused before memory is taken for it."""
        code = (
            "import sys; from sagemaker_gluoncv_container import errors\n"
            "from sagemaker_gluoncv_container.decoding.picture import decode\n"
            "try: decode(sys.stdin.buffer.read())\n"
            "except errors.UnreadablePicture as error: print(error)\n"
            "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
        )
        content = (
            b"GIF89a"
            + struct.pack("<HHBBB", 31, 24, 0x80, 0, 0)
            + bytes(6)
            + b"\x21\xf9\x04"
            + bytes([disposal << 2, 0, 0, 0, 0])
            + b"\x2c"
            + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0)
            + b"\x02\x02\x4c\x01\x00;"
        )
        done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=True)
        message, kilobytes = done.stdout.decode().splitlines()
        assert message.startswith("The picture is too large")
        assert int(kilobytes) < 500_000

    def test_limit_is_about_pixels(self) -> None:
        """One pixel row too many is refused; a long and thin picture is not."""
        with pytest.raises(UnreadablePicture, match="too large"):
            decode(png((10_000, 10_001)))
        line = png((200_000, 1), data=zlib.compress(bytes(200_001)))
        assert decode(line).size == (200_000, 1)


def decodes_or_refuses(content: bytes) -> None:
    """Fail unless the bytes are refused as unreadable or become an RGB picture that evaluation takes."""
    try:
        image = decode(content)
    except UnreadablePicture:
        return
    assert image.mode == "RGB"
    assert images.for_evaluation(image, SQUARE).shape == (32, 32, 3)


SOURCE = Path(__file__).resolve().parents[3] / "src" / "sagemaker_gluoncv_container"
MODULES = sorted(SOURCE.rglob("*.py"))
# How MXNet's OpenCV, and GluonCV's readers that call it, are reached: by modules, and by operators of any namespace.
DECODING_MODULES = {
    *(f"mxnet.{name}" for name in ("image", "img", "io", "recordio", "gluon.data", "rtc", "plugin")),
    *(f"gluoncv.{name}" for name in ("data", "utils.viz", "auto", "torch")),
    "cv2",
}
DECODING_NAMES = {
    "imdecode",
    "imread",
    "imresize",
    "copyMakeBorder",
    "ImageRecordIter",
    "ImageRecordDataset",
    "ImageIter",
}


def used(tree: ast.AST) -> set[str]:
    """Return the full names that a module imports or reaches by attributes, `mx` written out."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
        elif isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
    return {f"mxnet{name[2:]}" if name.startswith("mx.") else name for name in found}


def decoders(tree: ast.AST) -> set[str]:
    """Return what a module uses of decoders that are not Pillow's."""
    return {
        name
        for name in used(tree)
        if any(f"{name}.".startswith(f"{module}.") for module in DECODING_MODULES)
        or any(part.lstrip("_").removeprefix("cv") in DECODING_NAMES for part in name.split("."))
    }


@pytest.mark.parametrize(
    "code",
    [
        "import mxnet as mx; mx.image.imdecode(body)",
        "from mxnet import recordio",
        "from mxnet.gluon.data.vision import ImageRecordDataset",
        "import mxnet as mx; mx.nd._internal._cvimdecode(body)",
        "import cv2",
        "from gluoncv.data import ImageNet",
    ],
)
def test_decoders_are_seen(code: str) -> None:
    """The search of the next test finds the ways there are."""
    assert decoders(ast.parse(code))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_module_decodes_with_mxnet(path: Path) -> None:
    """Neither serving nor training nor preparing calls MXNet's or GluonCV's readers of pictures and records."""
    assert not decoders(ast.parse(path.read_text()))


def test_only_decoding_opens_pictures() -> None:
    """Image.open is called in one module, with the formats that are allowed, and the pixel limit is set there."""
    opening = {path.name for path in MODULES if "Image.open(" in path.read_text()}
    assert opening == {"picture.py"}
    text = (SOURCE / "decoding" / "picture.py").read_text()
    assert text.count("Image.open(") == text.count("Image.open(io.BytesIO(data), formats=formats.NAMES)")
    assert "Image.MAX_IMAGE_PIXELS = " in text


class TestMissingEnd:
    """A JPEG without its end marker is read if all its pixels are there, and refused if any is missing."""

    KINDS = {
        "baseline": {"quality": 90},
        "full colour": {"quality": 90, "subsampling": 0},
        "progressive": {"quality": 90, "progressive": True},
        "restarts": {"quality": 90, "restart_marker_rows": 1},
        "many restarts": {"quality": 90, "restart_marker_blocks": 1},
    }

    @staticmethod
    def photo(mode: str = "RGB", size: tuple[int, int] = (203, 150)) -> Image.Image:
        """Return a picture with something to see in every block."""
        noise = np.random.default_rng(0).integers(0, 60, (size[1], size[0], 3), np.uint8)
        return Image.fromarray(np.asarray(colours(*size)) // 2 + noise).convert(mode)

    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_all_pixels_are_there(self, encode: Encode, kind: str, mode: str) -> None:
        """The pixels are those of the whole file, also with bytes after them, at any scale."""
        data = encode(self.photo(mode), "JPEG", **self.KINDS[kind])
        assert data.endswith(b"\xff\xd9")
        for tail in (b"", b"\xff", b"\0" * 50, b"\n"):
            for side in (None, 40):
                assert (levels(decode(data[:-2] + tail, side)) == levels(decode(data, side))).all()

    @pytest.mark.parametrize("kind", KINDS)
    def test_rows_are_missing(self, encode: Encode, kind: str) -> None:
        """A cut file is refused, wherever it is cut, also if zeros were put in place of the rest."""
        data = encode(self.photo(), "JPEG", **self.KINDS[kind])
        for length in [*range(600, len(data) - 40, 499), len(data) - 40, len(data) - 12]:
            for tail in (b"", bytes(len(data) - length)):
                with pytest.raises(UnreadablePicture):
                    decode(data[:length] + tail)

    @pytest.mark.parametrize("kind", ["progressive", "many restarts"])
    def test_cut_at_a_marker(self, encode: Encode, kind: str) -> None:
        """A file that breaks off between two scans, or before a restart, lacks pixels as well."""
        data = encode(self.photo(), "JPEG", **self.KINDS[kind])
        marks = [
            at
            for at in range(600, len(data) - 2)
            if data[at] == 0xFF and (data[at + 1] in (0xDA, 0xC4, *range(0xD0, 0xD8)))
        ]
        assert len(marks) > 4
        for at in [*marks[:5], *marks[-3:]]:
            with pytest.raises(UnreadablePicture):
                decode(data[:at])

    def test_a_thumbnail_with_an_end(self, encode: Encode) -> None:
        """The end marker of a thumbnail in the metadata is not taken for the picture's."""
        thumbnail = encode(colours(16, 12), "JPEG")
        data = encode(self.photo(), "JPEG", exif=b"Exif\0\0" + thumbnail)
        assert (levels(decode(data[:-2])) == levels(decode(data))).all()
        with pytest.raises(UnreadablePicture):
            decode(data[: len(data) // 2])


def exif(entries: list[tuple[int, int, int, bytes]], order: str = "MM", beyond: bytes = b"") -> bytes:
    """Return EXIF bytes with entries of (tag, type, count, value or offset)."""
    end = ">" if order == "MM" else "<"
    body = b"".join(struct.pack(f"{end}HHI", *entry[:3]) + entry[3] for entry in entries)
    start = order.encode() + struct.pack(f"{end}HI", 42, 8)
    return b"Exif\0\0" + start + struct.pack(f"{end}H", len(entries)) + body + bytes(4) + beyond


TURN = (0x0112, 3, 1, b"\0\6\0\0")
METADATA = {
    "negative rational": exif([TURN, (0x011A, 10, 1, struct.pack(">I", 38))], beyond=struct.pack(">ii", -72, -1)),
    "negative unsigned rational": exif([TURN, (0x011A, 5, 1, struct.pack(">I", 38))], beyond=b"\xff" * 8),
    "divided by zero": exif([TURN, (0x011A, 5, 1, struct.pack(">I", 38))], beyond=struct.pack(">II", 72, 0)),
    "value beyond the end": exif([TURN, (0x010E, 2, 500, struct.pack(">I", 9_000_000))]),
    "unknown type": exif([TURN, (0x010E, 99, 1, bytes(4))]),
    "count of gigabytes": exif([TURN, (0x010E, 2, 0xFFFFFFFF, struct.pack(">I", 38))]),
    "directory of itself": exif([TURN, (0x8769, 4, 1, struct.pack(">I", 8))]),
    "text that is no text": exif([TURN, (0x010E, 2, 4, b"\xff\xfe\xfd\xfc")]),
    "orientation, twice": exif([(0x0112, 3, 2, b"\0\6\0\6")]),
    "GPS of nothing": exif([TURN, (0x8825, 4, 1, struct.pack(">I", 0xFFFFFFF0))]),
}
WITHOUT_ORIENTATION = {
    "noise": b"Exif\0\0" + bytes(range(256)),
    "nothing": b"Exif\0\0",
    "half a header": b"Exif\0\0MM\0*",
    "entries that are missing": exif([TURN])[:20],
    "orientation 0": exif([(0x0112, 3, 1, b"\0\0\0\0")]),
    "orientation 9": exif([(0x0112, 3, 1, b"\0\x09\0\0")]),
    "orientation as text": exif([(0x0112, 2, 4, b"six\0")]),
    "orientation as a fraction of nothing": exif([(0x0112, 5, 1, struct.pack(">I", 26))], beyond=bytes(8)),
}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("kind", [*METADATA, *WITHOUT_ORIENTATION])
def test_metadata_refuse_nothing(encode: Encode, form: str, kind: str) -> None:
    """Of a picture's metadata the orientation is read, if it can be; no damage there refuses a picture."""
    options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    data = encode(colours(), form, exif=METADATA.get(kind) or WITHOUT_ORIENTATION[kind], **options)
    turned = kind in METADATA
    assert describe(data).orientation == (6 if turned else 1)
    shown = colours().transpose(Image.Transpose.ROTATE_270) if turned else colours()
    assert abs(levels(decode(data)) - levels(shown)).max() <= 12


@given(st.binary(max_size=120))
def test_any_metadata_refuse_nothing(content: bytes) -> None:
    """Whatever bytes EXIF holds, the picture is read."""
    buffer = io.BytesIO()
    colours(16, 12).save(buffer, "JPEG", exif=b"Exif\0\0" + content)
    assert sorted(decode(buffer.getvalue()).size) == [12, 16]


def test_a_tiff_with_a_negative_resolution(encode: Encode) -> None:
    """In a TIFF, whose metadata lie among what describes its pixels, an odd value refuses nothing either."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info.tagtype[282] = 10
    info[282] = TiffImagePlugin.IFDRational(-72, 1)
    info[0x0112] = 6
    image = decode(encode(colours(), "TIFF", tiffinfo=info))
    assert (levels(image) == levels(colours().transpose(Image.Transpose.ROTATE_270))).all()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\0\0\0\x20ftypheic\0\0\0\0mif1heic" + bytes(100), "it is HEIC"),
        (b"8BPS\0\1" + bytes(100), "it is Photoshop"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(100), "it is PostScript"),
        (b"<!DOCTYPE html><html>" + bytes(100), "it is HTML"),
        (b"II*\0\x08\0\0\0" + bytes(100), "it begins as TIFF, and is damaged, cut or of a rare kind"),
    ],
)
def test_the_reason_is_true(data: bytes, why: str) -> None:
    """A refusal says what the bytes are, as far as that can be told."""
    with pytest.raises(UnreadablePicture, match=why):
        decode(data)


def test_avif(encode: Encode) -> None:
    """AVIF is read, transparent parts on white, turned as it says."""
    assert abs(levels(decode(encode(colours(), "AVIF", quality=95))) - levels(colours())).max() <= 12
    data = encode(colours(), "AVIF", quality=95, exif=exif([TURN]))
    assert abs(levels(decode(data)) - levels(colours().transpose(Image.Transpose.ROTATE_270))).max() <= 12


def test_large_pictures_are_reduced_while_they_are_converted(encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transparent picture of many pixels comes small, and looks like the whole one scaled down."""
    monkeypatch.setattr(upright, "REDUCED_PIXELS", 1000)
    image = colours(400, 300)
    image.putalpha(128)
    small = decode(encode(image), 100)
    assert small.size == (134, 100)
    monkeypatch.undo()
    assert abs(levels(small) - levels(decode(encode(image)).reduce(3))).max() <= 1


def test_too_little_memory(encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit into the memory there is is refused before it is decoded, and says how much it takes."""
    monkeypatch.setattr(machine, "memory_available", lambda: 20 << 20)
    monkeypatch.setattr(turns, "_PATIENCE_SECONDS", 0.0)
    data = encode(Image.new("RGBA", (3000, 2000)))
    why = r"To decode its 3,000 x 2,000 pixels \(PNG, RGBA\) takes \d+ MB, and 10 MB can be spared"
    with pytest.raises(UnreadablePicture, match=why) as caught:
        decode(data)
    assert caught.value.what == "The picture is too large for the memory of this container"
    assert decode(encode(Image.new("RGB", (3000, 2000)), "JPEG"), 448).size == (750, 500)
