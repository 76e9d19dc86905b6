"""Pictures that cannot be read are skipped, counted and named; odd ones are read."""

import io
import logging
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sagemaker_gluoncv_container.data.batches import SkippedPictures
from sagemaker_gluoncv_container.errors import ClientError

COUNT = 200


def _encoded(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def _planted(whole: bytes) -> dict[str, bytes]:
    """Return odd pictures by what they are, and what are none."""
    image = Image.open(io.BytesIO(whole))
    deep = np.arange(48 * 40, dtype=np.uint16).reshape(40, 48) * 30
    # A JPEG of which the tables are overwritten.
    corrupt = whole[:20] + bytes(300) + whole[320:]
    return {
        "corrupt": corrupt,
        "cut": whole[: len(whole) // 2],
        "cmyk": _encoded(image.convert("CMYK"), "JPEG"),
        "16-bit": _encoded(Image.fromarray(deep), "PNG"),
        "rgba": _encoded(image.convert("RGBA"), "PNG"),
        "1-pixel": _encoded(Image.new("RGB", (1, 1), (9, 99, 200)), "JPEG"),
        "text": b"This is not a picture, whatever its name says.\n",
    }


UNREADABLE = ("corrupt", "cut", "text")


@pytest.fixture(params=["rec", "folders", "lst"])
def planted(request: Any, job: Any, draw_pictures: Any) -> Any:
    """Return a train channel of 200 pictures with 7 odd ones among them, and the names of those that are none."""
    drawn = draw_pictures(COUNT)
    places = {}
    for number, (kind, data) in enumerate(_planted(drawn[0].data).items()):
        place = places[kind] = 11 + 27 * number
        drawn[place] = type(drawn[0])(drawn[place].label, drawn[place].kind, data)
    write = {"rec": job.write_rec, "folders": job.write_folders, "lst": job.write_list}[request.param]
    write("train", drawn)
    write("validation", draw_pictures(4, 1000))
    name = {
        "rec": lambda place: f"train/part-0.rec record {place}",
        "folders": lambda place: f"train/{drawn[place].kind}/{place:03}.jpg",
        "lst": lambda place: f"train/{place % 3}/{place}.jpg",
    }[request.param]
    return job.read()[0].train, {name(places[kind]) for kind in UNREADABLE}


def test_exactly_the_unreadable_are_skipped(planted: Any, make_batches: Any, caplog: Any) -> None:
    """Of seven planted pictures the three that are none are skipped, logged and named, once in two epochs."""
    train, names = planted
    skipped = SkippedPictures(max_bad_fraction=0.02)
    with caplog.at_level(logging.WARNING):
        for epoch in (0, 1):
            batches = list(make_batches(train, 32, augmented=True, skipped=skipped).epoch(epoch))
            assert sum(len(batch.labels) for batch in batches) == COUNT - 3
            seen = [name for batch in batches for name in batch.names]
            assert len(set(seen)) == len(seen)
            assert not names & set(seen)
            for batch in batches:
                assert len(batch.names) == len(batch.labels) == len(batch.pixels)
    assert set(skipped.reasons) == names
    assert all("not a whole picture" in reason for reason in skipped.reasons.values())
    assert len(caplog.records) == 3
    assert all(any(name in record.getMessage() for record in caplog.records) for name in names)


def test_too_many_are_an_error(planted: Any, make_batches: Any) -> None:
    """Over max_bad_fraction, by default 1 %, the job ends with an error that names them."""
    train, names = planted
    with pytest.raises(
        ClientError, match="3 of 200 pictures cannot be read, more than max_bad_fraction, 0.01"
    ) as error:
        list(make_batches(train, 32, skipped=SkippedPictures()).epoch(0))
    assert all(name in str(error.value) for name in names)


def test_a_batch_of_bad_pictures_is_passed_over(job: Any, draw_pictures: Any, make_batches: Any) -> None:
    """A batch in which nothing is left does not come, and the number of the next one tells so."""
    drawn = draw_pictures(12)
    for place in range(4, 8):
        drawn[place] = type(drawn[0])(0, "bird", b"no picture")
    job.write_rec("train", drawn)
    job.write_rec("validation", drawn)
    batches = make_batches(job.read(num_classes=4)[0].train, 4, skipped=SkippedPictures(0.5))
    assert [(batch.number, len(batch.names)) for batch in batches.epoch(0)] == [(0, 4), (2, 4)]
    assert [batch.number for batch in batches.epoch(0, first=2)] == [2]
