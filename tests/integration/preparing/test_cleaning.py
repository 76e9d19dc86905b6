"""Every kind of fault, planted into real photos, is found under its reason, and nothing else is."""

import os
import random
import shutil
from collections import defaultdict
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from sagemaker_gluoncv_container.decoding.picture import decode, describe
from support.prepared import Prepare, Prepared, encoded

# One photo of clothing-small is in it twice, encoded twice, under two labels.
KNOWN = {
    "two-labels": {
        "shorts/6075b4a5-5b1a-4ce0-aea0-9dbfbca7c35c.jpg",
        "skirt/637a56e4-7fa6-4f75-8859-0f8902461554.jpg",
    }
}
FAULTS = 60


class Planter:
    """Plants faults into class folders and notes under which reason each file belongs."""

    def __init__(self, folder: Path) -> None:
        pick = random.Random(5)
        known = {name for names in KNOWN.values() for name in names}
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
        self.folder = folder
        self._names = [name for name in pick.sample(names, 200) if name not in known]
        self.left_out: dict[str, set[str]] = defaultdict(set, {key: set(names) for key, names in KNOWN.items()})
        self.fixed: dict[str, set[str]] = defaultdict(set)
        self.faults = 0

    def photo(self) -> tuple[str, bytes, Image.Image]:
        """Return name, bytes and image of a photo that nothing was done to."""
        name = self._names.pop()
        data = (self.folder / name).read_bytes()
        return name, data, decode(data)

    def put(self, name: str, data: bytes, *reasons: str, fixed: bool = False) -> None:
        """Write a file that is to be found under the given reasons."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        self.faults += 1
        for reason in reasons:
            (self.fixed if fixed else self.left_out)[reason].add(name)

    def plant(self) -> None:
        """Plant all of them."""
        self._unreadable()
        self._twins()
        self._odd()

    def _unreadable(self) -> None:
        for number in range(6):
            name, data, _ = self.photo()
            self.put(name, data[: len(data) * (number + 3) // 10], "unreadable")
        for number, data in enumerate((b"", os.urandom(3000), b"\xff\xd8\xff" + os.urandom(500), b"\x89PNG\r\n\x1a\n")):
            self.put(f"hat/broken-{number}.jpg", data, "unreadable")
        pages = (b"<!DOCTYPE html><title>404</title>", b"  <html></html>", b"%PDF-1.4 ...", b"PK\x03\x04....")
        for number, data in enumerate(pages):
            self.put(f"shoes/page-{number}.jpg", data, "wrong-type")
        for side in (1, 8, 16, 20, 31):
            name, _, image = self.photo()
            self.put(f"dress/small-{side}.jpg", encoded(image.resize((side, side * 2))), "too-small")

    def _twins(self) -> None:
        for number in range(7):
            name, data, _ = self.photo()
            self.put(f"{Path(name).parent}/zz-copy-{number}.jpg", data, "exact-duplicate")
        changes = (
            lambda image: encoded(image, quality=40),
            lambda image: encoded(image.resize((image.width // 2, image.height // 2)), quality=85),
            lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.1), quality=85),
            lambda image: encoded(ImageEnhance.Contrast(image).enhance(1.1), quality=80),
            lambda image: encoded(image.resize((image.width - 8, image.height - 8)), quality=70),
            lambda image: encoded(image, "PNG"),
            lambda image: encoded(image, "WEBP", quality=70),
        )
        for number, change in enumerate(changes):
            name, _, image = self.photo()
            suffix = {5: ".png", 6: ".webp"}.get(number, ".jpg")
            self.put(f"{Path(name).parent}/zz-near-{number}{suffix}", change(image), "near-duplicate")
        for number in range(6):
            name, data, image = self.photo()
            other = "pants" if not name.startswith("pants") else "hat"
            self.put(f"{other}/two-{number}.jpg", data if number < 4 else encoded(image, quality=60), "two-labels")
            self.left_out["two-labels"].add(name)

    def _odd(self) -> None:
        _, data, _ = self.photo()
        name, _, image = self.photo()
        self.put("scarf/only.jpg", encoded(image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)), "class-too-small")
        self.put("stray.jpg", data, "unlabelled")
        for name in ("README.md", "hat/notes.txt", "shoes/.DS_Store"):
            self.put(name, b"notes", "other-file")
        for orientation in (2, 3, 6, 8):
            name, _, image = self.photo()
            exif = Image.Exif()
            exif[0x0112] = orientation
            self.put(name, encoded(image, exif=exif, quality=95), "turned", fixed=True)
        for mode, form in (("CMYK", "JPEG"), ("L", "JPEG"), ("RGBA", "PNG"), ("P", "PNG"), ("L", "PNG"), ("1", "PNG")):
            name, _, image = self.photo()
            # The name says JPEG, and it is a PNG: that is fixed too, and both are reported.
            reasons = ("converted", "wrong-type") if form == "PNG" else ("converted",)
            self.put(name, encoded(image.convert(mode), form), *reasons, fixed=True)
        for form in ("GIF", "BMP", "TIFF"):
            name, _, image = self.photo()
            self.put(name, encoded(image, form), "converted", "wrong-type", fixed=True)
        name, _, image = self.photo()
        self.put(name, encoded(image, "PNG"), "wrong-type", fixed=True)
        name, _, image = self.photo()
        self.put(name, encoded(image, "WEBP", quality=90), "wrong-type", "converted", fixed=True)
        name, _, image = self.photo()
        self.put(name, encoded(image, "PNG"), "wrong-type", fixed=True)


@pytest.fixture(scope="module")
def planted(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Planter:
    """Return a copy of the photos with faults."""
    folder = tmp_path_factory.mktemp("planted") / "photos"
    shutil.copytree(photos / "train", folder)
    planter = Planter(folder)
    planter.plant()
    return planter


def test_every_fault_is_found_and_nothing_else(planted: Planter, prepare: Prepare, tmp_path: Path) -> None:
    """All planted faults are reported under their reasons, nothing else is, and what is packed equals what went in."""
    assert planted.faults >= FAULTS
    prepared = prepare(planted.folder)
    assert prepared.left_out() == planted.left_out
    assert prepared.fixed() == planted.fixed
    check_labels_and_pixels(prepared, planted)
    check_mxnets_iterator(prepared)


def check_labels_and_pixels(prepared: Prepared, planted: Planter) -> None:
    """Each record has its class, and its bytes, or if it was fixed its pixels."""
    records = prepared.records()
    names = {path.relative_to(planted.folder).as_posix() for path in planted.folder.rglob("*") if path.is_file()}
    assert {packed.name for packed in records} == names - set().union(*planted.left_out.values())
    assert len(records) == len({packed.name for packed in records}) == prepared.report["kept"]
    changed = planted.fixed["turned"] | planted.fixed["converted"]
    for packed in records:
        source = (planted.folder / packed.name).read_bytes()
        assert prepared.classes[int(packed.labels[0])] == Path(packed.name).parts[0]
        if packed.name not in changed:
            assert packed.data == source, packed.name
            continue
        given, wanted = (np.asarray(decode(data)).astype(int) for data in (packed.data, source))
        assert given.shape == wanted.shape
        assert describe(packed.data).orientation == 1
        assert np.abs(given - wanted).mean() < (0.01 if packed.data.startswith(b"\x89PNG") else 2.5), packed.name


def check_mxnets_iterator(prepared: Prepared) -> None:
    """ImageRecordIter, which ends an epoch at a picture it cannot decode, gets through every file."""
    for path in sorted(prepared.out.glob("*/*.rec")):
        reader = mx.io.ImageRecordIter(
            path_imgrec=str(path), data_shape=(3, 32, 32), resize=32, batch_size=1, preprocess_threads=1
        )
        lines = path.with_suffix(".lst").read_text().splitlines()
        labels = [int(batch.label[0].asscalar()) for batch in reader]
        assert labels == [int(line.split("\t")[1]) for line in lines]
