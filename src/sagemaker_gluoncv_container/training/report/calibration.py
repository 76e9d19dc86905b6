"""How far a net's probabilities can be trusted, and the temperature that corrects them.

Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017: sections 2 and 4.2.
"""

import math
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from ...arrays import Doubles, Flags, Integers

BINS = 15
# Where the search for a temperature ends; a net whose answers are all right would have it at 0.
LOWEST, HIGHEST = 0.05, 20.0
# float32 rounds what is less likely to 0, whose logarithm is not finite.
_SMALLEST = 1e-12
# Of the temperature's logarithm: four digits of the temperature.
_TOLERANCE = 1e-5


def reliability(confidence: Doubles, right: Flags) -> list[dict[str, Any]]:
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


def negative_log_likelihood(probabilities: Doubles, true: Integers) -> float:
    """Return the mean of -log p(true class) in nats; `true` is class numbers, (n,)."""
    given = probabilities[np.arange(len(true)), true]
    return float(-np.log(np.maximum(given, _SMALLEST)).mean())


def temperature(probabilities: Doubles, true: Integers) -> float:
    """Return the temperature with the least negative log likelihood, from LOWEST to HIGHEST, to about four digits.

    The likelihood is convex in 1 / temperature, so there is one minimum.
    """
    # For 50,000 pictures and 1,000 classes these are 400 MB: made once, not at every step.
    logits = _logits(probabilities)
    own = logits[np.arange(len(true)), true]

    def loss(logarithm: float) -> float:
        factor = math.exp(-logarithm)
        return float((np.log(np.exp(logits * factor).sum(1)) - own * factor).mean())

    bounds = (math.log(LOWEST), math.log(HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": _TOLERANCE})
    return math.exp(found.x)


def figures(probabilities: Doubles, true: Integers) -> dict[str, Any]:
    """Return ECE and negative log likelihood as they are and with the temperature, and the bins of both."""
    best = temperature(probabilities, true)
    result: dict[str, Any] = {"temperature": best}
    for suffix, given in (("", probabilities), ("_after", scaled(probabilities, best))):
        bins = reliability(given.max(1), given.argmax(1) == true)
        result[f"ece{suffix}"] = expected_calibration_error(bins)
        result[f"nll{suffix}"] = negative_log_likelihood(given, true)
        result[f"bins{suffix}"] = bins
    return result
