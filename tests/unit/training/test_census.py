"""What is counted, and checked against the hyperparameters."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.data.channel_config import ChannelConfig
from sagemaker_gluoncv_container.data.labels import CLASS_ID, Labelling
from sagemaker_gluoncv_container.data.samples import FileSample
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.training.census import Found, with_counts
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters

ONE = Labelling(False)


def _found(labels: Sequence[tuple[float, ...]], labelling: Labelling = ONE, **config: bool) -> Found:
    samples = [FileSample(f"train/{number}.jpg", each, Path()) for number, each in enumerate(labels)]
    return Found(ChannelConfig("train", **config), samples, labelling)  # type: ignore[arg-type]


SINGLE = _found([(0,), (2,), (2,)])


def test_what_is_not_given_is_inferred() -> None:
    """Classes reach to the largest label of either channel, or to the last name; pictures are those of train."""
    found = with_counts({"train": SINGLE, "validation": _found([(3,)])}, (), Hyperparameters())
    assert (found.num_classes, found.num_training_samples) == (4, 3)
    assert with_counts({"train": SINGLE}, list("abcde"), Hyperparameters()).num_classes == 5
    assert with_counts({}, (), Hyperparameters(num_classes=2, num_training_samples=9)).num_training_samples == 9


@pytest.mark.parametrize(
    ("labels", "labelling", "classes"),
    [([(0, 1), (1, 0)], Labelling(True), 2), ([(0, 4), (2,), ()], Labelling(True, CLASS_ID), 5)],
)
def test_classes_of_a_multi_label_job(labels: list[tuple[float, ...]], labelling: Labelling, classes: int) -> None:
    """The number of classes is the length of the vectors, or follows from the largest class id."""
    assert with_counts({"train": _found(labels, labelling)}, (), Hyperparameters()).num_classes == classes


def test_vectors_of_two_lengths() -> None:
    """Multi-hot vectors must be equally long."""
    found = _found([(0, 1), (1, 0, 1)], Labelling(True))
    with pytest.raises(ClientError, match="not 3 numbers, as many as there are classes, 1 of them: train/0.jpg"):
        with_counts({"train": found}, (), Hyperparameters())


def test_names_that_are_too_many_or_too_few() -> None:
    """Names of classes must be as many as num_classes."""
    for names in ("ab", "abcd"):
        with pytest.raises(ClientError, match=f"num_classes is 3. there are {len(names)} names of classes: a, b"):
            with_counts({"train": SINGLE}, list(names), Hyperparameters(num_classes=3))


def test_a_shard_is_not_the_whole() -> None:
    """Of a sharded channel another number may be given; of a replicated one not."""
    shard = _found([(0,), (1,)], sharded=True)
    given = Hyperparameters(num_training_samples=10)
    assert with_counts({"train": shard}, (), given).num_training_samples == 2
    with pytest.raises(ClientError, match="num_training_samples is 10. the train channel holds 3 pictures"):
        with_counts({"train": SINGLE}, (), given)
