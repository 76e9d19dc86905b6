"""data.batches: every picture once, in an order that a seed decides, and nothing left behind."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sagemaker_gluoncv_container.arrays import Pixels
from sagemaker_gluoncv_container.data import record_files
from sagemaker_gluoncv_container.data.batches import Batches, SkippedPictures, View
from sagemaker_gluoncv_container.data.record_files import Record
from sagemaker_gluoncv_container.data.recordio import Writer
from sagemaker_gluoncv_container.data.samples import RecordSample, Stored
from sagemaker_gluoncv_container.errors import ClientError

COUNT = 23


def plain(image: Image.Image, _: np.random.Generator) -> Pixels:
    """Return the pixels as they are."""
    return np.asarray(image)


def noisy(image: Image.Image, random: np.random.Generator) -> Pixels:
    """Return the pixels with something drawn at random."""
    return np.asarray(image) ^ random.integers(0, 256, dtype=np.uint8)


@pytest.fixture
def records(tmp_path: Path, write_channel: Callable[..., None]) -> list[Record]:
    """Return 23 pictures in two files, labelled by their number modulo 5."""
    labels = [float(number % 5) for number in range(COUNT)]
    write_channel(tmp_path, labels[:9], name="a")
    write_channel(tmp_path, labels[9:], name="b")
    return [record for name in ("a.rec", "b.rec") for record in record_files.scan(tmp_path / name)]


def batches(
    records: Sequence[Record],
    view: View = plain,
    size: int = 4,
    threads: int = 3,
    shuffle: bool = True,
    seed: int = 0,
    skipped: SkippedPictures | None = None,
) -> Batches:
    """Return batches with settings that matter little."""
    channel = Stored([RecordSample(record.name, record.labels, record) for record in records])
    return Batches(channel, view, size, threads, seed, shuffle, skipped)


def colours(records: Sequence[Record], pixels: np.ndarray) -> list[int]:
    """Return which pictures these are: number n of a file has the colour (n, 7 n % 256, 255 - n)."""
    assert (pixels == pixels[:, :, :1, :1]).all()
    assert (pixels[:, 0] + pixels[:, 2] == 255).all()
    assert (pixels[:, 1] == 7 * pixels[:, 0] % 256).all()
    return [int(each) for each in pixels[:, 0, 0, 0]]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("size", "sizes"), [(4, [4] * 5 + [3]), (23, [23]), (30, [23]), (1, [1] * 23), (22, [22, 1])])
def test_every_picture_once(records: list[Record], shuffle: bool, size: int, sizes: list[int]) -> None:
    """An epoch has each picture exactly once with its own label, and the last batch is what is left."""
    source = batches(records, size=size, shuffle=shuffle)
    for epoch in (0, 1):
        found = list(source.epoch(epoch))
        assert [len(labels) for _, labels, *_ in found] == sizes
        assert len(source) == len(sizes)
        pairs = [pair for pixels, labels, *_ in found for pair in zip(colours(records, pixels), labels, strict=True)]
        assert sorted(pairs) == sorted((record.number, record.labels[0]) for record in records)


def test_what_a_batch_is(records: list[Record]) -> None:
    """A batch is float32 (n, 3, height, width) from 0 to 255, contiguous, and float32 (n,)."""
    pixels, labels, names, number = next(batches(records).epoch(0))
    assert (pixels.shape, pixels.dtype, pixels.flags.c_contiguous) == ((4, 3, 10, 12), np.float32, True)
    assert (labels.shape, labels.dtype) == ((4,), np.float32)
    assert (len(names), number) == (4, 0)


def test_height_and_width_keep_their_order(tmp_path: Path) -> None:
    """A pixel lies where it lay in the picture, its channels in the order red, green, blue."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with Writer(tmp_path / "a.rec") as writer:
        writer.write((0.0,), (tmp_path / "a.png").read_bytes())
    ((found, *_),) = batches(record_files.scan(tmp_path / "a.rec")).epoch(0)
    assert (found[0] == pixels.transpose(2, 0, 1)).all()


def test_order_without_shuffle(records: list[Record]) -> None:
    """Validation goes through the records as they lie, in every epoch."""
    source = batches(records, shuffle=False)
    for epoch in (0, 3):
        found = [number for pixels, *_ in source.epoch(epoch) for number in colours(records, pixels)]
        assert found == [record.number for record in records]


