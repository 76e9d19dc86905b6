"""The figures of a job, as one dict: what metrics.json holds and what the page shows."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import calibration, multi_label, single_label
from .record import RunRecord

Figures = dict[str, Any]

FORMAT_VERSION = 1
TOP_CONFUSIONS = 20
# More than the page shows: some cannot be shown because they cannot be read.
_MOST_WRONG = 48
# A million numbers, 2 MB of JSON; with more classes the top confusions say more.
_LARGEST_MATRIX = 1000
# Where an answer of a net with any number of classes becomes a yes, before a better threshold is known.
_HALF = 0.5


def figures(run: RunRecord) -> Figures:
    """Return the figures of the run, as JSON can say them; without validation pictures, what needs them is missing.

    Probabilities that are not finite count as 0, so that a job whose net fell apart still gets its report.
    """
    finite = np.isfinite(run.probabilities)
    probabilities = np.where(finite, run.probabilities, 0).astype(np.float64)
    pictures, classes = probabilities.shape
    names = [*run.classes[:classes], *(str(number) for number in range(len(run.classes), classes))]
    evaluate = _multi_label if run.multi_label else _single_label
    result = {
        "format_version": FORMAT_VERSION,
        "multi_label": run.multi_label,
        "kept_epoch": run.kept_epoch,
        "pictures": pictures,
        "not_finite": int(pictures - finite.all(1).sum()),
        **(evaluate(run, probabilities, names) if pictures else {"classes": [{"name": name} for name in names]}),
        "history": [dict(epoch) for epoch in run.history],
        "counts": {channel: list(counts) for channel, counts in run.counts.items()},
        "skipped": [{"name": name, "reason": reason} for name, reason in run.skipped],
        "duplicates": _duplicates(run),
        "settings": dict(run.settings),
    }
    return {key: _plain(value) for key, value in result.items()}


def _duplicates(run: RunRecord) -> list[dict[str, str]] | None:
    if run.duplicates is None:
        return None
    return [{"train": train, "validation": validation} for train, validation in run.duplicates]


def _named(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"name": name, **row} for name, row in zip(names, rows, strict=True)]


def _single_label(run: RunRecord, probabilities: NDArray[np.float64], names: Sequence[str]) -> Figures:
    true, predicted = run.labels.astype(np.int64), probabilities.argmax(1)
    rows = single_label.scores(true, predicted, len(names))
    wrong = single_label.most_wrong(true, probabilities)
    small = len(names) <= _LARGEST_MATRIX
    return {
        "accuracy": float((true == predicted).mean()),
        "errors": len(wrong),
        "averages": single_label.averages(rows),
        "calibration": calibration.figures(probabilities, true),
        "classes": _named(rows, names),
        "confusion_matrix": single_label.confusion_matrix(true, predicted, len(names)).tolist() if small else None,
        "top_confusions": single_label.top_confusions(true, predicted, TOP_CONFUSIONS),
        "most_wrong": [{"name": run.names[each["index"]], **each} for each in wrong[:_MOST_WRONG]],
    }


def _multi_label(run: RunRecord, probabilities: NDArray[np.float64], names: Sequence[str]) -> Figures:
    positive = run.labels.reshape(probabilities.shape) > _HALF
    answered = probabilities > _HALF
    rows = [multi_label.scores_of_class(*columns) for columns in zip(probabilities.T, positive.T, strict=True)]
    # With no threshold of its own a class is never answered.
    thresholds = np.array([math.inf if row["threshold"] is None else row["threshold"] for row in rows])
    wrong = multi_label.most_wrong(positive, probabilities >= thresholds, probabilities)
    known = [row["average_precision"] for row in rows if row["average_precision"] is not None]
    return {
        "accuracy": float((answered == positive).mean()),
        "exact_match": float((answered == positive).all(1).mean()),
        "mean_average_precision": sum(known) / len(known) if known else None,
        "errors": len(wrong),
        "averages": single_label.averages(rows),
        "classes": _named(rows, names),
        "most_wrong": [{"name": run.names[each["index"]], **each} for each in wrong[:_MOST_WRONG]],
    }


def _plain(value: Any) -> Any:
    """Return the value as JSON can say it: NaN and infinity, which it cannot, are None; the unknown is its text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def to_json(figures: Figures) -> str:
    """Return the figures as JSON, a line for each key."""
    lines = (f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in figures.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"
