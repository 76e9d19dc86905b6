"""How far a net's probabilities can be trusted, and the temperature that mends them.

Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017: sections 2 and 4.2.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import Doubles

BINS = 15
# Where the search for a temperature ends; a net whose answers are all right would have it at 0.
LOWEST, HIGHEST = 0.05, 20.0
# float32 rounds what is less likely to 0, whose logarithm is no number.
_SMALLEST = 1e-12
_GOLDEN = (5**0.5 - 1) / 2


def reliability(confidence: Doubles, right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Return the BINS bins of equal width over (0, 1]: bounds, count, mean confidence and share of right answers.

    `confidence` is the probability of each answer, (n,). An empty bin has None for its means.
    """
    numbers = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    bins = []
    for number in range(BINS):
        inside = numbers == number
        count = int(inside.sum())
        bins.append(
            {
                "lower": number / BINS,
                "upper": (number + 1) / BINS,
                "count": count,
                "confidence": float(confidence[inside].mean()) if count else None,
                "accuracy": float(right[inside].mean()) if count else None,
            }
        )
    return bins


def expected_calibration_error(bins: list[dict[str, Any]]) -> float:
    """Return the mean over pictures of |confidence - accuracy| of their bins, from 0 to 1: equation 3 of the paper."""
    pictures = sum(each["count"] for each in bins)
    gaps = (each["count"] * abs(each["confidence"] - each["accuracy"]) for each in bins if each["count"])
    return float(sum(gaps) / max(1, pictures))


def scaled(probabilities: Doubles, temperature: float) -> Doubles:
    """Return softmax(logits / temperature), float64 (n, classes).

    Logarithms of the probabilities are logits up to a constant a row, which softmax ignores.
    """
    raised = np.exp(_logits(probabilities) / temperature)
    return np.asarray(raised / raised.sum(1, keepdims=True), np.float64)


def _logits(probabilities: Doubles) -> Doubles:
    """Return logits whose largest of each row is 0, so that no exponential overflows."""
    logits = np.log(np.maximum(probabilities, _SMALLEST))
    return np.asarray(logits - logits.max(1, keepdims=True), np.float64)


def negative_log_likelihood(probabilities: Doubles, true: NDArray[np.int64]) -> float:
    """Return the mean of -log p(true class) in nats; `true` is class numbers, (n,)."""
    given = probabilities[np.arange(len(true)), true]
    return float(-np.log(np.maximum(given, _SMALLEST)).mean())


def temperature(probabilities: Doubles, true: NDArray[np.int64]) -> float:
    """Return the temperature with the least negative log likelihood, from LOWEST to HIGHEST, to 4 digits or so.

    By golden section over its logarithm: the likelihood is convex in 1 / temperature, so it has one valley.
    """
    low, high = math.log(LOWEST), math.log(HIGHEST)
    # Of 50,000 pictures and 1,000 classes these are 400 MB: taken once, not at every step.
    logits = _logits(probabilities)
    own = logits[np.arange(len(true)), true]

    def loss(at: float) -> float:
        factor = math.exp(-at)
        return float((np.log(np.exp(logits * factor).sum(1)) - own * factor).mean())

    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-5:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2)


def figures(probabilities: Doubles, true: NDArray[np.int64]) -> dict[str, Any]:
    """Return ECE and negative log likelihood as they are and with the temperature, and the bins of both."""
    best = temperature(probabilities, true)
    result: dict[str, Any] = {"temperature": best}
    for suffix, given in (("", probabilities), ("_after", scaled(probabilities, best))):
        bins = reliability(given.max(1), given.argmax(1) == true)
        result[f"ece{suffix}"] = expected_calibration_error(bins)
        result[f"nll{suffix}"] = negative_log_likelihood(given, true)
        result[f"bins{suffix}"] = bins
    return result
