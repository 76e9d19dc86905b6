"""report.evaluation: the dict that both files are made from."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sagemaker_gluoncv_container.training.report import RunRecord, evaluation

RUN = RunRecord(
    settings={"num_layers": 18, "image_shape": (3, 64, 64), "resize": None},
    classes=["bird", "car"],
    multi_label=False,
    history=[{"epoch": 0, "train:loss": float("nan"), "validation:accuracy": 0.75}],
    kept_epoch=0,
    probabilities=np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0.75, 0.25]], np.float32),
    labels=np.array([0, 0, 1, 1], np.float32),
    names=["a", "b", "c", "d"],
    counts={"train": np.array([5, 6])},  # type: ignore[dict-item]
    skipped=[("e", "cut")],
    duplicates=[("f", "a")],
)
TAGS = replace(
    RUN,
    multi_label=True,
    probabilities=np.array([[0.75, 0.25], [0.625, 0.75], [0.25, 0.875]], np.float32),
    labels=np.array([[1, 0], [0, 1], [0, 1]], np.float32),
    names=["a", "b", "c"],
)


def test_single_label() -> None:
    """Of four pictures the last is answered wrong; the run's own facts are there as they came."""
    figures = evaluation.figures(RUN)
    assert figures["accuracy"] == 0.75
    assert (figures["pictures"], figures["errors"], figures["kept_epoch"]) == (4, 1, 0)
    assert figures["confusion_matrix"] == [[2, 0], [1, 1]]
    assert [row["name"] for row in figures["classes"]] == ["bird", "car"]
    assert figures["most_wrong"][0]["name"] == "d"
    assert figures["skipped"] == [{"name": "e", "reason": "cut"}]
    assert figures["duplicates"] == [{"train": "f", "validation": "a"}]
    assert figures["counts"] == {"train": [5, 6]}
    assert figures["settings"] == {"num_layers": 18, "image_shape": [3, 64, 64], "resize": None}


def test_multi_label() -> None:
    """At one half, five of six answers are right and two of three pictures; bird's best threshold fixes the third."""
    figures = evaluation.figures(TAGS)
    assert figures["accuracy"] == pytest.approx(5 / 6)
    assert figures["exact_match"] == pytest.approx(2 / 3)
    assert figures["mean_average_precision"] == 1.0
    assert [row["threshold"] for row in figures["classes"]] == [0.75, 0.75]
    assert (figures["errors"], figures["most_wrong"]) == (0, [])
    assert "calibration" not in figures


def test_multi_label_with_one_class() -> None:
    """Labels of one class may come as (n,)."""
    run = replace(TAGS, classes=["bird"], probabilities=TAGS.probabilities[:, :1], labels=TAGS.labels[:, 0])
    assert evaluation.figures(run)["mean_average_precision"] == 1.0


def test_classes_without_names() -> None:
    """A class without a name is called by its number."""
    assert [row["name"] for row in evaluation.figures(replace(RUN, classes=[]))["classes"]] == ["0", "1"]
    assert [row["name"] for row in evaluation.figures(replace(RUN, classes=["bird"]))["classes"]] == ["bird", "1"]


def test_a_net_that_diverged() -> None:
    """Answers that are no numbers are counted, and count as no probability."""
    run = replace(RUN, probabilities=np.array([[np.nan, np.nan]] * 3 + [[0.25, 0.75]], np.float32))
    figures = evaluation.figures(run)
    assert figures["not_finite"] == 3
    assert figures["most_wrong"][0]["probability"] == 0
    assert json.loads(evaluation.to_json(figures)) == figures
    # The first two are of class 0, which argmax takes NaN for.
    assert (figures["accuracy"], figures["errors"]) == (0.25, 3)
    assert figures["confusion_matrix"] == [[0, 0], [0, 1]]
    assert "cannot be used" in figures["verdict"]


def test_calibration_leaves_out_what_is_not_finite() -> None:
    """Its figures are those of the other pictures; without any there are none."""
    spoilt = RUN.probabilities.copy()
    spoilt[0] = np.nan
    rest = replace(RUN, probabilities=RUN.probabilities[1:], labels=RUN.labels[1:], names=RUN.names[1:])
    found = evaluation.figures(replace(RUN, probabilities=spoilt))
    assert found["calibration"] == evaluation.figures(rest)["calibration"]
    assert evaluation.figures(replace(RUN, probabilities=spoilt * np.nan))["calibration"] is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_label_of_a_picture_that_is_not_finite_is_right(value: float) -> None:
    """With several labels, absent ones are wrong too, in every figure."""
    probabilities = np.array([[1, 0], [0, 1], [value, 0]], np.float32)
    labels = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    figures = evaluation.figures(replace(TAGS, probabilities=probabilities, labels=labels))
    assert figures["not_finite"] == 1
    assert figures["accuracy"] == pytest.approx(4 / 6)
    assert figures["exact_match"] == pytest.approx(2 / 3)
    assert figures["mean_average_precision"] < 1
    assert [row["precision"] for row in figures["classes"]] == [0.5, 0.5]
    assert figures["most_wrong"][0]["name"] == "c"


def test_where_a_report_comes_from() -> None:
    """The job, the date, the image and the verdict stand at the beginning of metrics.json."""
    run = replace(RUN, job="job-1", date="2026-11-25 08:00 UTC", image_version="1.2.3")
    figures = evaluation.figures(run)
    assert [figures[key] for key in ("job", "date", "image_version")] == ["job-1", "2026-11-25 08:00 UTC", "1.2.3"]
    assert figures["verdict"].startswith("The model is not clearly better than always answering bird")


@pytest.mark.parametrize("run", [RUN, TAGS])
def test_no_validation_picture(run: RunRecord) -> None:
    """What needs pictures to measure with is missing, the rest is there."""
    empty = replace(run, probabilities=run.probabilities[:0], labels=run.labels[:0], names=[])
    figures = evaluation.figures(empty)
    assert figures["pictures"] == 0
    assert "accuracy" not in figures
    assert figures["classes"] == [{"name": "bird"}, {"name": "car"}]


def test_many_classes() -> None:
    """Past a thousand classes there is no matrix; the top confusions are there all the same."""
    probabilities = np.zeros((2, 1001), np.float32)
    probabilities[:, 7] = 1
    run = replace(RUN, classes=[], probabilities=probabilities, labels=np.array([7, 1000], np.float32))
    figures = evaluation.figures(run)
    assert figures["confusion_matrix"] is None
    assert figures["top_confusions"] == [{"true": 1000, "predicted": 7, "count": 1, "share": 1.0}]


@pytest.mark.parametrize("run", [RUN, TAGS])
def test_to_json(run: RunRecord) -> None:
    """What is written is strict JSON, a line a key, and is read back as the same figures; NaN is null."""
    figures = evaluation.figures(run)
    text = evaluation.to_json(figures)
    assert json.loads(text, parse_constant=pytest.fail) == figures
    assert len(text.splitlines()) == len(figures) + 2
    assert json.loads(text)["history"] == [{"epoch": 0, "train:loss": None, "validation:accuracy": 0.75}]
