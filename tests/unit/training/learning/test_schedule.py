"""schedule: learning rates, the best epoch and early stopping by hand-made figures."""

import math

import pytest

from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training.learning.schedule import best_epoch, learning_rate, objectives, stops_early


def hyperparameters(**given: str) -> Hyperparameters:
    """Return hyperparameters from texts."""
    return Hyperparameters.from_strings(given)


def test_steps_multiply_the_learning_rate() -> None:
    """At each epoch of lr_scheduler_step it is multiplied by the factor."""
    hp = hyperparameters(learning_rate="0.8", lr_scheduler_step="2,3", lr_scheduler_factor="0.5")
    assert [learning_rate(hp, epoch, 0, 10) for epoch in range(5)] == [0.8, 0.8, 0.4, 0.2, 0.2]


def test_constant_without_a_schedule() -> None:
    """Nothing asked for, nothing changed."""
    hp = hyperparameters(learning_rate="0.3")
    assert {learning_rate(hp, epoch, batch, 7) for epoch in range(30) for batch in range(7)} == {0.3}


def test_cosine_falls_to_nothing() -> None:
    """Half a cosine: full at the start, half in the middle, near 0 at the last batch; never rising."""
    hp = hyperparameters(learning_rate="1", epochs="4", lr_scheduler="cosine")
    rates = [learning_rate(hp, epoch, batch, 10) for epoch in range(4) for batch in range(10)]
    assert rates[0] == 1
    assert rates[20] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.01
    assert rates == sorted(rates, reverse=True)


def test_warmup_rises_in_a_line() -> None:
    """Over warmup_epochs the rate rises to learning_rate, never 0; then the schedule begins."""
    hp = hyperparameters(learning_rate="1", epochs="4", warmup_epochs="2", lr_scheduler="cosine")
    rates = [learning_rate(hp, epoch, batch, 5) for epoch in range(4) for batch in range(5)]
    assert rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert rates[10] == 1


def test_schedules_work_before_the_length_of_an_epoch_is_known() -> None:
    """A pipe's first epoch has no known number of batches: the rate is then one for each epoch."""
    hp = hyperparameters(learning_rate="1", epochs="4", warmup_epochs="2", lr_scheduler="cosine")
    assert [learning_rate(hp, epoch, 3, 0) for epoch in range(4)] == [0.5, 1, 1, 0.5]


def test_best_epoch_is_the_first_of_the_highest() -> None:
    """Ties go to the epoch that was there first."""
    assert best_epoch([]) is None
    assert best_epoch([0.2, 0.7, 0.7, 0.1]) == 1


@pytest.mark.parametrize(
    ("given", "accuracies", "stops"),
    [
        ({}, [0.5] * 20, False),
        ({"early_stopping": "True"}, [0.5] * 9, False),
        ({"early_stopping": "True"}, [0.5] * 10, True),
        ({"early_stopping": "True"}, [n / 20 for n in range(1, 20)], False),
        (
            {"early_stopping": "True", "early_stopping_min_epochs": "1", "early_stopping_patience": "2"},
            [0.5] * 2,
            False,
        ),
        ({"early_stopping": "True", "early_stopping_min_epochs": "1", "early_stopping_patience": "2"}, [0.5] * 3, True),
        (
            {
                "early_stopping": "True",
                "early_stopping_min_epochs": "1",
                "early_stopping_patience": "2",
                "early_stopping_tolerance": "0.1",
            },
            [0.5, 0.54, 0.58],
            True,
        ),
        (
            {
                "early_stopping": "True",
                "early_stopping_min_epochs": "1",
                "early_stopping_patience": "2",
                "early_stopping_tolerance": "0.1",
            },
            [0.5, 0.54, 0.6],
            False,
        ),
    ],
)
def test_early_stopping(given: dict[str, str], accuracies: list[float], stops: bool) -> None:
    """It waits for min_epochs, counts epochs without a gain of the tolerance on the best, and ends after patience."""
    assert stops_early(hyperparameters(**given), accuracies) is stops


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([0.5, 0.4], [0.25, 0.75]), ([math.nan, 0.4], [None, 0.75]), ([0.5, math.inf], [0.25, None])],
)
def test_objectives(losses: list[float], expected: list[float | None]) -> None:
    """An epoch whose loss is not finite has no validation accuracy that counts."""
    history = [
        {"validation:accuracy": accuracy, "validation:loss": loss}
        for accuracy, loss in zip((0.25, 0.75), losses, strict=True)
    ]
    assert [None if math.isnan(each) else each for each in objectives(history)] == expected


def test_best_epoch_is_never_one_that_is_nan() -> None:
    """NaN is passed over wherever it stands; with nothing else there is no best epoch."""
    assert best_epoch([math.nan, 0.2, 0.1]) == 1
    assert best_epoch([0.2, math.nan, 0.3]) == 2
    assert best_epoch([0.2, math.nan]) == 0
    assert best_epoch([math.nan, math.nan]) is None


@pytest.mark.parametrize(
    ("accuracies", "stops"),
    [
        ([0.5, math.nan], False),
        ([0.5, math.nan, math.nan], True),
        ([math.nan, math.nan], True),
        ([math.nan, 0.5, math.nan], False),
        ([0.5, math.nan, 0.6, math.nan], False),
    ],
)
def test_nan_is_no_improvement(accuracies: list[float], stops: bool) -> None:
    """Early stopping waits through such an epoch as through one without a gain, and compares with the best before."""
    given = {"early_stopping": "True", "early_stopping_min_epochs": "1", "early_stopping_patience": "2"}
    assert stops_early(hyperparameters(**given), accuracies) is stops
