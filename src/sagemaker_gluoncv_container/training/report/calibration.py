"""How far a net's probabilities can be trusted, and the temperature that corrects them.

Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017: sections 2 and 4.2.
"""

import math
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from ...arrays import Doubles, Flags, Integers

BINS = 15
# The bounds of the search for a temperature. If all answers are right, the best one would be 0: there is none.
LOWEST, HIGHEST = 0.05, 20.0
# So near to a bound, as a factor, the search has ended there.
_NEAR = 1.01
# float32 rounds what is less likely to 0, whose logarithm is not finite.
_SMALLEST = 1e-12
# Of the temperature's logarithm: four digits of the temperature.
_TOLERANCE = 1e-5
# Nats by which two temperatures differ no more than floats do.
_FLAT = 1e-9


def reliability(confidence: Doubles, right: Flags) -> list[dict[str, Any]]:
    """Return BINS bins of equal width over (0, 1]: bounds, count, mean confidence and share of right answers.

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
    # Not -0.0 where all are 1.
    return float(-np.log(np.maximum(given, _SMALLEST)).mean()) + 0.0


def temperature(probabilities: Doubles, true: Integers) -> float:
    """Return the temperature with the least negative log likelihood, from LOWEST to HIGHEST, to about four digits.

    The likelihood is convex in 1 / temperature, so there is one minimum. If all answers are right it falls without end,
    until floats can no longer tell; then the bound is returned.
    """
    # For 50,000 pictures and 1,000 classes these are 400 MB: made once, not at every step.
    logits = _logits(probabilities)
    own = logits[np.arange(len(true)), true]

    def loss(logarithm: float) -> float:
        factor = math.exp(-logarithm)
        return float((np.log(np.exp(logits * factor).sum(1)) - own * factor).mean())

    bounds = (math.log(LOWEST), math.log(HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": _TOLERANCE})
    as_good = [each for each in bounds if loss(each) <= found.fun + _FLAT]
    return math.exp(as_good[0] if as_good else found.x)


def bound(temperature: float) -> str | None:
    """Return "lowest" or "highest" if the search ended at a bound, so that there is no best temperature, else None."""
    if temperature <= LOWEST * _NEAR:
        return "lowest"
    return "highest" if temperature >= HIGHEST / _NEAR else None


def figures(probabilities: Doubles, true: Integers) -> dict[str, Any]:
    """Return ECE, negative log likelihood and bins as they are and with the best temperature.

    Where the search for it ends at a `bound`, it and what would follow from it are None.
    """
    best = temperature(probabilities, true)
    at_bound = bound(best)
    result: dict[str, Any] = {"temperature": None if at_bound else best, "bound": at_bound}
    result |= _measured("", probabilities, true)
    if at_bound:
        return {**result, **dict.fromkeys(("ece_after", "nll_after", "bins_after"))}
    return {**result, **_measured("_after", scaled(probabilities, best), true)}


def _measured(suffix: str, probabilities: Doubles, true: Integers) -> dict[str, Any]:
    bins = reliability(probabilities.max(1), probabilities.argmax(1) == true)
    return {
        f"ece{suffix}": expected_calibration_error(bins),
        f"nll{suffix}": negative_log_likelihood(probabilities, true),
        f"bins{suffix}": bins,
    }
