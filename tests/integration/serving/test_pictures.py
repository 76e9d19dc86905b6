"""Promise: whatever is sent as a picture gets a right answer or a 4xx, never a 5xx, and takes no memory for good."""

import io
import random
import struct
import subprocess
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from draw_pictures import CLASSES, draw
from PIL import Image

from support.model_server import Server, seen_by

MUTATIONS = 2_000
REQUESTS, FIRST_REQUESTS = 20_000, 2_000
GROWTH = 1.05
# Lossless kinds answer as their pixels do; what a lossy one loses moves an answer this far at most.
EXACT, LOSSY = 1e-5, 0.004
ORIENTATION = 0x112


@pytest.fixture(scope="module")
def server(start: Callable[..., Server]) -> Server:
    """Return a server of two workers."""
    return start(2, OMP_NUM_THREADS="1")


def encode(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """Return an image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


PLAIN = Image.open(io.BytesIO(draw("flower", 1))).convert("RGB")
GREY = PLAIN.convert("L")
# Transparent to the left, opaque to the right.
ALPHA = Image.fromarray(np.tile(np.linspace(0, 255, PLAIN.width).astype(np.uint8), (PLAIN.height, 1)))
WHITE = Image.new("RGB", PLAIN.size, "white")
OTHER = Image.open(io.BytesIO(draw("car", 2))).convert("RGB")


def with_alpha(image: Image.Image) -> Image.Image:
    """Return an image, partly transparent."""
    image = image.copy()
    image.putalpha(ALPHA)
    return image


def rotated() -> bytes:
    """Return the picture lying on its side, with an EXIF note that says so."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return encode(PLAIN.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that announces a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


KINDS = {
    "grey": (encode(GREY), GREY, EXACT),
    "grey with alpha": (encode(with_alpha(GREY)), Image.composite(GREY.convert("RGB"), WHITE, ALPHA), LOSSY),
    "RGBA": (encode(with_alpha(PLAIN)), Image.composite(PLAIN, WHITE, ALPHA), LOSSY),
    "CMYK": (encode(PLAIN.convert("CMYK"), "JPEG", quality=95), PLAIN, LOSSY),
    "palette": (encode(PLAIN.quantize(64)), PLAIN.quantize(64).convert("RGB"), EXACT),
    "16-bit PNG": (encode(Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257)), GREY, EXACT),
    "EXIF-rotated": (rotated(), PLAIN, LOSSY),
    "progressive JPEG": (encode(PLAIN, "JPEG", progressive=True, quality=95), PLAIN, LOSSY),
    "animated GIF": (
        encode(PLAIN.quantize(64), "GIF", save_all=True, append_images=[OTHER]),
        PLAIN.quantize(64).convert("RGB"),
        LOSSY,
    ),
    "lossless WebP": (encode(PLAIN, "WEBP", lossless=True), PLAIN, EXACT),
    "WebP": (encode(PLAIN, "WEBP", quality=90), PLAIN, LOSSY),
    "BMP": (encode(PLAIN, "BMP"), PLAIN, EXACT),
    "TIFF": (encode(PLAIN, "TIFF"), PLAIN, EXACT),
    "1 pixel": (encode(Image.new("RGB", (1, 1), "red")), Image.new("RGB", (40, 30), "red"), EXACT),
    "1 x 5,000 pixels": (encode(Image.new("RGB", (1, 5000), "red")), Image.new("RGB", (40, 30), "red"), EXACT),
}
UNREADABLE = {
    "truncated JPEG": draw("flower", 1)[:2000],
    "truncated PNG": encode(PLAIN)[:2000],
    "truncated WebP": encode(PLAIN, "WEBP")[:1000],
    "PNG bomb": png_header(50_000, 50_000),
    "larger than its data": png_header(9_000, 9_000),
    "no pixels": png_header(0, 10),
    "text": b"this is no picture",
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "EPS": encode(PLAIN, "EPS"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(server: Server, kind: str) -> None:
    """Each kind of picture is answered as a plain RGB picture of what it shows."""
    data, shown, tolerance = KINDS[kind]
    expected = server.invoke(encode(shown.convert("RGB"))).json
    reply = server.invoke(data)
    assert reply.status == 200
    assert reply.json == pytest.approx(expected, abs=tolerance)


def test_that_answers_tell_pictures_apart(server: Server) -> None:
    """What the tolerances let pass is far less than what lies between two pictures, or a picture and its negative."""
    answer = np.array(server.invoke(encode(PLAIN)).json)
    for other in (
        OTHER,
        Image.eval(PLAIN, lambda value: 255 - value),
        GREY,
        PLAIN.transpose(Image.Transpose.ROTATE_90),
    ):
        assert abs(answer - server.invoke(encode(other)).json).max() > 5 * LOSSY


@pytest.mark.parametrize("kind", UNREADABLE)
def test_unreadable(server: Server, kind: str) -> None:
    """What is no whole picture, or one too large, gets 415 and the reason, before it can do harm."""
    reply = server.invoke(UNREADABLE[kind])
    assert reply.status == 415
    assert "The picture" in reply.json["error"]


def mutated(pictures: list[bytes], number: int) -> bytes:
    """Return picture `number` of a sequence of damaged ones, the same on every run."""
    pick = random.Random(number)
    data = bytearray(pick.choice(pictures))
    for _ in range(pick.choice([1, 1, 2, 8])):
        # Most of what a decoder can trip over lies in the first bytes.
        at = pick.randrange(min(len(data), pick.choice([40, 400, len(data)])))
        how = pick.randrange(4)
        if how == 0:
            data[at] = pick.randrange(256)
        elif how == 1:
            data[at : at + 4] = pick.choice([bytes(4), b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x01"])
        elif how == 2:
            del data[at : at + pick.randint(1, 30)]
        else:
            data[at:at] = data[: pick.randint(1, 30)]
        data = data or bytearray(b"\0")
    return bytes(data)


def test_mutations(server: Server) -> None:
    """2,000 damaged pictures of every format: 200, 400 or 415, and no worker is lost."""
    small = PLAIN.resize((48, 36))
    pictures = [encode(small, form) for form in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")]
    pictures += [encode(small, "JPEG", progressive=True), rotated(), encode(small, "TIFF", compression="tiff_lzw")]
    pictures += [encode(with_alpha(PLAIN)), encode(small.quantize(8)), encode(small, "TIFF", compression="jpeg")]

    def ask(start: int) -> list[int]:
        connection = server.connect()
        try:
            numbers = range(start, MUTATIONS, 4)
            return [server.invoke(mutated(pictures, number), connection=connection).status for number in numbers]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        statuses = [status for each in pool.map(ask, range(4)) for status in each]
    assert len(statuses) == MUTATIONS
    assert set(statuses) == {200, 415}
    assert server.metrics()["workers_lost_total"] == 0


def test_memory(start: Callable[..., Server], clients: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    """After 20,000 good and bad pictures, front and workers together take at most 5 % more than after 2,000."""
    server = start(2, OMP_NUM_THREADS="1")
    small = PLAIN.resize((48, 36))
    samples = [draw(name, 3) for name in CLASSES]
    samples += [encode(small, form) for form in ("PNG", "GIF", "WEBP", "TIFF", "BMP")]
    samples += [samples[0][:1500], encode(small)[:900], b"no picture", encode(with_alpha(PLAIN).resize((48, 36)))]
    pictures = []
    for number, data in enumerate(samples):
        pictures.append(tmp_path / str(number))
        pictures[-1].write_bytes(data)
    taken = []
    for requests in (FIRST_REQUESTS, REQUESTS - FIRST_REQUESTS):
        seen = seen_by(clients(server, pictures, clients=8, requests=requests))
        assert seen["unanswered"] == []
        assert set(seen["statuses"]) == {"200", "415"}
        assert sum(seen["statuses"].values()) == requests
        taken.append(server.resident_bytes())
    assert taken[1] <= GROWTH * taken[0]
