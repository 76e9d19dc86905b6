"""One picture: fit or not, and which bytes go out."""

import io
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sagemaker_gluoncv_container.decoding.picture import decode
from sagemaker_gluoncv_container.preparing.inspecting import inspect
from sagemaker_gluoncv_container.preparing.settings import Settings

SETTINGS = Settings("pictures", Path("out"))


def picture(width: int = 120, height: int = 90, seed: int = 0) -> Image.Image:
    """Return a picture with shapes of every size."""
    grid = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), np.uint8)
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    """Return the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def test_what_needs_nothing_goes_out_as_it_is() -> None:
    """An upright RGB picture under the size is not encoded again."""
    data = encoded(picture())
    for settings in (SETTINGS, replace(SETTINGS, resize=90), replace(SETTINGS, resize=400)):
        seen = inspect(data, "a.jpg", settings)
        assert (seen.reason, seen.encoded, seen.fixes) == (None, None, ())
        assert (seen.width, seen.height, seen.length) == (120, 90, len(data))


def test_resize_is_of_the_shortest_side() -> None:
    """The shortest side gets the size, the other keeps the proportion, also if the picture lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for data, size in ((encoded(picture()), (80, 60)), (encoded(picture(), exif=exif), (60, 80))):
        seen = inspect(data, "a.jpg", replace(SETTINGS, resize=60))
        assert seen.encoded is not None
        assert Image.open(io.BytesIO(seen.encoded)).size == size == (seen.width, seen.height)


def test_a_reduced_decode_is_close_to_a_full_one() -> None:
    """Decoded at a reduced scale, a large photo comes out within a level or two of the full way."""
    data = encoded(picture(2000, 1500), quality=95)
    seen = inspect(data, "a.jpg", replace(SETTINGS, resize=128))
    assert seen.encoded is not None
    whole = decode(data).resize((171, 128), Image.Resampling.BILINEAR)
    difference = np.abs(np.asarray(decode(seen.encoded)).astype(int) - np.asarray(whole).astype(int))
    assert difference.mean() < 2


@pytest.mark.parametrize("scale", [8, 4, 2, 1])
def test_a_cut_picture_is_found_at_every_scale(scale: int) -> None:
    """Decoding less of the pixels still reads all of the bytes."""
    data = encoded(picture(1600, 1200), quality=90)
    settings = replace(SETTINGS, resize=600 // scale)
    assert inspect(data, "a.jpg", settings).reason is None
    for length in (len(data) // 2, len(data) - 200):
        assert inspect(data[:length], "a.jpg", settings).reason == "unreadable"


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"", "a.jpg", "unreadable"),
        (b"<!DOCTYPE html>", "a.jpg", "wrong-type"),
        (b"\0\0\0\x18ftypheic....", "a.jpg", "unsupported"),
        (b"\0\0\0\x18ftypheic....", "a.heic", "unsupported"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a.HEIF", "unsupported"),
        (b"\0\0\0\x18ftypheic....", "", "unsupported"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a.jpg", "unsupported"),
        (b"8BPS\0\1", "a.png", "unsupported"),
        (b"<!DOCTYPE html>", "a.heic", "wrong-type"),
        (b"<!DOCTYPE html>", "", "unreadable"),
        (b"\0\0\0\x18ftypisom....", "a.jpg", "wrong-type"),
        (encoded(picture(40, 31)), "a.jpg", "too-small"),
        (encoded(picture(40, 31))[:-300], "a.jpg", "unreadable"),
    ],
)
def test_what_is_unfit(data: bytes, name: str, reason: str) -> None:
    """Each has its reason; a small broken one is broken."""
    assert inspect(data, name, SETTINGS).reason == reason


def test_lossless_stays_lossless() -> None:
    """A picture of a lossless format that has to be encoded again keeps each pixel; a scaled one is a JPEG."""
    image = picture()
    for form in ("BMP", "GIF", "TIFF"):
        data = encoded(image, form)
        seen = inspect(data, f"a.{form.lower()}", SETTINGS)
        assert seen.encoded is not None
        assert np.array_equal(np.asarray(decode(seen.encoded)), np.asarray(decode(data)))
    seen = inspect(encoded(image, "PNG"), "a.png", replace(SETTINGS, resize=50))
    assert seen.encoded is not None
    assert seen.encoded.startswith(b"\xff\xd8")


def test_the_hash_survives_encoding() -> None:
    """Another quality leaves the hash within the distance, another picture does not."""
    one, again, other = (
        inspect(data, "a.jpg", SETTINGS).phash
        for data in (encoded(picture()), encoded(picture(), quality=40), encoded(picture(seed=9)))
    )
    assert (one ^ again).bit_count() <= 6 < ((one ^ other) & (1 << 64) - 1).bit_count()


def test_hashing_needs_no_wavelets() -> None:
    """ImageHash declares PyWavelets for a hash that is not used here, so the image goes without it."""
    code = (
        "import sys; sys.modules.update(pywt=None);"
        "import imagehash; from PIL import Image; imagehash.phash(Image.new('RGB', (64, 64)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def bmp(width: int, height: int) -> bytes:
    """Return the head of a BMP of a size."""
    data = encoded(Image.new("L", (1, 1)), "BMP")
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (b"", "unreadable", "it is empty"),
        (b"\0" * 500, "unreadable", "it begins like none of the formats that are read"),
        (b"P6 1 1 255 ...", "unsupported", "it is a portable anymap"),
        (b"\0\0\0\x18ftypheic....", "unsupported", "it is HEIC"),
        (b"\0\0\0\x20ftypavif" + b"x" * 90, "unreadable", "AVIF"),
        (encoded(picture(400, 300))[:2000], "unreadable", "JPEG"),
        (encoded(picture(400, 300), "PNG")[:2000], "unreadable", "PNG"),
        (bmp(30_000, 30_000), "too-large", "more than 100,000,000 pixels"),
    ],
    ids=["empty", "zeros", "another format", "HEIC", "cut AVIF", "cut JPEG", "cut PNG", "gigapixels"],
)
def test_reasons_are_true(data: bytes, reason: str, detail: str) -> None:
    """Cut is never called another type, too large never broken; each says what the bytes are."""
    seen = inspect(data, "a.jpg", SETTINGS)
    assert seen.reason == reason
    assert detail in seen.detail
