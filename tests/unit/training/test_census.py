"""What is counted, and checked against the hyperparameters."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.data.channel_config import ChannelConfig
from sagemaker_gluoncv_container.data.labels import CLASS_ID, Labelling
from sagemaker_gluoncv_container.data.samples import FileSample
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.training.census import Found, counted
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters

ONE = Labelling(False)


def _found(labels: Sequence[tuple[float, ...]], labelling: Labelling = ONE, **config: bool) -> Found:
    samples = [FileSample(f"train/{number}.jpg", each, Path()) for number, each in enumerate(labels)]
    return Found(ChannelConfig("train", **config), samples, labelling)  # type: ignore[arg-type]


SINGLE = _found([(0,), (2,), (2,)])


def test_what_is_not_given_is_inferred() -> None:
    """Classes reach to the largest label of either channel, or to the last name; pictures are those of train."""
    found = counted({"train": SINGLE, "validation": _found([(3,)])}, (), Hyperparameters())
    assert (found.num_classes, found.num_training_samples) == (4, 3)
    assert counted({"train": SINGLE}, list("abcde"), Hyperparameters()).num_classes == 5
    assert counted({}, (), Hyperparameters(num_classes=2, num_training_samples=9)).num_training_samples == 9


@pytest.mark.parametrize(
    ("labels", "labelling", "classes"),
    [([(0, 1), (1, 0)], Labelling(True), 2), ([(0, 4), (2,), ()], Labelling(True, CLASS_ID), 5)],
)
def test_classes_of_a_multi_label_job(labels: list[tuple[float, ...]], labelling: Labelling, classes: int) -> None:
    """The number of classes is the length of the vectors, or follows from the largest class id."""
    assert counted({"train": _found(labels, labelling)}, (), Hyperparameters()).num_classes == classes


def test_vectors_of_two_lengths() -> None:
    """Multi-hot vectors must be equally long."""
    found = _found([(0, 1), (1, 0, 1)], Labelling(True))
    with pytest.raises(ClientError, match="not 3 numbers, as many as there are classes, 1 of them: train/0.jpg"):
        counted({"train": found}, (), Hyperparameters())


def test_names_that_are_too_many_or_too_few() -> None:
    """Names of classes must be as many as num_classes."""
    for names in ("ab", "abcd"):
        with pytest.raises(ClientError, match=f"num_classes is 3. There are {len(names)} names of classes: a, b"):
            counted({"train": SINGLE}, list(names), Hyperparameters(num_classes=3))


def test_class_folders_are_named() -> None:
    """Where num_classes does not fit class folders, all are named: one of them may be no class."""
    found = dataclasses.replace(_found([(0,), (1,), (2,)]), in_class_folders=True)
    folders = ["bird", "car", "checkpoint of mine"]
    why = "num_classes is 2.*There are 3 class folders in channel train: bird, car, checkpoint of mine"
    with pytest.raises(ClientError, match=why):
        counted({"train": found}, folders, Hyperparameters(num_classes=2))


def test_a_shard_is_not_the_whole(caplog: pytest.LogCaptureFixture) -> None:
    """Of a sharded channel another number may be given; of a replicated one that is a warning."""
    shard = _found([(0,), (1,)], sharded=True)
    given = Hyperparameters(num_training_samples=10)
    assert counted({"train": shard}, (), given).num_training_samples == 2
    assert not caplog.messages
    assert counted({"train": SINGLE}, (), given).num_training_samples == 3
    assert caplog.messages == [
        "Hyperparameter num_training_samples is 10, but the train channel holds 3 pictures: using 3"
    ]


@pytest.mark.parametrize(
    ("given", "missing"),
    [({}, ("num_classes", "num_training_samples")), ({"num_classes": 2}, ("num_training_samples",))],
)
def test_numbers_that_nobody_knows(given: dict[str, int], missing: Sequence[str]) -> None:
    """What follows gets numbers: one that is neither given nor to be counted is asked for."""
    with pytest.raises(ClientError) as caught:
        counted({}, (), Hyperparameters(**given))  # type: ignore[arg-type]
    for name in missing:
        assert f"Hyperparameter {name} is not given" in str(caught.value)


def test_counted_is_shown_as_hyperparameters() -> None:
    """The line of the log that users know keeps its form."""
    assert str(counted({"train": SINGLE}, (), Hyperparameters())).startswith(
        "Hyperparameters(num_classes=3, num_training_samples=3, num_layers=18, "
    )


SOME = [(float(number % 5),) for number in range(40)]


@pytest.mark.parametrize("label", [100_000, 3_000_000, 5_000, 2**24, 1e15, 1e300])
@pytest.mark.parametrize("channel", ["train", "validation"])
def test_label_that_cannot_be_meant(label: float, channel: str) -> None:
    """One label far beyond all others would make a head that no memory holds: the record is named instead."""
    channels = {"train": _found(SOME), "validation": _found([(1,)])}
    channels[channel] = _found([*SOME, (label,)])
    with pytest.raises(ClientError) as caught:
        counted(channels, (), Hyperparameters())
    assert caught.value.what.startswith(f"Channel {channel} has a label that would mean ")
    assert caught.value.why == f"The label of train/40.jpg is {label:.15g}, but only 6 classes have pictures"
    assert len(str(caught.value)) < 300
    assert ("set num_classes to" in caught.value.do) == (label < 1_000_000)


def test_label_of_a_multi_label_job_that_cannot_be_meant() -> None:
    """It is the same with several class ids a picture, and not so with vectors, whose length is plain to see."""
    labelling = Labelling(True, CLASS_ID)
    with pytest.raises(ClientError, match="train/1.jpg is 3, 70000, but only 4 classes have pictures"):
        counted({"train": _found([(1, 2), (3, 70_000)], labelling)}, (), Hyperparameters())
    vector = (1, *[0] * 2000)
    assert counted({"train": _found([vector], Labelling(True))}, (), Hyperparameters()).num_classes == 2001


@pytest.mark.parametrize(
    ("labels", "names", "given", "classes"),
    [
        ([(999,)], (), {}, 1000),
        ([(float(number),) for number in range(0, 5000, 5)], (), {}, 4996),
        ([(70_000,), (1,)], (), {"num_classes": 70_001}, 70_001),
        ([(2000,), (1,)], [str(number) for number in range(2001)], {}, 2001),
    ],
    ids=["up to a thousand", "one in five has pictures", "given", "named"],
)
def test_many_classes_that_are_meant(
    labels: list[tuple[float, ...]], names: list[str], given: dict[str, int], classes: int
) -> None:
    """Many classes are believed if they were given or named, or if enough of them have pictures."""
    assert counted({"train": _found(labels)}, names, Hyperparameters(**given)).num_classes == classes  # type: ignore[arg-type]
