"""accuracy: exact counts over batches of any size."""

import numpy as np
import pytest

from sagemaker_gluoncv_container.training.learning.accuracy import Accuracy, finite_rows, losses, probabilities

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(341, 7)).astype(np.float32)
LABELS = RANDOM.integers(0, 7, 341).astype(np.float32)


@pytest.mark.parametrize("size", [1, 32, 341])
def test_figures_do_not_depend_on_the_batches(size: int) -> None:
    """341 pictures in batches of any size give one accuracy, one top-k accuracy and one loss."""
    accuracy = Accuracy(top_k=3)
    for start in range(0, 341, size):
        part = slice(start, start + size)
        accuracy.update(LOGITS[part], LABELS[part], losses(LOGITS[part], LABELS[part], False))
    order = np.argsort(-LOGITS, 1)
    assert accuracy.pictures == 341
    assert accuracy.values() == {
        "accuracy": float((order[:, 0] == LABELS).sum()) / 341,
        "top_k_accuracy_3": float((order[:, :3] == LABELS[:, None]).any(1).sum()) / 341,
    }
    assert accuracy.mean_loss == pytest.approx(
        -np.log(probabilities(LOGITS, False)[range(341), LABELS.astype(int)]).mean()
    )


def test_each_label_counts_where_there_are_several() -> None:
    """The accuracy of a multi-label job is the share of labels on the right side of 1/2, as MXNet's metric counts."""
    accuracy = Accuracy(multi_label=True)
    logits = np.array([[3, -1, 2], [-1, -2, 4]], np.float32)
    labels = np.array([[1, 0, 0], [1, 0, 1]], np.float32)
    accuracy.update(logits, labels, losses(logits, labels, True))
    assert accuracy.values() == {"accuracy": 4 / 6}
    assert accuracy.pictures == 2
    chances = probabilities(logits, True)
    expected = -(labels * np.log(chances) + (1 - labels) * np.log(1 - chances)).mean()
    assert accuracy.mean_loss == pytest.approx(expected)


def test_extreme_logits_give_finite_figures() -> None:
    """Neither a softmax nor a sigmoid overflows."""
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    for multi_label, labels in ((False, np.array([0, 1])), (True, np.eye(2))):
        assert probabilities(logits, multi_label) == pytest.approx(np.eye(2))
        assert losses(logits, labels.astype(np.float32), multi_label) == pytest.approx(np.zeros(2))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_an_answer_that_is_not_finite_is_wrong(value: float, place: int) -> None:
    """NaN, which argmax takes for the largest, is no answer: not in the accuracy, the top k, or the loss."""
    logits = np.array([[2, 1, 0], [2, 1, 0], [0, 1, 2]], np.float32)
    logits[0, place] = value
    labels = np.array([place, 0, 1], np.float32)
    accuracy = Accuracy(top_k=2)
    lost = losses(logits, labels, False)
    accuracy.update(logits, labels, lost)
    assert finite_rows(logits).tolist() == [False, True, True]
    assert accuracy.values() == {"accuracy": 1 / 3, "top_k_accuracy_2": 2 / 3}
    assert (accuracy.pictures, accuracy.answers, accuracy.not_finite) == (3, 3, 1)
    assert np.isinf(lost).tolist() == [True, False, False]
    assert accuracy.mean_loss == np.inf
    assert np.isnan(probabilities(logits, False)).all(1).tolist() == [True, False, False]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_label_of_such_a_picture_is_right(value: float) -> None:
    """With several labels per picture, one that is not finite spoils all of its picture, absent labels too."""
    logits = np.array([[value, -1, -1], [3, -1, -1]], np.float32)
    labels = np.array([[0, 0, 0], [1, 0, 1]], np.float32)
    accuracy = Accuracy(multi_label=True)
    lost = losses(logits, labels, True)
    accuracy.update(logits, labels, lost)
    assert accuracy.values() == {"accuracy": 2 / 6}
    assert (accuracy.pictures, accuracy.answers, accuracy.not_finite) == (2, 6, 1)
    assert np.isinf(lost).tolist() == [True, False]
    assert np.isnan(probabilities(logits, True)).all(1).tolist() == [True, False]


def test_a_net_that_answers_nothing_but_nan() -> None:
    """A batch without one answer counts as wrong, and raises nothing."""
    logits = np.full((4, 3), np.nan, np.float32)
    accuracy = Accuracy(top_k=2)
    accuracy.update(logits, np.zeros(4, np.float32), losses(logits, np.zeros(4, np.float32), False))
    assert accuracy.values() == {"accuracy": 0, "top_k_accuracy_2": 0}


def test_large_logits_have_a_finite_loss() -> None:
    """What float32 can hold is an answer: its loss is computed without an overflow."""
    logits = np.array([[3e38, -3e38]], np.float32)
    assert losses(logits, np.array([1], np.float32), False) == pytest.approx([6e38], rel=1e-3)
    assert losses(logits, np.array([0], np.float32), False) == pytest.approx([0])


def test_void() -> None:
    """Where a net cannot be trusted, no answer of an epoch counts."""
    accuracy = Accuracy(top_k=2)
    accuracy.update(LOGITS, LABELS, losses(LOGITS, LABELS, False))
    accuracy.void()
    assert accuracy.values() == {"accuracy": 0, "top_k_accuracy_2": 0}
    assert (accuracy.not_finite, accuracy.mean_loss) == (341, np.inf)
