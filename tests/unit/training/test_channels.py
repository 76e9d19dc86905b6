"""training.channels: what the channels hold, and what it says about the hyperparameters."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagemaker_gluoncv_container.contract import Paths
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.training import channels
from sagemaker_gluoncv_container.training.hyperparameters import Counted, Hyperparameters

WriteChannel = Callable[..., None]


@pytest.fixture
def paths(tmp_path: Path, write_channel: WriteChannel) -> Paths:
    """Return a job with five training pictures of three classes and two validation pictures."""
    paths = Paths(tmp_path)
    write_channel(paths.channel("train"), [0, 1, 2, 1, 0])
    write_channel(paths.channel("validation"), [2, 0])
    return paths


def configure(paths: Paths, **config: Any) -> None:
    """Write inputdataconfig.json."""
    paths.config.mkdir(parents=True)
    (paths.config / "inputdataconfig.json").write_text(json.dumps(config))


def fault(paths: Paths, **hyperparameters: Any) -> ClientError:
    """Return the error of a job that must have one."""
    with pytest.raises(ClientError) as caught:
        channels.read(paths, Hyperparameters(**hyperparameters))
    return caught.value


def test_pictures_are_found(paths: Paths) -> None:
    """Both channels give their records with labels, and no names where there is no file of names."""
    found, _ = channels.read(paths, Hyperparameters())
    assert [sample.labels for sample in found.train.epoch(0, None)] == [(0,), (1,), (2,), (1,), (0,)]
    assert [sample.labels for sample in found.validation.epoch(0, None)] == [(2,), (0,)]
    assert found.classes == ()


def test_several_files(paths: Paths, write_channel: WriteChannel) -> None:
    """A channel may hold many files, also in folders, which are read in the order of their names."""
    write_channel(paths.channel("train") / "z", [1])
    write_channel(paths.channel("train"), [2, 2], name="another")
    write_channel(paths.channel("train"), [], name="empty")
    found, hyperparameters = channels.read(paths, Hyperparameters())
    assert [sample.name.split()[0] for sample in found.train.epoch(0, None)] == [
        *["train/another.rec"] * 2,
        *["train/pictures.rec"] * 5,
        "train/z/pictures.rec",
    ]
    assert hyperparameters.num_training_samples == 8


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"TrainingInputMode": "File"},
        {"TrainingInputMode": "File", "ContentType": "application/x-recordio", "S3DistributionType": "FullyReplicated"},
        {"ContentType": "Application/X-RecordIO; charset=utf-8"},
        {"ContentType": None},
        {"ContentType": ""},
    ],
)
def test_channel_description(paths: Paths, config: dict[str, Any]) -> None:
    """A content type may be absent, and is read as HTTP does."""
    configure(paths, train=config)
    channels.read(paths, Hyperparameters())


def test_other_content_type(paths: Paths) -> None:
    """A channel of another kind is refused with what it is and what is read."""
    configure(paths, train={"ContentType": "text/csv"})
    message = str(fault(paths))
    assert message.startswith("Channel train has content type text/csv.")
    assert "application/x-recordio" in message


def test_other_input_mode(paths: Paths) -> None:
    """A channel in another mode is refused with what is read."""
    configure(paths, validation={"TrainingInputMode": "Stream"})
    assert str(fault(paths)) == "Channel validation is in Stream mode. This image reads File, FastFile and Pipe."


def test_missing_channel(paths: Paths) -> None:
    """A channel that is not there is named, with its folder."""
    folder = paths.channel("validation")
    folder.rename(paths.channel("test"))
    assert str(fault(paths)) == (
        f"Channel validation is missing. There is no {folder}. Give the job a validation channel."
    )


def test_channel_without_record_files(paths: Paths) -> None:
    """Where there is no .rec file, the message shows what there is."""
    folder = paths.channel("train")
    (folder / "pictures.rec").rename(folder / "pictures.record")
    assert str(fault(paths)) == (
        f"Channel train holds no `.rec` file. Found in {folder}: pictures.idx, pictures.record."
    )


def test_channel_without_files(paths: Paths) -> None:
    """An empty folder holds nothing."""
    for path in paths.channel("train").iterdir():
        path.unlink()
    assert str(fault(paths)).endswith(f"Found in {paths.channel('train')}: nothing.")


def test_channel_without_pictures(paths: Paths, write_channel: WriteChannel) -> None:
    """Files without records are named."""
    write_channel(paths.channel("validation"), [])
    error = fault(paths)
    assert error.what == "Channel validation is empty"
    assert error.why == f"pictures.rec in {paths.channel('validation')} holds no record"


def test_damaged_file(paths: Paths) -> None:
    """A cut file ends the job, and is named."""
    path = paths.channel("train") / "pictures.rec"
    path.write_bytes(path.read_bytes()[:-1])
    assert str(fault(paths)).startswith(f"{path} ends in the middle of record 4")


def test_faults_of_both_channels(paths: Paths) -> None:
    """One message tells of both channels."""
    (paths.channel("train") / "pictures.rec").unlink()
    (paths.channel("validation") / "pictures.rec").unlink()
    message = str(fault(paths))
    assert message.startswith("2 faults.")
    assert "Channel train holds no `.rec` file" in message
    assert "Channel validation holds no `.rec` file" in message


@pytest.mark.parametrize(
    ("labels", "given", "expected"),
    [
        ([0, 1, 2, 1, 0], {}, (3, 5)),
        ([0, 1, 2, 1, 0], {"num_classes": 3, "num_training_samples": 5}, (3, 5)),
        ([0, 1, 2, 1, 0], {"num_classes": 10}, (10, 5)),
        ([0, 0], {}, (3, 2)),
        ([9], {}, (10, 1)),
    ],
    ids=["inferred", "given", "more classes than labels", "a class only in validation", "a gap"],
)
def test_counts(
    paths: Paths, write_channel: WriteChannel, labels: list[float], given: dict[str, int], expected: tuple[int, int]
) -> None:
    """Classes and training pictures are counted, unless they are given and fit; validation's labels are at 2."""
    write_channel(paths.channel("train"), labels)
    _, hyperparameters = channels.read(paths, Hyperparameters(**given))  # type: ignore[arg-type]
    assert (hyperparameters.num_classes, hyperparameters.num_training_samples) == expected


