"""report.calibration: against sums by hand and an optimiser that is not ours."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from sagemaker_gluoncv_container.training.report import calibration


def overconfident(factor: float, pictures: int = 4000) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return probabilities whose logits are `factor` times those that the labels were drawn from, and the labels."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (pictures, 5))
    labels = np.array([random.choice(5, p=row) for row in softmax(logits, 1)])
    return softmax(factor * logits, 1), labels


def test_reliability() -> None:
    """A picture is in the bin whose upper bound its probability does not exceed."""
    confidence = np.array([0.0, 1 / 15, 0.07, 0.9, 0.95, 1.0])
    bins = calibration.reliability(confidence, np.array([False, False, True, True, False, True]))
    assert len(bins) == 15
    assert {number: each["count"] for number, each in enumerate(bins) if each["count"]} == {0: 2, 1: 1, 13: 1, 14: 2}
    assert bins[14] == pytest.approx({"lower": 14 / 15, "upper": 1.0, "count": 2, "confidence": 0.975, "accuracy": 0.5})
    assert (bins[5]["confidence"], bins[5]["accuracy"]) == (None, None)


def test_expected_calibration_error() -> None:
    """Four answers of 0.9, three of them right, and one of 0.5 that is wrong: (4 x 0.15 + 1 x 0.5) / 5."""
    bins = calibration.reliability(np.array([0.9] * 4 + [0.5]), np.array([True, True, True, False, False]))
    assert calibration.expected_calibration_error(bins) == pytest.approx(1.1 / 5)


def test_scaled() -> None:
    """At temperature 2 odds become their square roots: 0.8 to 0.2 becomes 2 to 1."""
    assert calibration.scaled(np.array([[0.8, 0.2]]), 2.0) == pytest.approx(np.array([[2 / 3, 1 / 3]]))
    assert calibration.scaled(np.array([[0.8, 0.2]]), 1.0) == pytest.approx(np.array([[0.8, 0.2]]))


def test_negative_log_likelihood() -> None:
    """The mean of the logarithms; what float32 rounded to 0 is a large number, not an infinite one."""
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75]])
    loss = calibration.negative_log_likelihood(probabilities, np.array([0, 0]))
    assert loss == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert calibration.negative_log_likelihood(np.array([[0.0, 1.0]]), np.array([0])) == pytest.approx(27.63, abs=0.01)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_temperature_against_scipy(factor: float) -> None:
    """It is where scipy finds the least loss, and near the factor that the logits were spoilt by."""
    probabilities, labels = overconfident(factor)

    def loss(temperature: float) -> float:
        logits = log_softmax(np.log(probabilities) / temperature, 1)
        return float(-logits[np.arange(len(labels)), labels].mean())

    best = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-6}).x
    assert calibration.temperature(probabilities, labels) == pytest.approx(best, rel=1e-4)
    assert calibration.temperature(probabilities, labels) == pytest.approx(factor, rel=0.1)


def test_temperature_of_a_perfect_net() -> None:
    """With every answer right it would be 0; the search ends at its bound."""
    assert calibration.temperature(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1])) == pytest.approx(
        0.05, rel=1e-4
    )


def test_figures() -> None:
    """Of a net that is too sure, the temperature corrects both error and loss, and changes no answer."""
    probabilities, labels = overconfident(3.0)
    figures = calibration.figures(probabilities, labels)
    assert figures["ece"] > 0.1
    assert figures["ece_after"] < 0.03
    assert figures["nll_after"] < figures["nll"]
    right = [sum((each["accuracy"] or 0) * each["count"] for each in figures[bins]) for bins in ("bins", "bins_after")]
    assert right[0] == pytest.approx(right[1])
    assert figures["bound"] is None


@pytest.mark.parametrize("sure", [0.51, 0.94, 0.999999, 1.0])
@pytest.mark.parametrize("pictures", [2, 300])
def test_all_answers_right_is_no_temperature(sure: float, pictures: int) -> None:
    """Where ever larger probabilities would fit better the search ends at its bound, which is not a result."""
    true = np.arange(pictures) % 2
    probabilities = np.where(np.eye(2)[true] == 1, sure, 1 - sure)
    assert calibration.temperature(probabilities, true) == pytest.approx(calibration.LOWEST)
    figures = calibration.figures(probabilities, true)
    assert figures["bound"] == "lowest"
    assert [figures[name] for name in ("temperature", "ece_after", "nll_after", "bins_after")] == [None] * 4
    assert figures["ece"] == pytest.approx(1 - sure)
    assert str(figures["nll"])[0] != "-"


def test_a_net_that_is_always_wrong_has_no_temperature() -> None:
    """The best it could do is to say nothing: the other bound."""
    figures = calibration.figures(np.array([[0.9, 0.1], [0.2, 0.8]] * 5), np.array([1, 0] * 5))
    assert (figures["bound"], figures["temperature"]) == ("highest", None)


def test_one_wrong_answer_among_many_has_a_temperature() -> None:
    """As soon as an answer is wrong there is something to find, and it is shown."""
    probabilities, true = np.full((50, 2), [0.9, 0.1]), np.zeros(50, np.int64)
    true[0] = 1
    figures = calibration.figures(probabilities, true)
    assert figures["bound"] is None
    assert calibration.LOWEST < figures["temperature"] < 1
    assert figures["nll_after"] < figures["nll"]
