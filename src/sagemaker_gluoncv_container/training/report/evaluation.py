"""The figures of a job, as one dict: what metrics.json holds and what the page shows."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...arrays import Doubles, Flags
from . import calibration, multi_label, single_label, verdict
from .record import RunRecord

Figures = dict[str, Any]

FORMAT_VERSION = 1
TOP_CONFUSIONS = 20
# More than the page shows, because some can no longer be read.
_MOST_WRONG = 48
# A million numbers, 2 MB of JSON; with more classes the top confusions say more.
_LARGEST_MATRIX = 1000
# The threshold of a yes in a multi-label net, before a better one is known.
_HALF = 0.5


def figures(run: RunRecord) -> Figures:
    """Return the figures of the run in JSON's types. Without validation pictures, what needs them is missing.

    A picture that the net answers with NaN or infinity is wrong in every figure; calibration leaves it out.
    """
    probabilities = run.probabilities.astype(np.float64)
    pictures, classes = probabilities.shape
    finite = np.isfinite(probabilities).all(1)
    names = [*run.classes[:classes], *(str(number) for number in range(len(run.classes), classes))]
    evaluate = _multi_label if run.multi_label else _single_label
    # What there is without a picture to measure with.
    unmeasured = {"classes": [{"name": name} for name in names]}
    result = {
        "format_version": FORMAT_VERSION,
        "job": run.job,
        "date": run.date,
        "image_version": run.image_version,
        "verdict": "",
        "multi_label": run.multi_label,
        "kept_epoch": run.kept_epoch,
        "pictures": pictures,
        "not_finite": int(pictures - finite.sum()),
        **(evaluate(run, probabilities, finite, names) if pictures else unmeasured),
        "history": [dict(epoch) for epoch in run.history],
        "counts": {channel: list(counts) for channel, counts in run.counts.items()},
        "skipped": [{"name": name, "reason": reason} for name, reason in run.skipped],
        "duplicates": _duplicates(run),
        "settings": dict(run.settings),
    }
    plain = {key: _plain(value) for key, value in result.items()}
    return {**plain, "verdict": verdict.sentence(plain)}


def _duplicates(run: RunRecord) -> list[dict[str, str]] | None:
    if run.duplicates is None:
        return None
    return [{"train": train, "validation": validation} for train, validation in run.duplicates]


def _named(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"name": name, **row} for name, row in zip(names, rows, strict=True)]


def _single_label(run: RunRecord, probabilities: Doubles, finite: Flags, names: Sequence[str]) -> Figures:
    true, predicted = run.labels.astype(np.int64), single_label.answers(probabilities)
    rows = single_label.scores(true, predicted, len(names))
    wrong = single_label.most_wrong(true, probabilities)
    small = len(names) <= _LARGEST_MATRIX
    return {
        "accuracy": float((true == predicted).mean()),
        "errors": len(wrong),
        "averages": single_label.averages(rows),
        "calibration": calibration.figures(probabilities[finite], true[finite]) if finite.any() else None,
        "classes": _named(rows, names),
        "confusion_matrix": single_label.confusion_matrix(true, predicted, len(names)).tolist() if small else None,
        "top_confusions": single_label.top_confusions(true, predicted, TOP_CONFUSIONS),
        "most_wrong": [{"name": run.names[each["index"]], **each} for each in wrong[:_MOST_WRONG]],
    }


def _multi_label(run: RunRecord, probabilities: Doubles, finite: Flags, names: Sequence[str]) -> Figures:
    positive = run.labels.reshape(probabilities.shape) > _HALF
    # What is not finite counts as the opposite of what is right: wrong in every figure below.
    probabilities = np.where(finite[:, None], probabilities, 1.0 - positive)
    answered = probabilities > _HALF
    rows = [multi_label.scores_of_class(*columns) for columns in zip(probabilities.T, positive.T, strict=True)]
    # A class without a threshold is never answered.
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
    """Return the value in JSON's types. NaN and infinity, which JSON has not, become None; other types become text."""
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
    """Return the figures as JSON, one line per key."""
    lines = (f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in figures.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"
