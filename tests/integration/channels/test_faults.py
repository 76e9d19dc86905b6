"""What is wrong with channels is said before anything is computed: all of it, in one message that helps."""

import logging
from typing import Any

import pytest

from sagemaker_gluoncv_container.data.recordio import Writer
from sagemaker_gluoncv_container.errors import ClientError


def _message(job: Any, **hyperparameters: object) -> str:
    with pytest.raises(ClientError) as error:
        job.read(**hyperparameters)
    return str(error.value)


@pytest.fixture
def whole(job: Any, draw_pictures: Any) -> Any:
    """Return a job whose channels are in order."""
    for name in ("train", "validation"):
        job.write_rec(name, draw_pictures(8))
    return job


def test_every_fault_of_the_configuration_at_once(whole: Any) -> None:
    """Modes, content types and label formats that are not known are all named in one message."""
    whole.configure("train", TrainingInputMode="Stream", ContentType="text/csv")
    whole.configure("validation", ContentType="application/x-recordio; label-format=names")
    message = _message(whole)
    assert message.startswith("3 faults")
    for part in (
        "Channel train is in Stream mode. This image reads File, FastFile and Pipe",
        "Channel train has content type text/csv. This image reads application/x-recordio, application/x-image",
        "Channel validation has label-format names. It must be one of class-id, multi-hot",
    ):
        assert part in message


def test_both_channels_missing(job: Any) -> None:
    """Each missing channel is named."""
    message = _message(job)
    assert "2 faults" in message
    assert "Channel train is missing" in message
    assert "Channel validation is missing" in message


def test_a_pipe_cannot_be_counted(job: Any, draw_pictures: Any) -> None:
    """What cannot be inferred in Pipe mode must be given: both are asked for at once, and a fault beside them."""
    job.configure("train", TrainingInputMode="Pipe")
    message = _message(job)
    assert "3 faults" in message
    assert "num_classes is not given. It cannot be counted in a channel in Pipe mode (train)" in message
    assert "num_training_samples is not given" in message
    assert "Channel validation is missing" in message
    job.write_rec("validation", draw_pictures(4))
    assert "num_classes" not in _message(job, num_classes=4)


def test_a_validation_pipe_needs_no_number_of_training_pictures(whole: Any) -> None:
    """Where only validation comes through a pipe, the training pictures are still counted."""
    whole.configure("validation", TrainingInputMode="Pipe")
    assert "num_training_samples" not in _message(whole)
    assert whole.read(num_classes=4)[1].num_training_samples == 8


@pytest.mark.parametrize("content_type", ["application/x-image", "image/jpeg", "image/png"])
def test_files_through_a_pipe(job: Any, content_type: str) -> None:
    """Picture files that come through a pipe as they are have no labels; the message says what to do instead."""
    job.configure("train", TrainingInputMode="Pipe", ContentType=content_type)
    message = _message(job, num_classes=4, num_training_samples=8)
    assert f"Channel train has content type {content_type} in Pipe mode" in message
    assert "augmented manifest" in message
    job.configure("train", TrainingInputMode="Pipe", ContentType=content_type, RecordWrapperType="RecordIO")
    assert "Pipe" not in _message(job, num_classes=4, num_training_samples=8)


def test_a_list_in_pipe_mode(whole: Any) -> None:
    """A list that would come through a pipe is refused."""
    whole.configure("train_lst", TrainingInputMode="Pipe", ContentType="application/x-image")
    assert "Channel train_lst is in Pipe mode. A list is read as a file. Use File mode" in _message(whole)


def test_a_list_of_records(whole: Any) -> None:
    """A list makes no sense beside .rec files."""
    whole.configure("train", ContentType="application/x-recordio")
    whole.configure("train_lst", ContentType="application/x-image")
    assert "Channel train has content type application/x-recordio and has a list, train_lst" in _message(whole)


def test_one_list_of_two(job: Any, draw_pictures: Any) -> None:
    """If one of two channels of files has a list, the other's is asked for."""
    job.write_list("train", draw_pictures(8))
    for name in ("train", "validation"):
        job.configure(name, ContentType="application/x-image")
    assert "Channel validation_lst is missing. There is a train_lst" in _message(job)


def test_an_empty_rec_says_so(whole: Any) -> None:
    """A .rec file without a record is named, and what to do."""
    (whole.paths.channel("train") / "part-0.rec").write_bytes(b"")
    message = _message(whole)
    assert "Channel train is empty. part-0.rec" in message
    assert "Make the `.rec` file again" in message


def test_folders_without_pictures(whole: Any) -> None:
    """A channel of pictures that holds .rec files says what it found and what the content type might be."""
    whole.configure("train", ContentType="application/x-image")
    message = _message(whole)
    assert "Channel train holds no picture. Found in " in message
    assert "part-0.rec" in message


