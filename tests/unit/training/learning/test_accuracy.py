"""accuracy: exact counts over batches of any size."""

import numpy as np
import pytest

from sagemaker_gluoncv_container.training.learning.accuracy import Accuracy, losses, probabilities

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