def order(source: Batches, epoch: int) -> bytes:
    """Return an epoch's pixels and labels as one string of bytes."""
    return b"".join(pixels.tobytes() + labels.tobytes() for pixels, labels, *_ in source.epoch(epoch))


def test_order_by_epoch_and_seed(records: list[Record]) -> None:
    """Each epoch and each seed has an order of its own, which repeats."""
    places = [(epoch, seed) for epoch in range(3) for seed in range(3)]
    first = [order(batches(records, seed=seed), epoch) for epoch, seed in places]
    assert len(set(first)) == len(places)
    assert [order(batches(records, seed=seed), epoch) for epoch, seed in places] == first


@pytest.mark.parametrize("threads", [2, 8])
def test_threads_change_nothing(records: list[Record], threads: int) -> None:
    """What is drawn at random belongs to the picture, not to the thread that happens to decode it."""
    one, many = (order(batches(records, noisy, threads=count, seed=2), 1) for count in (1, threads))
    assert one == many


def test_each_picture_draws_for_itself(records: list[Record]) -> None:
    """Pictures of one epoch, and one picture in two epochs, get different random numbers."""
    source = batches(records, lambda _, random: random.integers(0, 256, (2, 2, 3), np.uint8), shuffle=False)
    drawn = [each.tobytes() for epoch in range(2) for pixels, *_ in source.epoch(epoch) for each in pixels]
    assert len(set(drawn)) == len(drawn) == 2 * COUNT


