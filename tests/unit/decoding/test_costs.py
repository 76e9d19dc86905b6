"""The estimate of the memory that decoding takes, against what it does take."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Encode = Callable[..., bytes]
WIDTH, HEIGHT = 3000, 2000
# Decodes a file in a process of its own; prints the estimate and the growth of the most memory it ever had, bytes.
MEASURE = """
import contextlib, sys
import numpy
from sagemaker_gluoncv_container.decoding import picture

@contextlib.contextmanager
def taking(cost, name, deadline):
    print(cost)
    yield

def kilobytes(name):
    return int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1])

picture.taking = taking
data = sys.stdin.buffer.read()
open("/proc/self/clear_refs", "w").write("5")
before = kilobytes("VmRSS")
image = picture.decode(data, int(sys.argv[1]) or None)
print(1024 * (kilobytes("VmHWM") - before))
"""


def drawn(mode: str) -> Image.Image:
    """Return a picture of 6 megapixels with some noise."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    if mode == "I;16":
        return Image.fromarray((x * 20).astype(np.uint16))
    if mode == "F":
        return Image.fromarray((x / WIDTH).astype(np.float32))
    noise = np.random.default_rng(0).integers(0, 9, (HEIGHT, WIDTH), np.uint8)
    image = Image.fromarray(np.stack([x * 240 // WIDTH + noise, y * 240 // HEIGHT, (x + y) % 256], 2).astype(np.uint8))
    if mode == "RGBA":
        image.putalpha(image.convert("L"))
    return image.convert(mode)


ORIENTATION_6 = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
KINDS = {
    "JPEG": ("RGB", "JPEG", {}),
    "JPEG, progressive": ("RGB", "JPEG", {"progressive": True, "subsampling": 0}),
    "JPEG, CMYK": ("CMYK", "JPEG", {}),
    "JPEG, turned": (
        "RGB",
        "JPEG",
        {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"},
    ),
    "PNG": ("RGB", "PNG", {"compress_level": 1}),
    "PNG, transparent": ("RGBA", "PNG", {"compress_level": 1}),
    "PNG, 16 bits": ("I;16", "PNG", {"compress_level": 1}),
    "PNG, palette": ("P", "PNG", {"compress_level": 1}),
    "PNG, grey and transparent": ("LA", "PNG", {"compress_level": 1}),
    "WebP": ("RGB", "WEBP", {"method": 0}),
    "WebP, transparent": ("RGBA", "WEBP", {"method": 0}),
    "WebP, lossless": ("RGB", "WEBP", {"lossless": True, "quality": 0, "method": 0}),
    "GIF": ("P", "GIF", {}),
    "BMP": ("RGB", "BMP", {}),
    "TIFF": ("RGB", "TIFF", {}),
    "TIFF, many strips": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "TIFF, one strip": ("RGB", "TIFF", {"compression": "tiff_adobe_deflate", "tiffinfo": {278: HEIGHT}}),
    "TIFF, float": ("F", "TIFF", {}),
    "AVIF": ("RGB", "AVIF", {"speed": 10}),
    "AVIF, transparent": ("RGBA", "AVIF", {"speed": 10, "subsampling": "4:4:4"}),
}


# Of what is no JPEG, no picture of so few pixels is scaled down while it is decoded.
@pytest.mark.parametrize(
    ("kind", "side"), [*((kind, 0) for kind in KINDS), *((kind, 448) for kind in KINDS if KINDS[kind][1] == "JPEG")]
)
def test_estimate(kind: str, side: int, encode: Encode) -> None:
    """No kind of picture takes more memory than was estimated from its header, and the estimate is no guess."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the kernel does not tell the most memory a process had")
    mode, form, options = KINDS[kind]
    command = [sys.executable, "-c", MEASURE, str(side)]
    done = subprocess.run(command, input=encode(drawn(mode), form, **options), stdout=subprocess.PIPE, check=True)
    estimated, taken = map(int, done.stdout.split())
    assert taken <= estimated
    assert estimated <= 5 * taken + (32 << 20)
