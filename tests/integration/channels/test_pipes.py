"""Pipe mode, fed through real FIFOs by another process."""

import threading
from pathlib import Path
from typing import Any

import pytest

from sagemaker_gluoncv_container.data.batches import SkippedPictures
from sagemaker_gluoncv_container.data.recordio import MAGIC_BYTES
from sagemaker_gluoncv_container.errors import ClientError

COUNT = 41


@pytest.fixture(params=["rec", "manifest"])
def piped(request: Any, job: Any, draw_pictures: Any, with_magic: Any) -> Any:
    """Return pictures that hold the magic number, and a job that gets them through a pipe."""
    drawn = [with_magic(each) for each in draw_pictures(COUNT)]
    job.write_rec("validation", draw_pictures(3, 1000))
    wrapper = "RecordIO" if request.param == "manifest" else "None"
    job.configure("train", TrainingInputMode="Pipe", RecordWrapperType=wrapper, ContentType="application/x-recordio")
    content = request.getfixturevalue("manifest_content" if request.param == "manifest" else "rec_content")(drawn)
    # There are first, middle and last parts of records in it.
    assert {1, 2, 3} <= {content[at + 7] >> 5 for at in _found(content, MAGIC_BYTES)}
    return drawn, content


def _found(content: bytes, what: bytes) -> list[int]:
    places, at = [], content.find(what)
    while at != -1:
        if at % 4 == 0:
            places.append(at)
        at = content.find(what, at + 1)
    return places


def test_three_epochs_one_closed_early(
    piped: Any, job: Any, feeding: Any, make_batches: Any, expected: Any, arriving: Any
) -> None:
    """Three epochs come through three FIFOs; leaving the second early neither harms the writer nor the third."""
    drawn, content = piped
    feeder = feeding(job.paths.channel("train"), 3, content)
    channels, _ = job.read(num_classes=4, num_training_samples=COUNT)
    batches = make_batches(channels.train, 8)
    assert arriving(batches, 0) == expected(drawn)
    second = batches.epoch(1)
    first_names = [next(second).names, next(second).names]
    second.close()
    assert [len(names) for names in first_names] == [8, 8]
    assert arriving(batches, 2) == expected(drawn)
    assert feeder.wait(timeout=30) == 0
    written = [int(line) for line in feeder.stdout]
    assert written[0] == written[2] == len(content)
    assert len(batches) == 6
    assert not list(job.paths.base.glob("input/data/train_*"))


def test_a_shuffled_pipe(piped: Any, job: Any, feeding: Any, make_batches: Any) -> None:
    """Through a shuffle buffer each picture comes once, the order differs by epoch and repeats by seed."""
    _, content = piped
    orders = []
    for seeds in ((1, 1), (1, 1)):
        feeder = feeding(job.paths.channel("train"), 2, content)
        train = job.read(num_classes=4, num_training_samples=COUNT)[0].train
        batches = make_batches(train, 8, seed=seeds[0], augmented=True)
        orders.append([[name for batch in batches.epoch(epoch) for name in batch.names] for epoch in (0, 1)])
        assert feeder.wait(timeout=30) == 0
    assert orders[0] == orders[1]
    assert orders[0][0] != orders[0][1]
    assert len(set(orders[0][0])) == COUNT
    assert sorted(orders[0][0]) == sorted(orders[0][1])


def test_a_restarted_job_is_given_the_first_pipe_again(piped: Any, job: Any, feeding: Any, make_batches: Any) -> None:
    """An epoch that begins in its middle, in a new process with FIFO 0, is the rest of the uninterrupted one."""
    _, content = piped
    rests = []
    for epochs, first in ((1, 0), (1, 3)):
        feeder = feeding(job.paths.channel("train"), epochs, content)
        train = job.read(num_classes=4, num_training_samples=COUNT)[0].train
        rests.append(list(make_batches(train, 8, seed=5, augmented=True).epoch(7, first)))
        assert feeder.wait(timeout=30) == 0
    assert [each.number for each in rests[1]] == [3, 4, 5]
    for whole, rest in zip(rests[0][3:], rests[1], strict=True):
        assert (whole.names, whole.pixels.tobytes()) == (rest.names, rest.pixels.tobytes())


