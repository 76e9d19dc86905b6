"""Figures where each picture has one class."""

from typing import Any

import numpy as np

from ...arrays import Doubles, Integers

# In place of a class where the net's answer is NaN or infinite, which is wrong whatever the true class is.
NO_ANSWER = -1


def answers(probabilities: Doubles) -> Integers:
    """Return the most probable class of each picture, (n,), of probabilities (n, classes); NO_ANSWER if not finite."""
    finite = np.isfinite(probabilities).all(1)
    return np.where(finite, np.where(finite[:, None], probabilities, 0).argmax(1), NO_ANSWER)


def scores(true: Integers, predicted: Integers, classes: int) -> list[dict[str, Any]]:
    """Return precision, recall, F1, support and the number of predictions of each class.

    `true` and `predicted` are class numbers, (n,). 0 / 0 is 0, as in scikit-learn's default.
    """
    support = np.bincount(true, minlength=classes)
    answers = np.bincount(predicted[predicted != NO_ANSWER], minlength=classes)
    right = np.bincount(true[true == predicted], minlength=classes)
    precision, recall = right / np.maximum(1, answers), right / np.maximum(1, support)
    # 2 right / (support + answers) is the harmonic mean of the two, without a second division by zero.
    f1 = 2 * right / np.maximum(1, support + answers)
    columns = {"precision": precision, "recall": recall, "f1": f1, "support": support, "predicted": answers}
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def averages(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the macro mean and the mean weighted by support of precision, recall and F1.

    A class that neither occurs nor is ever answered is left out, as in scikit-learn.
    """
    known = [row for row in rows if row["support"] or row["predicted"]]
    pictures = max(1, sum(row["support"] for row in known))
    names = ("precision", "recall", "f1")
    return {
        "macro": {name: sum(row[name] for row in known) / max(1, len(known)) for name in names},
        "weighted": {name: sum(row[name] * row["support"] for row in known) / pictures for name in names},
    }


def confusion_matrix(true: Integers, predicted: Integers, classes: int) -> Integers:
    """Return the number of pictures of each true class (rows) by the class answered (columns)."""
    true, predicted = true[predicted != NO_ANSWER], predicted[predicted != NO_ANSWER]
    flat = np.bincount(true * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes)


def top_confusions(true: Integers, predicted: Integers, most: int) -> list[dict[str, Any]]:
    """Return the most frequent (true, predicted) pairs of errors: class numbers, count, share of the true class.

    It needs no matrix, so there may be any number of classes.
    """
    wrong = (true != predicted) & (predicted != NO_ANSWER)
    pairs, counts = np.unique(np.stack([true[wrong], predicted[wrong]], 1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    return [
        {
            "true": int(pairs[each, 0]),
            "predicted": int(pairs[each, 1]),
            "count": int(counts[each]),
            "share": float(counts[each] / (true == pairs[each, 0]).sum()),
        }
        for each in order
    ]


def most_wrong(true: Integers, probabilities: Doubles) -> list[dict[str, Any]]:
    """Return the wrong answers, the least probability of the true class first.

    An answer that is not finite comes first: no class with probability 0.
    """
    predicted, rows = answers(probabilities), np.arange(len(true))
    known = np.where((predicted != NO_ANSWER)[:, None], probabilities, 0)
    given_true, given_answer = known[rows, true], known[rows, predicted]
    order = np.argsort(given_true, kind="stable")
    return [
        {
            "index": int(each),
            "true": [int(true[each])],
            "predicted": [int(predicted[each])] if predicted[each] != NO_ANSWER else [],
            "probability": float(given_answer[each]),
            "true_probability": float(given_true[each]),
        }
        for each in order[predicted[order] != true[order]]
    ]
