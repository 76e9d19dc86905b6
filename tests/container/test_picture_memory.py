"""Whatever pictures come, and however many at once, no worker is killed for memory, however little there is."""

import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests
from PIL import Image

from support.containers import Job, Server, serving

# Just under what is refused for its pixels alone.
LARGEST = (11_000, 9_000)
# The kernel counts whom it killed in one of these, by the version of its control groups.
KILLED = "cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null || true"
ORIENTATION_6 = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


def file(image: Image.Image, form: str, **options: object) -> bytes:
    """Return a picture as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def pictures() -> Mapping[str, bytes]:
    """Return pictures of few bytes that take much memory to decode, of every kind that there is."""
    rgb, rgba = Image.new("RGB", LARGEST, (200, 30, 90)), Image.new("RGBA", LARGEST, (200, 30, 90, 128))
    frames = [Image.new("RGB", (9_000, 9_000), (shade, 30, 90)) for shade in (10, 200)]
    return {
        "WebP": file(Image.new("RGB", (16_000, 6_000), (200, 30, 90)), "WEBP", method=0),
        "WebP, transparent": file(Image.new("RGBA", (9_000, 9_000), (9, 9, 9, 99)), "WEBP", lossless=True, method=0),
        "WebP, animated": file(frames[0], "WEBP", save_all=True, append_images=frames[1:], method=0),
        "PNG": file(rgb, "PNG", compress_level=1),
        "PNG, transparent": file(rgba, "PNG", compress_level=1),
        "PNG, 16 bits": file(Image.fromarray(np.full((9_000, 11_000), 40_000, np.uint16)), "PNG", compress_level=1),
        "PNG, palette": file(rgb.quantize(4), "PNG", compress_level=1),
        "PNG, grey, transparent and turned": file(rgba.convert("LA"), "PNG", compress_level=1, exif=ORIENTATION_6),
        "GIF, animated": file(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "JPEG": file(rgb, "JPEG"),
        "JPEG, progressive": file(rgb, "JPEG", progressive=True, subsampling=0),
        "JPEG, CMYK and turned": file(rgb.convert("CMYK"), "JPEG", exif=ORIENTATION_6),
        "TIFF, many strips": file(rgb, "TIFF", compression="tiff_lzw"),
        "TIFF, one strip": file(rgba, "TIFF", compression="tiff_adobe_deflate", tiffinfo={278: LARGEST[1]}),
        "AVIF": file(Image.new("RGB", (8_000, 6_000), (200, 30, 90)), "AVIF", speed=10),
    }


def ask_for_all(server: Server, pictures: Mapping[str, bytes]) -> dict[str, set[int]]:
    """Ask for each picture four times, four at once, among ordinary ones; return the statuses by name."""
    asked = [name for name in pictures for _ in range(4)]

    def ask(name: str) -> tuple[str, requests.Response]:
        return name, server.ask(pictures[name])

    found: dict[str, set[int]] = {name: set() for name in pictures}
    with ThreadPoolExecutor(4) as pool:
        for name, reply in pool.map(ask, asked):
            found[name].add(reply.status_code)
            if reply.status_code == 415:
                assert (
                    "The picture is too large for the memory of this container. To decode its " in reply.json()["error"]
                )
    return found


@pytest.mark.parametrize("memory", ["512m", "1g"])
def test_no_worker_is_killed(memory: str, trained: Job, flower: bytes, pictures: Mapping[str, bytes]) -> None:
    """Each picture is answered, refused as too large, or put off; and ordinary ones are answered as before."""
    with serving(trained.model, "--memory", memory, "--memory-swap", memory) as server:
        before = server.ask(flower).json()
        statuses = ask_for_all(server, pictures)
        assert "oom_kill 0" in server.container.execute("sh", "-c", KILLED).splitlines()
        assert set().union(*statuses.values()) <= {200, 415, 503}
        # What the decoder scales down, and what is stored as it is seen, needs no gigabyte.
        assert statuses["JPEG"] == {200}
        assert server.ask(flower).json() == before
        lost = requests.get(f"{server.url}/metrics", timeout=10).text
        assert "sagemaker_gluoncv_workers_lost_total 0.0" in lost