def test_a_pipe_that_is_cut(piped: Any, job: Any, feeding: Any, make_batches: Any, arriving: Any) -> None:
    """A stream that ends in the middle of a record is an error that names channel and record."""
    _, content = piped
    feeder = feeding(job.paths.channel("train"), 1, content[: len(content) // 2 + 1])
    channels, _ = job.read(num_classes=4, num_training_samples=COUNT)
    with pytest.raises(ClientError, match=r"The pipe of channel train ends in the middle of record \d+\."):
        arriving(make_batches(channels.train))
    assert feeder.wait(timeout=30) == 0


def test_a_pipe_that_delivers_nothing(piped: Any, job: Any, feeding: Any, make_batches: Any, arriving: Any) -> None:
    """A channel whose pipe is closed without a picture is empty, and said to be."""
    feeder = feeding(job.paths.channel("train"), 1, b"")
    channels, _ = job.read(num_classes=4, num_training_samples=COUNT)
    with pytest.raises(ClientError, match="Channel train is empty"):
        arriving(make_batches(channels.train))
    assert feeder.wait(timeout=30) == 0


def test_a_label_out_of_range(piped: Any, job: Any, feeding: Any, make_batches: Any, arriving: Any) -> None:
    """Labels are checked as they come; one That is out of range is named with its picture."""
    _, content = piped
    feeder = feeding(job.paths.channel("train"), 1, content)
    channels, _ = job.read(num_classes=3, num_training_samples=COUNT)
    with pytest.raises(ClientError, match=r"train (record|picture) 3 is labelled 3\. That is out of range, "):
        arriving(make_batches(channels.train))
    feeder.wait(timeout=30)


def test_another_number_of_pictures_than_announced(
    piped: Any, job: Any, feeding: Any, make_batches: Any, arriving: Any, caplog: Any
) -> None:
    """That num_training_samples is not what comes is no error, as hosts with shards have parts, but a warning."""
    _, content = piped
    feeder = feeding(job.paths.channel("train"), 2, content)
    channels, _ = job.read(num_classes=4, num_training_samples=50)
    for epoch in range(2):
        assert len(arriving(make_batches(channels.train), epoch)) == COUNT
    assert caplog.messages == ["Channel train: 41 pictures came, not 50"]
    assert len(channels.train) == 50
    assert feeder.wait(timeout=30) == 0


def test_the_length_of_a_validation_pipe(
    job: Any, draw_pictures: Any, feeding: Any, rec_content: Any, make_batches: Any, expected: Any, arriving: Any
) -> None:
    """How many pictures validation has is known after its first epoch; each epoch is over exactly those."""
    job.write_rec("train", draw_pictures(8))
    job.configure("validation", TrainingInputMode="Pipe")
    drawn = draw_pictures(37, 1000)
    feeder = feeding(job.paths.channel("validation"), 2, rec_content(drawn))
    validation = job.read(num_classes=4)[0].validation
    assert len(validation) == 0
    for epoch in range(2):
        assert arriving(make_batches(validation), epoch) == expected(drawn)
        assert len(validation) == 37
    assert feeder.wait(timeout=30) == 0


def test_bad_pictures_of_a_pipe(
    job: Any, draw_pictures: Any, feeding: Any, rec_content: Any, make_batches: Any
) -> None:
    """Where the number of pictures is not known beforehand, bad ones are judged at the end of the epoch."""
    job.write_rec("train", draw_pictures(8))
    job.configure("validation", TrainingInputMode="Pipe")
    drawn = draw_pictures(40, 1000)
    drawn[2] = type(drawn[2])(2, "flower", b"no picture")
    feeder = feeding(job.paths.channel("validation"), 2, rec_content(drawn))
    validation = job.read(num_classes=4)[0].validation
    skipped = SkippedPictures(0.025)
    assert sum(len(batch.names) for batch in make_batches(validation, skipped=skipped).epoch(0)) == 39
    assert list(skipped.reasons) == ["validation record 2"]
    with pytest.raises(ClientError, match="1 of 40 pictures cannot be read"):
        list(make_batches(validation, skipped=SkippedPictures(0.024)).epoch(1))
    assert feeder.wait(timeout=30) == 0


def _open_things() -> tuple[int, int]:
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


def test_an_index_beside_the_records(job: Any, draw_pictures: Any, feeding: Any, rec_content: Any) -> None:
    """What else lies under the channel's prefix comes through the pipe too, and the message says so."""
    job.write_rec("validation", draw_pictures(4, 1000))
    job.configure("train", TrainingInputMode="Pipe")
    feeder = feeding(job.paths.channel("train"), 1, rec_content(draw_pictures(8)) + b"0\t0\n1\t1234\n")
    channels, _ = job.read(num_classes=4, num_training_samples=8)
    with pytest.raises(ClientError, match="record 8. .* check that it holds whole `.rec` files and nothing else"):
        list(channels.train.epoch(0, None))
    assert feeder.wait(timeout=30) == 0


def test_no_thread_or_descriptor_stays(piped: Any, job: Any, feeding: Any, make_batches: Any) -> None:
    """An epoch that is left early closes its pipe and ends its threads."""
    _, content = piped
    feeder = feeding(job.paths.channel("train"), 1, content)
    channels, _ = job.read(num_classes=4, num_training_samples=COUNT)
    before = _open_things()
    batches = make_batches(channels.train, 2).epoch(0)
    next(batches)
    batches.close()
    assert _open_things() == before
    assert feeder.wait(timeout=30) == 0