def decoders() -> list[str]:
    """Return the names of this process's threads that decode."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("decode")]


def open_records() -> list[Path]:
    """Return the record files that this process holds open."""
    links = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [target for target in links if target.suffix == ".rec"]


def test_leaving_early_leaves_nothing(records: list[Record]) -> None:
    """An epoch that is left in the middle ends its threads, closes its files and drops what is waiting."""
    seen = []

    def slow(image: Image.Image, _: np.random.Generator) -> Pixels:
        seen.append(image)
        time.sleep(0.02)
        return np.asarray(image)

    epoch = batches(records, slow, threads=2).epoch(0)
    next(epoch)
    assert decoders()
    epoch.close()
    assert not decoders()
    assert not open_records()
    assert len(seen) < 12


def test_finished_epoch_leaves_nothing(records: list[Record]) -> None:
    """An epoch at its end has no threads and no files either."""
    for _ in batches(records).epoch(0):
        assert decoders()
    assert not decoders()
    assert not open_records()


def test_epoch_that_was_not_begun_opens_nothing(records: list[Record]) -> None:
    """Nothing happens before the first batch is asked for."""
    epoch = batches(records).epoch(0)
    assert not open_records()
    epoch.close()


@pytest.mark.parametrize("data", [b"", b"no picture"], ids=["empty", "no picture"])
def test_bad_picture(tmp_path: Path, records: list[Record], data: bytes) -> None:
    """A picture that cannot be read is left out of its batch, and kept with its reason."""
    with Writer(tmp_path / "bad.rec") as writer:
        writer.write((0.0,), data)
    source = batches([*records, *record_files.scan(tmp_path / "bad.rec")], shuffle=False, skipped=SkippedPictures(0.1))
    assert sum(len(labels) for _, labels, *_ in source.epoch(0)) == COUNT
    assert list(source.skipped.reasons) == ["bad.rec record 0"]
    assert source.skipped.reasons["bad.rec record 0"].startswith("The picture cannot be read")
    assert not decoders()
    assert not open_records()


def test_file_that_shrinks_under_the_job(records: list[Record]) -> None:
    """A file that is cut after it was scanned is an error that names it, not a hang."""
    path = records[-1].path
    path.write_bytes(path.read_bytes()[: records[-1].offset])
    with pytest.raises(ClientError, match=r"1 of 23 pictures cannot be read.*b\.rec record 13: .*it has changed since"):
        list(batches(records, shuffle=False).epoch(0))


def test_views_are_the_batches_one_by_one(records: list[Record]) -> None:
    """The pictures of an epoch come as they were decoded, in the same order and with the same draws as in batches."""
    source = batches(records, noisy, seed=3)
    views = list(source.views(2))
    assert [(view.pixels.shape, view.pixels.dtype) for view in views] == [((10, 12, 3), np.uint8)] * COUNT
    whole = list(source.epoch(2))
    assert [view.name for view in views] == [name for batch in whole for name in batch.names]
    assert np.concatenate([batch.labels for batch in whole]).tolist() == [view.labels for view in views]
    stacked = np.stack([view.pixels for view in views]).transpose(0, 3, 1, 2)
    assert np.array_equal(np.concatenate([batch.pixels for batch in whole]), stacked)


@pytest.mark.parametrize("number", [0, 3, 5])
def test_an_epoch_can_begin_at_any_batch(records: list[Record], number: int) -> None:
    """After a restart an epoch yields what it had from that batch on, and numbers it as before."""
    source = batches(records, noisy)
    assert b"".join(batch.pixels.tobytes() for batch in list(source.epoch(1))[number:]) == b"".join(
        batch.pixels.tobytes() for batch in source.epoch(1, number)
    )
    assert [batch.number for batch in source.epoch(1, number)] == list(range(number, 6))


def test_several_labels_a_picture(tmp_path: Path, write_channel: Callable[..., None]) -> None:
    """In a multi-label job a batch has a row of labels for each picture."""
    write_channel(tmp_path, [(1.0, 0.0, 1.0), (0.0, 0.0, 1.0)])
    source = batches(record_files.scan(tmp_path / "pictures.rec"), shuffle=False)
    ((_, labels, *_),) = source.epoch(0)
    assert (labels.tolist(), labels.dtype) == ([[1, 0, 1], [0, 0, 1]], np.float32)


@pytest.mark.parametrize("whole", [0, 1])
def test_a_batch_without_one_readable_picture_is_left_out(tmp_path: Path, records: list[Record], whole: int) -> None:
    """Where no picture of a batch can be read, the batches around it come as before, under their own numbers."""
    with Writer(tmp_path / "bad.rec") as writer:
        for _ in range(4):
            writer.write((0.0,), b"not a picture")
    bad = list(record_files.scan(tmp_path / "bad.rec"))
    source = batches([*records[: 4 * whole], *bad, *records[4 * whole :]], shuffle=False, skipped=SkippedPictures(1))
    assert [batch.number for batch in source.epoch(0)] == [number for number in range(7) if number != whole]


def test_each_is_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A picture that every epoch meets again is one."""
    skipped = SkippedPictures()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            skipped.add("train/a.jpg", "cut")
    assert (len(skipped), skipped.reasons) == (1, {"train/a.jpg": "cut"})
    assert [record.getMessage() for record in caplog.records] == ["Skipped train/a.jpg: cut"]


@pytest.mark.parametrize(
    ("bad", "total", "fraction", "fails"),
    [(1, 100, 0.01, False), (2, 100, 0.01, True), (1, 99, 0.01, True), (1, 100, 0.0, True), (99, 99, 1.0, False)],
)
def test_the_fraction(bad: int, total: int, fraction: float, fails: bool) -> None:
    """Just at the fraction is tolerated; above it the error says how many of how many, and names five."""
    skipped = SkippedPictures(fraction)
    names = [f"train/{number}.jpg" for number in range(bad)]
    for name in names:
        skipped.add(name, "cut")
    if not fails:
        skipped.check(names, total)
        return
    with pytest.raises(ClientError, match=f"{bad} of {total} pictures cannot be read.*train/0.jpg: cut"):
        skipped.check(names, total)


def test_many_bad_pictures_are_counted() -> None:
    """Of seven bad pictures the message names five and counts the others."""
    skipped = SkippedPictures(0)
    for number in range(7):
        skipped.add(f"{number}.jpg", "It is cut.")
    with pytest.raises(ClientError) as caught:
        skipped.check(list(skipped.reasons), 7)
    assert caught.value.why == (
        "The first of them are 0.jpg: It is cut; 1.jpg: It is cut; 2.jpg: It is cut; 3.jpg: It is cut; "
        "4.jpg: It is cut; and 2 more"
    )


def test_no_pictures_at_all() -> None:
    """Nothing bad among nothing is no error."""
    SkippedPictures().check([], 0)
