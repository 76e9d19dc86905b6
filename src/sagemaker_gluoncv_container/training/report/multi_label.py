"""Figures where each picture has any number of classes."""

from typing import Any

import numpy as np

from ...arrays import Doubles, Flags


def precision_recall(scores: Doubles, positive: Flags) -> tuple[Doubles, Doubles, Doubles]:
    """Return thresholds, falling, with the precision and the recall of "score >= threshold" at each.

    `scores` and `positive` are (n,), with at least one positive. Equal scores are one threshold.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], positive[order].cumsum()
    # Of equal scores only the last counts, because a threshold cannot come between them.
    last = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    return ranked[last], hits[last] / (last + 1), hits[last] / hits[-1]


def average_precision(scores: Doubles, positive: Flags) -> float | None:
    """Return the sum of precision x gain in recall over all thresholds; None if nothing is positive.

    Without interpolation, as scikit-learn's `average_precision_score`.
    """
    if not positive.any():
        return None
    _, precision, recall = precision_recall(scores, positive)
    return float((precision * np.diff(recall, prepend=0)).sum())


def best_threshold(scores: Doubles, positive: Flags) -> float | None:
    """Return the lowest score to answer with yes so that F1 is largest; None if nothing is positive.

    Of two thresholds with equal F1 it is the higher.
    """
    if not positive.any():
        return None
    thresholds, precision, recall = precision_recall(scores, positive)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    return float(thresholds[f1.argmax()])


def scores_of_class(scores: Doubles, positive: Flags) -> dict[str, Any]:
    """Return the figures of a class: average precision, best threshold, and with it precision, recall and F1.

    Support and the number of answers are there too. A class without positives has no threshold, and figures of 0.
    """
    threshold = best_threshold(scores, positive)
    answered = scores >= threshold if threshold is not None else np.zeros(len(scores), bool)
    right, support, answers = int((answered & positive).sum()), int(positive.sum()), int(answered.sum())
    return {
        "precision": right / max(1, answers),
        "recall": right / max(1, support),
        "f1": 2 * right / max(1, support + answers),
        "support": support,
        "predicted": answers,
        "average_precision": average_precision(scores, positive),
        "threshold": threshold,
    }


def most_wrong(positive: Flags, answered: Flags, probabilities: Doubles) -> list[dict[str, Any]]:
    """Return the pictures with a wrong yes or no, the one whose worst class is most wrong first.

    All are (n, classes). `probability` is that of the worst class, `worst`.
    """
    off = np.where(positive != answered, np.abs(probabilities - positive), -1.0)
    worst = off.argmax(1)
    furthest = off[np.arange(len(off)), worst]
    order = np.argsort(-furthest, kind="stable")
    return [
        {
            "index": int(each),
            "true": np.flatnonzero(positive[each]).tolist(),
            "predicted": np.flatnonzero(answered[each]).tolist(),
            "worst": int(worst[each]),
            "probability": float(probabilities[each, worst[each]]),
        }
        for each in order[furthest[order] >= 0]
    ]
