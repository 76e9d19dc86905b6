"""What a report says in one sentence: how good the model is, how sure that is, and where it is weakest."""

import math
from collections.abc import Mapping
from typing import Any

# Of the normal distribution, for 95 %.
_QUANTILE = 1.96


def interval(right: int, pictures: int) -> tuple[float, float]:
    """Return the bounds within which the true share lies with 95 % confidence: the Wilson score interval.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
    """
    share, squared = right / pictures, _QUANTILE**2
    middle = (share + squared / (2 * pictures)) / (1 + squared / pictures)
    spread = share * (1 - share) / pictures + squared / (4 * pictures**2)
    reach = _QUANTILE * math.sqrt(spread) / (1 + squared / pictures)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def sentence(figures: Mapping[str, Any]) -> str:
    """Return the verdict on the figures of `evaluation.figures`."""
    pictures = figures["pictures"]
    if not pictures:
        return "There was no validation picture, so nothing is known about the model."
    if figures["not_finite"]:
        share = f"{figures['not_finite']} of {pictures} validation pictures"
        return f"The model cannot be used, because it answers {share} with NaN or infinity."
    return _of_many_labels(figures) if figures["multi_label"] else _of_one_label(figures)


def _of_one_label(figures: Mapping[str, Any]) -> str:
    pictures = figures["pictures"]
    right = round(figures["accuracy"] * pictures)
    low, high = interval(right, pictures)
    frequent = max(figures["classes"], key=lambda row: int(row["support"]))
    guess = frequent["support"] / pictures
    found = f"{figures['accuracy']:.1%} of {pictures} validation pictures right"
    if low <= guess:
        always = f"always answering {frequent['name']}, which gets {guess:.1%} right"
        return f"The model is not clearly better than {always}: it gets {found}."
    known = [row for row in figures["classes"] if row["support"]]
    weakest = min(known, key=lambda row: float(row["recall"]))
    text = f"The model gets {found} (95% confidence: {low:.1%} to {high:.1%})"
    if weakest["recall"] == 1:
        return f"{text}."
    return f"{text}, and is weakest on {weakest['name']}, of which it finds {_share(weakest)}."


def _share(row: Mapping[str, Any]) -> str:
    return f"{round(row['recall'] * row['support'])} of {row['support']}"


def _of_many_labels(figures: Mapping[str, Any]) -> str:
    pictures = figures["pictures"]
    exact = f"every label right for {figures['exact_match']:.1%} of {pictures} validation pictures"
    known = [row for row in figures["classes"] if row["average_precision"] is not None]
    if not known:
        return f"The model gets {exact}, none of which has a label."
    weakest = min(known, key=lambda row: float(row["average_precision"]))
    mean = f"The model has a mean average precision of {figures['mean_average_precision']:.3f}, gets {exact}"
    return f"{mean}, and is weakest on {weakest['name']} ({weakest['average_precision']:.3f})."
