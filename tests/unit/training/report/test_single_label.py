"""report.single_label: figures worked out by hand."""

import numpy as np
import pytest

from sagemaker_gluoncv_container.training.report import single_label

# Class 0: 3 pictures, 2 found, 1 answered as 1. Class 1: 2 pictures, both found. Class 2: 1 picture, answered as 0.
# Class 3 neither occurs nor is answered.
TRUE = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 1, 0])


def test_scores() -> None:
    """Precision, recall and F1 are those of the definition, and 0 where nothing was answered."""
    rows = single_label.scores(TRUE, PREDICTED, 4)
    assert [row["precision"] for row in rows] == pytest.approx([2 / 3, 2 / 3, 0, 0])
    assert [row["recall"] for row in rows] == pytest.approx([2 / 3, 1, 0, 0])
    assert [row["f1"] for row in rows] == pytest.approx([2 / 3, 4 / 5, 0, 0])
    assert [row["support"] for row in rows] == [3, 2, 1, 0]
    assert [row["predicted"] for row in rows] == [3, 3, 0, 0]


def test_averages() -> None:
    """The macro mean is over the three classes that occur, the weighted one over six pictures."""
    means = single_label.averages(single_label.scores(TRUE, PREDICTED, 4))
    assert means["macro"] == pytest.approx({"precision": 4 / 9, "recall": 5 / 9, "f1": (2 / 3 + 4 / 5) / 3})
    assert means["weighted"] == pytest.approx(
        {"precision": (3 * 2 / 3 + 2 * 2 / 3) / 6, "recall": 4 / 6, "f1": (3 * 2 / 3 + 2 * 4 / 5) / 6}
    )


def test_averages_with_answers_that_never_occur() -> None:
    """A class that is answered but never occurs counts in the macro mean: to answer it is an error."""
    means = single_label.averages(single_label.scores(np.array([0, 0]), np.array([0, 1]), 2))
    assert means["macro"] == pytest.approx({"precision": 1 / 2, "recall": 1 / 4, "f1": 1 / 3})


def test_confusion_matrix() -> None:
    """Rows are true classes, columns answers."""
    matrix = single_label.confusion_matrix(TRUE, PREDICTED, 4)
    assert matrix.tolist() == [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_top_confusions() -> None:
    """The most frequent error comes first, with its share of the true class; right answers are no confusion."""
    true, predicted = np.array([0, 0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 2, 0, 1, 2])
    assert single_label.top_confusions(true, predicted, 2) == [
        {"true": 0, "predicted": 2, "count": 2, "share": 0.5},
        {"true": 0, "predicted": 1, "count": 1, "share": 0.25},
    ]
    assert single_label.top_confusions(true, true, 2) == []


def test_most_wrong() -> None:
    """The picture whose true class got the least probability comes first; right answers are left out."""
    probabilities = np.array([[0.75, 0.25, 0], [0.5, 0.375, 0.125], [0.125, 0.75, 0.125], [0, 0, 1]])
    assert single_label.most_wrong(np.array([0, 1, 0, 2]), probabilities) == [
        {"index": 2, "true": [0], "predicted": [1], "probability": 0.75, "true_probability": 0.125},
        {"index": 1, "true": [1], "predicted": [0], "probability": 0.5, "true_probability": 0.375},
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_not_finite_is_wrong(value: float) -> None:
    """NaN, which argmax takes for the largest, is the answer of no class: not even of the one in whose place it is."""
    probabilities = np.array([[value, 0.5], [0.5, value], [0.75, 0.25], [0.25, 0.75]])
    true = np.array([0, 1, 0, 1])
    predicted = single_label.answers(probabilities)
    assert predicted.tolist() == [single_label.NO_ANSWER, single_label.NO_ANSWER, 0, 1]
    rows = single_label.scores(true, predicted, 2)
    assert [(each["recall"], each["support"], each["predicted"]) for each in rows] == [(0.5, 2, 1), (0.5, 2, 1)]
    assert single_label.confusion_matrix(true, predicted, 2).tolist() == [[1, 0], [0, 1]]
    assert single_label.top_confusions(true, predicted, 5) == []
    assert [(each["index"], each["predicted"]) for each in single_label.most_wrong(true, probabilities)] == [
        (0, []),
        (1, []),
    ]
