"""verdict: one sentence that a person can trust."""

from typing import Any

import pytest
from scipy.stats import binomtest

from sagemaker_gluoncv_container.training.report import verdict


def row(name: str, support: int, recall: float = 1.0, average_precision: float | None = None) -> dict[str, Any]:
    """Return a class's figures, as far as they matter here."""
    return {"name": name, "support": support, "recall": recall, "average_precision": average_precision}


def figures(accuracy: float, *rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the figures of a job, as far as they matter here."""
    pictures = sum(each["support"] for each in rows)
    found = {"pictures": pictures, "not_finite": 0, "multi_label": False, "accuracy": accuracy, "classes": list(rows)}
    return {**found, **changes}


@pytest.mark.parametrize(("right", "pictures"), [(0, 3), (3, 3), (1, 2), (85, 100), (999, 1000), (1, 100_000)])
def test_interval(right: int, pictures: int) -> None:
    """The bounds are those that SciPy finds."""
    expected = binomtest(right, pictures).proportion_ci(method="wilson")
    assert verdict.interval(right, pictures) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_a_good_model() -> None:
    """Its accuracy comes with how sure that is, and with the class that it finds least."""
    found = verdict.sentence(figures(0.9, row("ant", 60, 0.95), row("bee", 40, 0.825)))
    assert found == (
        "The model gets 90.0% of 100 validation pictures right (95% confidence: 82.6% to 94.5%), "
        "and is weakest on bee, of which it finds 33 of 40."
    )


def test_a_perfect_model() -> None:
    """Where nothing is weak nothing is called so, and that few pictures prove little is seen from the interval."""
    found = verdict.sentence(figures(1.0, row("ant", 5), row("bee", 5), row("cat", 0, 0.0)))
    assert found == "The model gets 100.0% of 10 validation pictures right (95% confidence: 72.2% to 100.0%)."


@pytest.mark.parametrize("accuracy", [0.8, 0.85, 0.5])
def test_a_model_that_may_be_guessing(accuracy: float) -> None:
    """An accuracy that always answering the most frequent class would reach too is no merit."""
    found = verdict.sentence(figures(accuracy, row("ant", 80), row("bee", 20, 0.0)))
    assert found.startswith("The model is not clearly better than always answering ant, which gets 80.0% right: ")
    assert f"it gets {accuracy:.1%} of 100 validation pictures right." in found


def test_several_labels() -> None:
    """The ranking, the pictures that are right in full and the weakest class; classes that never occur are left out."""
    rows = (row("ant", 4, average_precision=0.9), row("bee", 6, average_precision=0.5), row("cat", 0))
    changes = {"multi_label": True, "exact_match": 0.25, "mean_average_precision": 0.7, "pictures": 8}
    assert verdict.sentence(figures(0.9, *rows, **changes)) == (
        "The model has a mean average precision of 0.700, gets every label right for 25.0% of 8 validation pictures, "
        "and is weakest on bee (0.500)."
    )
    nothing = figures(1.0, row("ant", 0), **{**changes, "mean_average_precision": None})
    assert verdict.sentence(nothing).endswith("25.0% of 8 validation pictures, none of which has a label.")


def test_what_cannot_be_judged() -> None:
    """Without pictures nothing is known, and a model that answers NaN cannot be used, however good the others are."""
    assert verdict.sentence(figures(0, pictures=0)).startswith("There was no validation picture")
    spoilt = verdict.sentence(figures(0.9, row("ant", 10), not_finite=1))
    assert spoilt == "The model cannot be used, because it answers 1 of 10 validation pictures with NaN or infinity."