def test_other_hyperparameters_stay(paths: Paths) -> None:
    """Nothing but the two counts is changed."""
    given = Hyperparameters(epochs=3, top_k=2, learning_rate=0.5)
    _, found = channels.read(paths, given)
    assert found == Counted(epochs=3, top_k=2, learning_rate=0.5, num_classes=3, num_training_samples=5)


def test_too_few_classes(paths: Paths, write_channel: WriteChannel) -> None:
    """A label that does not fit is named with its record, and the number that would do."""
    write_channel(paths.channel("validation"), [1, 0])
    assert str(fault(paths, num_classes=2)) == (
        "Hyperparameter num_classes is 2. Channel train has labels that are out of range, which is 0 to 1, 1 of them: "
        "train/pictures.rec record 2 is labelled 2. Set num_classes to 3, or fix the labels."
    )


def test_another_number_of_samples(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    """A number of pictures that is not theirs is a warning, as with the built-in; the right one is used."""
    _, found = channels.read(paths, Hyperparameters(num_training_samples=6))
    assert found.num_training_samples == 5
    assert "num_training_samples is 6, but the train channel holds 5 pictures: using 5" in caplog.text


def test_top_k_of_inferred_classes(paths: Paths) -> None:
    """top_k is checked against the number of classes that was inferred."""
    assert str(fault(paths, top_k=3)) == ("Hyperparameter top_k is 3. It must be less than the number of classes, 3.")


def test_faults_of_counts_come_together(paths: Paths) -> None:
    """What the data says against the hyperparameters is said at once."""
    (paths.channel("train") / "classes.json").write_text('["a", "b", "c"]')
    message = str(fault(paths, num_classes=2, num_training_samples=7, top_k=4))
    assert message.startswith("4 faults.")
    for part in ("Channel train has labels", "Channel validation has labels", "3 names", "top_k is 4"):
        assert part in message


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        (-1.0, "-1"),
        (0.5, "0.5"),
        ((0.0, 1.0), "0, 1"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
    ids=str,
)
def test_label_that_is_no_class(paths: Paths, write_channel: WriteChannel, label: Any, shown: str) -> None:
    """Labels are whole numbers from 0, one for each picture; another is shown with its record."""
    write_channel(paths.channel("validation"), [(0.0,), label if isinstance(label, tuple) else (label,)])
    assert str(fault(paths)) == (
        "Channel validation has labels that are not one whole number from 0. "
        f"1 of them: validation/pictures.rec record 1 is labelled {shown}. "
        "Label the classes 0, 1, 2 and so on. If pictures have several labels, set multi_label."
    )


def test_class_names(paths: Paths) -> None:
    """The names beside the training pictures are taken in their order, and count as classes."""
    names = ["cat", "dög", "emu", "fox"]
    (paths.channel("train") / "classes.json").write_text(json.dumps(names))
    found, hyperparameters = channels.read(paths, Hyperparameters())
    assert found.classes == tuple(names)
    assert hyperparameters.num_classes == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "classes.json is not JSON"),
        ("", "classes.json is not JSON"),
        ('{"0": "cat"}', 'classes.json is not a list of names. It must be like ["bird", "car"]'),
        ("[1, 2, 3]", "classes.json is not a list of names"),
        ("null", "classes.json is not a list of names"),
        ('["a", "b"]', "num_classes is 3. There are 2 names of classes: a, b. Make them agree"),
    ],
)
def test_wrong_class_names(paths: Paths, content: str, message: str) -> None:
    """A file of names that cannot be right is refused."""
    (paths.channel("train") / "classes.json").write_text(content)
    assert message in str(fault(paths))


def test_names_and_num_classes_disagree(paths: Paths) -> None:
    """Names for another number of classes than was asked for are refused."""
    (paths.channel("train") / "classes.json").write_text('["a", "b", "c"]')
    assert (
        str(fault(paths, num_classes=4))
        == "Hyperparameter num_classes is 4. There are 3 names of classes: a, b, c. Make them agree."
    )
