"""images: decoding whatever people send, and the two transforms."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from sagemaker_gluoncv_container import images
from sagemaker_gluoncv_container.errors import UnreadablePicture
from sagemaker_gluoncv_container.images import AUGMENTATIONS, Preprocessing

Encode = Callable[..., bytes]
SQUARE = Preprocessing(height=32, width=32, resize=36)


def levels(image: Image.Image) -> np.ndarray:
    """Return pixels that can be subtracted."""
    return np.asarray(image).astype(int)


def colours(width: int = 40, height: int = 30) -> Image.Image:
    """Return a smooth RGB picture in which every corner differs."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 / max(1, width - 1), y * 255 / max(1, height - 1), np.full_like(x, 60)]
    return Image.fromarray(np.stack(channels, 2).astype(np.uint8))


def grey(width: int = 40, height: int = 30) -> Image.Image:
    """Return a smooth grey picture."""
    return colours(width, height).convert("L")


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
        image = images.decode(encode(colours(), form, **options))
        assert (image.mode, image.size) == ("RGB", (40, 30))
        assert abs(levels(image) - levels(colours())).max() <= tolerance

    @pytest.mark.parametrize("form", ["PPM", "ICO", "TGA", "PCX", "JPEG2000", "EPS"])
    def test_formats_that_are_not_worth_their_risk(self, encode: Encode, form: str) -> None:
        """A format that Pillow knows and we do not take is refused, with those that we take."""
        with pytest.raises(UnreadablePicture, match=r"known format \(JPEG, PNG, WEBP, BMP, GIF, TIFF\)"):
            images.decode(encode(colours(), form))

    @pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
    def test_grey(self, encode: Encode, form: str) -> None:
        """A grey picture gets three equal channels."""
        pixels = levels(images.decode(encode(grey(), form)))
        assert abs(pixels - levels(grey())[..., None]).max() <= 12
        if form != "WEBP":
            assert (pixels == pixels[..., :1]).all()

    def test_grey_of_16_bits(self, encode: Encode) -> None:
        """A picture of 16 bits looks like the same in 8 bits, and is not clipped to white."""
        deep = Image.fromarray(np.asarray(grey()).astype(np.uint16) * 257)
        assert deep.mode == "I;16"
        expected = levels(images.decode(encode(grey())))
        for form in ("PNG", "TIFF"):
            assert abs(levels(images.decode(encode(deep, form))) - expected).max() <= 1

    def test_colour_of_16_bits(self) -> None:
        """A colour PNG of 16 bits looks like the same in 8 bits; it is made by hand, since Pillow writes none."""
        pixels = np.asarray(colours()).astype(">u2") * 257
        lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
        content = png((40, 30), depth=16, colour=2, data=zlib.compress(lines))
        assert abs(levels(images.decode(content)) - levels(colours())).max() <= 1

    @pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "GIF"])
    def test_one_bit(self, encode: Encode, form: str) -> None:
        """A picture of one bit is black and white, not black and almost black."""
        bits = grey().point(lambda level: 255 * (level > 120)).convert("1")
        assert (levels(images.decode(encode(bits, form))) == levels(bits)[..., None] * 255).all()

    @pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "TIFF"])
    def test_palette(self, encode: Encode, form: str) -> None:
        """The palette's colours come out, not its indices."""
        palette = colours().quantize(64)
        assert abs(levels(images.decode(encode(palette, form))) - levels(palette.convert("RGB"))).max() == 0

    def test_cmyk(self, encode: Encode) -> None:
        """A print shop's JPEG has its colours, and not their negatives."""
        image = Image.new("RGB", (16, 16), (200, 30, 90))
        pixels = levels(images.decode(encode(image.convert("CMYK"), "JPEG", quality=95)))
        assert abs(pixels - (200, 30, 90)).max() <= 12

    @pytest.mark.parametrize(("mode", "opaque"), [("RGBA", (200, 30, 90)), ("LA", (90, 90, 90))], ids=["RGBA", "LA"])
    @pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
    def test_transparency_lies_on_white(self, encode: Encode, mode: str, opaque: tuple[int, ...], form: str) -> None:
        """What is transparent is white, what is half transparent half as bright, whatever colour hides there."""
        image = Image.new("RGBA", (30, 10), (*opaque, 255))
        image.paste((*opaque, 0), (0, 0, 10, 10))
        image.paste((*opaque, 128), (10, 0, 20, 10))
        options = {"lossless": True, "exact": True} if form == "WEBP" else {}
        pixels = levels(images.decode(encode(image.convert(mode), form, **options)))
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
        pixels = levels(images.decode(encode(image, form, transparency=0)))
        assert (pixels[:, :10] == 255).all()
        assert (pixels[:, 10:] == (200, 30, 90)).all()

    @pytest.mark.parametrize(("mode", "transparent"), [("L", 7), ("RGB", (7, 8, 9))])
    def test_transparent_colour_without_alpha(self, encode: Encode, mode: str, transparent: object) -> None:
        """A PNG may name one colour as the transparent one."""
        image = Image.new(mode, (20, 10), 90 if mode == "L" else (200, 30, 90))
        image.paste(transparent, (0, 0, 10, 10))
        pixels = levels(images.decode(encode(image, transparency=transparent)))
        assert (pixels[:, :10] == 255).all()
        assert (pixels[:, 10:] == ((90,) * 3 if mode == "L" else (200, 30, 90))).all()

    @pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
    def test_first_frame(self, encode: Encode, form: str) -> None:
        """Of several frames the first is seen."""
        first, second = Image.new("RGB", (20, 10), (250, 0, 0)), Image.new("RGB", (20, 10), (0, 0, 250))
        pixels = levels(images.decode(encode(first, form, save_all=True, append_images=[second])))
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
        image = images.decode(encode(stored, form, exif=exif, **({"quality": 95} if form != "TIFF" else {})))
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
            images.decode(content[: int(len(content) * share)])

    @pytest.mark.parametrize("name", FORMS)
    def test_truncated_whatever_others_say(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """GluonCV makes Pillow fill up cut pictures, in the whole process; that changes nothing here."""
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        content = file_of(name)
        with pytest.raises(UnreadablePicture):
            images.decode(content[: len(content) // 2])

    @pytest.mark.parametrize(
        "content", [b"", b"\0" * 1000, b"<svg/>", b"\xff\xd8\xff", b"GIF89a", b"\x89PNG\r\n\x1a\n"]
    )
    def test_no_picture(self, content: bytes) -> None:
        """The message says how many bytes came, what they should be and what to do."""
        with pytest.raises(UnreadablePicture) as caught:
            images.decode(content)
        assert caught.value.what == "The picture cannot be read"
        assert caught.value.why.startswith(f"{len(content)} bytes are not a whole picture")
        assert " at 0x" not in caught.value.why
        assert caught.value.do

    @given(st.binary(max_size=200))
    def test_any_bytes(self, content: bytes) -> None:
        """Bytes at random are refused."""
        with pytest.raises(UnreadablePicture):
            images.decode(content)

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
            images.decode(png((30_000, 30_000), data=zlib.compress(bytes(1000))))

    @pytest.mark.parametrize("disposal", range(4))
    def test_bomb_in_a_frame(self, disposal: int) -> None:
        """A GIF of 60 bytes whose frame is of 4 gigapixels is refused before memory is taken for it."""
        code = (
            "import sys; from sagemaker_gluoncv_container import errors, images\n"
            "try: images.decode(sys.stdin.buffer.read())\n"
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
            images.decode(png((10_000, 10_001)))
        line = png((200_000, 1), data=zlib.compress(bytes(200_001)))
        assert images.decode(line).size == (200_000, 1)


def decodes_or_refuses(content: bytes) -> None:
    """Fail unless the bytes are refused as unreadable or become an RGB picture that evaluation takes."""
    try:
        image = images.decode(content)
    except UnreadablePicture:
        return
    assert image.mode == "RGB"
    assert images.for_evaluation(image, SQUARE).shape == (32, 32, 3)


class TestEvaluation:
    """The centre of the picture, as any other framework would cut it."""

    @pytest.mark.parametrize("size", [(300, 200), (200, 300), (256, 256), (1000, 260), (90, 70)])
    @pytest.mark.parametrize("preprocessing", [Preprocessing(224, 224, 256), Preprocessing(64, 96, 100)])
    def test_equals_resize_and_crop(self, size: tuple[int, int], preprocessing: Preprocessing) -> None:
        """It is the shortest side scaled to `resize`, then the middle cut out, done in one step."""
        picture = colours(*size)
        scale = preprocessing.resize / min(size)
        scaled = picture.resize([round(side * scale) for side in size], Image.Resampling.BILINEAR)
        left, top = (scaled.width - preprocessing.width) / 2, (scaled.height - preprocessing.height) / 2
        plain = scaled.crop((int(left), int(top), int(left) + preprocessing.width, int(top) + preprocessing.height))
        found = images.for_evaluation(picture, preprocessing)
        difference = abs(found.astype(int) - levels(plain))
        assert difference.mean() < 1
        assert difference.max() <= 4

    def test_no_change_where_none_is_needed(self) -> None:
        """A picture of the right size comes pixel by pixel."""
        assert (images.for_evaluation(colours(32, 32), Preprocessing(32, 32, 32)) == np.asarray(colours(32, 32))).all()

    def test_height_and_width_keep_their_order(self) -> None:
        """The result is (height, width, channels), uint8."""
        pixels = images.for_evaluation(colours(), Preprocessing(height=48, width=64, resize=70))
        assert (pixels.shape, pixels.dtype) == ((48, 64, 3), np.uint8)

    @pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3), (100_000, 1)])
    def test_extreme_sizes(self, size: tuple[int, int]) -> None:
        """The oddest shapes are pictures too, and a flat one stays flat."""
        pixels = images.for_evaluation(Image.new("RGB", size, (9, 99, 199)), Preprocessing(224, 224, 256))
        assert pixels.shape == (224, 224, 3)
        assert (pixels == (9, 99, 199)).all()

    @given(
        st.tuples(st.integers(1, 700), st.integers(1, 700)),
        st.integers(32, 300),
        st.integers(32, 300),
        st.integers(0, 40),
    )
    @example((55, 55), 224, 224, 0)
    @example((95, 300), 224, 224, 0)
    @example((300, 97), 224, 224, 0)
    def test_any_size(self, size: tuple[int, int], height: int, width: int, more: int) -> None:
        """Every size of picture fits every preprocessing, also one that leaves no room around the crop."""
        pixels = images.for_evaluation(Image.new("RGB", size), Preprocessing(height, width, max(height, width) + more))
        assert pixels.shape == (height, width, 3)

    @pytest.mark.parametrize(("width", "height"), [(1600, 1200), (1203, 1807), (900, 600)])
    @pytest.mark.parametrize("resize", [36, 100, None])
    def test_a_reduced_jpeg(self, encode: Encode, width: int, height: int, resize: int | None) -> None:
        """A large JPEG that is decoded smaller gives the same view: 1 of 255 apart on average, 10 at most."""
        noise = np.random.default_rng(0).integers(-30, 30, (height // 4, width // 4, 3))
        rough = Image.fromarray((levels(colours(width // 4, height // 4)) + noise).clip(0, 255).astype(np.uint8))
        data = encode(rough.resize((width, height), Image.Resampling.BICUBIC), "JPEG", quality=92)
        preprocessing = Preprocessing(32, 32, resize)
        reduced = images.decode(data, preprocessing.decoded_side)
        assert min(reduced.size) < min(width, height)
        whole = images.for_evaluation(images.decode(data), preprocessing).astype(int)
        difference = np.abs(images.for_evaluation(reduced, preprocessing) - whole)
        assert difference.mean() < 1
        assert difference.max() <= 10

    def test_a_small_jpeg_is_not_reduced(self, encode: Encode) -> None:
        """One that is less than four times as large as what is needed is decoded as it is."""
        data = encode(colours(200, 143), "JPEG")
        assert images.decode(data, SQUARE.decoded_side).size == (200, 143)


def views(image: Image.Image, preprocessing: Preprocessing, augmentation: str | None, count: int) -> np.ndarray:
    """Return training views for the seeds from 0."""
    seeds = map(np.random.default_rng, range(count))
    return np.stack([images.for_training(image, preprocessing, augmentation, seed) for seed in seeds]).astype(int)


class TestTraining:
    """What each kind of augmentation does, and how far it goes."""

    @pytest.mark.parametrize("augmentation", [None, *AUGMENTATIONS])
    def test_shape(self, augmentation: str | None) -> None:
        """Every view is (height, width, channels), uint8, like evaluation's."""
        view = images.for_training(colours(), Preprocessing(48, 64, 70), augmentation, np.random.default_rng(0))
        assert (view.shape, view.dtype) == ((48, 64, 3), np.uint8)

    @pytest.mark.parametrize("augmentation", AUGMENTATIONS)
    def test_seed_decides(self, augmentation: str) -> None:
        """The same seed gives the same view, another one another."""
        first, second = (views(colours(), SQUARE, augmentation, 20) for _ in range(2))
        assert (first == second).all()
        assert len(np.unique(first, axis=0)) == 20

    def test_none_is_the_evaluation_view(self) -> None:
        """Without augmentation, training sees what evaluation sees."""
        view = images.for_training(colours(), SQUARE, None, np.random.default_rng(0))
        assert (view == images.for_evaluation(colours(), SQUARE)).all()

    @pytest.mark.parametrize("augmentation", AUGMENTATIONS)
    @pytest.mark.parametrize("size", [(1, 1), (1, 5000), (55, 95), (700, 3)])
    def test_extreme_sizes(self, augmentation: str, size: tuple[int, int]) -> None:
        """Augmentation takes the pictures that evaluation takes, also without room around the crop."""
        assert views(Image.new("RGB", size), Preprocessing(224, 224, 224), augmentation, 5).shape == (5, 224, 224, 3)

    def test_crop_and_mirror(self) -> None:
        """A crop lies anywhere in the picture, and every other one is mirrored."""
        # One level a pixel: a pixel's colour is its place, and its slope the direction.
        y, x = np.mgrid[0:100, 0:200]
        picture = Image.fromarray(np.stack([x, y, 0 * x], 2).astype(np.uint8))
        found = views(picture, Preprocessing(40, 60, 100), "crop", 200)
        across = np.diff(found[..., 0], axis=2).sum(2) / 59
        assert set(np.unique(abs(across).round())) == {1}
        mirrored = (across < 0).all(1)
        assert ((across > 0).all(1) | mirrored).all()
        assert 70 <= mirrored.sum() <= 130
        assert (abs(np.diff(found[..., 1], axis=1).sum(1) / 39 - 1) < 0.05).all()
        left, top = found[..., 0].min((1, 2)), found[..., 1].min((1, 2))
        assert left.min() <= 10
        assert left.max() >= 130
        assert top.min() <= 5
        assert top.max() >= 55

    def test_colours_shift_within_their_bounds(self) -> None:
        """Hue moves by up to 36 degrees, saturation and lightness by up to 50 levels, one amount for a picture."""
        picture = Image.new("HSV", (40, 40), (100, 128, 128)).convert("RGB")
        start = np.asarray(picture.convert("HSV")).astype(int)[0, 0]
        found = views(picture, SQUARE, "crop_color", 300)
        assert (found == found[:, :1, :1]).all()
        flat = Image.fromarray(found[:, 0, :1].astype(np.uint8)).convert("HSV")
        shifts = np.asarray(flat).astype(int)[:, 0] - start
        # A level for the way through RGB and back, which is coarser where colours are pale.
        for shift, bound in zip(shifts.T, (36 / 360 * 256, 50, 50), strict=True):
            assert abs(shift).max() <= bound + 4
            assert shift.min() < -0.8 * bound
            assert shift.max() > 0.8 * bound
        # Each by an amount of its own.
        assert abs(np.corrcoef(shifts.T) - np.eye(3)).max() < 0.3

    def test_hue_is_a_circle(self) -> None:
        """Red turns to orange and to pink, never to green or blue."""
        found = views(Image.new("RGB", (40, 40), (255, 0, 0)), SQUARE, "crop_color", 200)[:, 0, 0]
        assert (found[:, 0] >= found[:, 1:].max(1)).all()
        assert (found[:, 1] > found[:, 2]).any()
        assert (found[:, 2] > found[:, 1]).any()

    def test_colour_leaves_the_geometry(self) -> None:
        """The same seed cuts and mirrors alike, with colour and without."""
        picture = grey(80, 60)
        plain, coloured = (views(picture.convert("RGB"), SQUARE, kind, 30) for kind in ("crop", "crop_color"))
        difference = coloured - plain
        # A shift that is not clipped is the same at every pixel.
        inside = (coloured > 0).all((1, 2, 3)) & (coloured < 255).all((1, 2, 3))
        assert inside.any()
        assert all(np.ptp(each.max(-1)) <= 1 for each in difference[inside])

    def test_transform_turns_and_shears_a_little(self) -> None:
        """An upright line leans either way by at most 10 degrees and the shear, about the middle."""
        pixels = np.full((101, 101, 3), 255, np.uint8)
        pixels[:, 47:54] = 0
        found = views(Image.fromarray(pixels), Preprocessing(101, 101, 101), "crop_color_transform", 200).max(-1)
        # Black stays under 64 levels whatever its lightness, and the grey from outside stays over it.
        top, middle, bottom = (
            np.array([np.nonzero(view[row] < 64)[0].mean() for view in found]) for row in (20, 50, 80)
        )
        lean = (bottom - top) / 60
        assert abs(middle - 50).max() <= 1
        # tan(10 degrees) + 0.1, times the stretch, and rounding.
        assert abs(lean).max() <= (np.tan(np.deg2rad(10)) + 0.1) * 1.25 + 1 / 60
        assert lean.max() > 0.15
        assert lean.min() < -0.15

    def test_transform_shears(self) -> None:
        """A cross loses its right angle by more than stretching could do, and by less than 0.1 and that together."""
        pixels = np.full((101, 101, 3), 255, np.uint8)
        pixels[:, 47:54] = pixels[47:54] = 0
        found = views(Image.fromarray(pixels), Preprocessing(101, 101, 101), "crop_color_transform", 200).max(-1) < 64

        def slope(lines: np.ndarray) -> float:
            """Return how far a line that should go along the first axis leans, between its 20th and 80th place."""
            first, last = (np.nonzero(lines[place])[0].mean() for place in (20, 80))
            return float(last - first) / 60

        skew = [np.rad2deg(np.arctan(slope(view)) + np.arctan(slope(view.T))) for view in found]
        assert 6 < max(map(abs, skew)) < 12

    def test_transform_shows_grey_from_outside(self) -> None:
        """Where a turned picture ends there is grey, neither black nor a colour."""
        white = Image.new("RGB", (101, 101), (255, 255, 255))
        whole, turned = (
            views(white, Preprocessing(101, 101, 101), kind, 100)[:, [0, 0, -1, -1], [0, -1, 0, -1]]
            for kind in ("crop_color", "crop_color_transform")
        )
        assert whole.max(-1).min() >= 255 - 50
        outside = turned.max(-1).min(1)
        assert (outside < 200).mean() > 0.5
        assert outside.min() >= 127 - 50 - 1

    def test_transform_changes_the_aspect_within_bounds(self) -> None:
        """A disc becomes an ellipse whose axes differ by a quarter at most, and the shear."""
        y, x = np.mgrid[-50:51, -50:51]
        pixels = np.where((x**2 + y**2 < 30**2)[..., None], 255, 0).astype(np.uint8).repeat(3, 2)
        found = views(Image.fromarray(pixels), Preprocessing(101, 101, 101), "crop_color_transform", 200)
        ratios = []
        for view in found:
            disc = view.max(-1) > 190
            disc[:20] = disc[-20:] = False
            rows, columns = np.nonzero(disc)
            if len(rows):
                ratios.append(np.std(columns) / np.std(rows))
        assert len(ratios) > 100
        assert max(ratios) <= 1.25 * 1.15
        assert min(ratios) >= 0.75 / 1.15
        assert max(ratios) > 1.1
        assert min(ratios) < 0.9
