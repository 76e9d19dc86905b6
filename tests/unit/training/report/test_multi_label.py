"""report.multi_label: figures worked out by hand, and by trying every threshold."""

import numpy as np
import pytest

from sagemaker_gluoncv_container.training.report import multi_label

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
POSITIVE = np.array([True, False, True, True, False])


def test_average_precision() -> None:
    """Precision at each gain of recall: 1/1 at 0.9, 2/3 at 0.7, 3/4 at 0.6, a third of the recall each."""
    assert multi_label.average_precision(SCORES, POSITIVE) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_average_precision_of_equal_scores(order: list[int]) -> None:
    """A right and a wrong one with the same score cannot be told apart, whichever comes first."""
    scores, positive = np.array([0.5, 0.5])[order], np.array([True, False])[order]
    assert multi_label.average_precision(scores, positive) == 0.5


def test_average_precision_without_positives() -> None:
    """There is no precision at a recall that is never reached."""
    assert multi_label.average_precision(SCORES, np.zeros(5, bool)) is None


def test_best_threshold() -> None:
    """From 0.6 on all three are found with one false yes: F1 is 6/7, more than at any other score."""
    assert multi_label.best_threshold(SCORES, POSITIVE) == 0.6
    assert multi_label.best_threshold(SCORES, np.zeros(5, bool)) is None


def test_best_threshold_against_every_threshold() -> None:
    """No other score, taken as the threshold, gives a larger F1."""
    random = np.random.default_rng(0)
    scores, positive = random.random(200).round(2), random.random(200) < 0.3

    def f1(threshold: float) -> float:
        yes = scores >= threshold
        return float(2 * (yes & positive).sum() / (yes.sum() + positive.sum()))

    best = multi_label.best_threshold(scores, positive)
    assert best is not None
    assert f1(best) == pytest.approx(max(f1(each) for each in scores))


def test_scores_of_class() -> None:
    """The figures are those of the class answered from its best threshold on."""
    assert multi_label.scores_of_class(SCORES, POSITIVE) == pytest.approx(
        {
            "precision": 3 / 4,
            "recall": 1.0,
            "f1": 6 / 7,
            "support": 3,
            "predicted": 4,
            "average_precision": (1 + 2 / 3 + 3 / 4) / 3,
            "threshold": 0.6,
        }
    )


def test_scores_of_class_without_positives() -> None:
    """A class that never occurs has no threshold, and zeros."""
    row = multi_label.scores_of_class(SCORES, np.zeros(5, bool))
    assert (row["threshold"], row["average_precision"]) == (None, None)
    assert (row["precision"], row["recall"], row["f1"], row["support"], row["predicted"]) == (0, 0, 0, 0, 0)


def test_most_wrong() -> None:
    """A picture counts by its worst wrong class; one that is right in all of them is left out."""
    probabilities = np.array([[0.9, 0.2], [0.25, 0.875], [0.625, 0.5]])
    positive = np.array([[True, False], [True, False], [False, True]])
    assert multi_label.most_wrong(positive, probabilities >= 0.5, probabilities) == [
        {"index": 1, "true": [0], "predicted": [1], "worst": 1, "probability": 0.875},
        {"index": 2, "true": [1], "predicted": [0, 1], "worst": 0, "probability": 0.625},
    ]