def test_loose_pictures(job: Any, draw_pictures: Any) -> None:
    """Pictures that are in no class's folder have no label."""
    for name in ("train", "validation"):
        job.write_folders(name, draw_pictures(8))
    (job.paths.channel("train") / "loose.jpg").write_bytes(b"")
    assert "these are not: loose.jpg. Move them, or give the job a channel train_lst" in _message(job)


def test_a_strange_folder(job: Any, draw_pictures: Any) -> None:
    """A folder in validation that is no class of the train channel is refused: labels would be shifted."""
    for name in ("train", "validation"):
        job.write_folders(name, draw_pictures(8))
    (job.paths.channel("validation") / "bird").rename(job.paths.channel("validation") / "birds")
    assert "Channel validation has folders that are not classes: birds" in _message(job)


def test_a_list_with_faults(job: Any, draw_pictures: Any) -> None:
    """Lines of another form are quoted with their numbers."""
    for name in ("train", "validation"):
        job.write_list(name, draw_pictures(8))
    path = job.paths.channel("train_lst") / "train.lst"
    path.write_text(path.read_text() + "\n8 1 0/8.jpg\n9\tbird\t0/9.jpg\n")
    message = _message(job)
    assert "Lines must be index TAB label(s) TAB path" in message
    assert "line 10: '8 1 0/8.jpg', line 11: '9\\tbird\\t0/9.jpg'" in message


def test_listed_pictures_that_are_missing(job: Any, draw_pictures: Any) -> None:
    """Stored pictures that are not there are counted and named."""
    for name in ("train", "validation"):
        job.write_list(name, draw_pictures(8))
    (job.paths.channel("train") / "1" / "4.jpg").unlink()
    assert "1 of its 8 pictures are not there: train/1/4.jpg" in _message(job)


def test_no_list_or_two(job: Any, draw_pictures: Any) -> None:
    """A list channel holds one list."""
    for name in ("train", "validation"):
        job.write_list(name, draw_pictures(8))
    (job.paths.channel("train_lst") / "other.lst").write_text("")
    (job.paths.channel("validation_lst") / "validation.lst").unlink()
    message = _message(job)
    assert "Channel train_lst holds 2 lists" in message
    assert "Channel validation_lst holds 0 lists" in message


def test_labels_and_numbers_that_contradict_the_data(whole: Any) -> None:
    """num_classes and top_k are checked against the data, all at once; num_training_samples is only a warning."""
    message = _message(whole, num_classes=3, num_training_samples=9, top_k=3)
    assert message.startswith("3 faults")
    assert "out of range, which is 0 to 2, 2 of them: train/part-0.rec record 3 is labelled 3" in message
    assert "top_k is 3" in message


@pytest.mark.parametrize("labels", [(1.5,), (-1.0,), (0.0, 1.0), (float("nan"),)])
def test_no_label(whole: Any, labels: tuple[float, ...]) -> None:
    """What is no class id is refused, and the record is named."""
    with Writer(whole.paths.channel("train") / "z.rec") as writer:
        writer.write(labels, b"")
    assert "Channel train has labels that are not one whole number from 0. 1 of them: train/z.rec record 0" in _message(
        whole
    )


@pytest.mark.parametrize("labels", [(3.0,), (1.0, 0.5, 0.0)])
def test_no_multi_hot_vector(job: Any, labels: tuple[float, ...]) -> None:
    """In a multi-label job what is no vector of 0 and 1 is refused; the other format is mentioned."""
    for name in ("train", "validation"):
        job.paths.channel(name).mkdir(parents=True)
        with Writer(job.paths.channel(name) / "a.rec") as writer:
            writer.write(labels, b"")
    message = _message(job, multi_label=True)
    assert "2 faults" in message
    assert "Channel train has labels that are not a vector of 0 and 1" in message
    assert "label-format=class-id" in message


def test_classes_without_pictures(whole: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A class that no training picture has is no error, but said."""
    with caplog.at_level(logging.WARNING):
        whole.read(num_classes=6)
    assert "channel train has no pictures of classes: 4, 5 (empty-class)" in caplog.text


def test_pictures_in_both_channels(job: Any, draw_pictures: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Validation pictures that are also trained on are warned of, and known to the report."""
    job.write_rec("train", draw_pictures(12))
    job.write_folders("validation", [*draw_pictures(8, 1000), *draw_pictures(12)[4:6]])
    with caplog.at_level(logging.WARNING):
        channels, _ = job.read()
    names = {
        "train/part-0.rec record 4": "validation/bird/008.jpg",
        "train/part-0.rec record 5": "validation/car/009.jpg",
    }
    assert dict(channels.duplicates) == names
    assert (
        "pictures are in two channels, which flatters the accuracy: train/part-0.rec record 4 = validation/bird"
        in caplog.text
    )
