"""gradients: what is said of which norms."""

import math

import pytest

from sagemaker_gluoncv_container.training.learning.gradients import GradientWatch, gradient_faults

FINE = {"conv": 0.5, "fc": 2.0}


def test_nothing_is_wrong() -> None:
    """Ordinary norms, and a spike of a hundred times, need no word."""
    assert gradient_faults(FINE, [FINE] * 5) == []
    assert gradient_faults({"conv": 50.0, "fc": 2.0}, [FINE] * 5) == []
    assert gradient_faults({}, []) == []


@pytest.mark.parametrize("norm", [math.nan, math.inf])
def test_not_finite(norm: float) -> None:
    """What is no number has exploded, whatever was before."""
    [fault] = gradient_faults({"conv": 1.0, "fc": norm})
    assert fault == "The gradients of fc exploded: NaN or infinite. Lower learning_rate, or add warmup_epochs"


def test_growth() -> None:
    """More than a thousand times the median of three observations is an explosion; before that nothing can be told."""
    [fault] = gradient_faults({"conv": 501.0, "fc": 2.0}, [FINE] * 3)
    assert fault.startswith("The gradients of conv explode: over 1000 times their usual size")
    assert gradient_faults({"conv": 501.0}, [FINE] * 2) == []
    assert gradient_faults({"conv": 499.0}, [FINE] * 3) == []


def test_growth_from_next_to_nothing() -> None:
    """A norm that is small after growing does no harm."""
    assert gradient_faults({"conv": 0.9}, [{"conv": 1e-6}] * 3) == []


def test_growth_after_an_infinity() -> None:
    """What was not finite is no usual size."""
    assert gradient_faults({"conv": 501.0}, [{"conv": math.inf}] * 20) == []


def test_vanishing() -> None:
    """Three observations in a row below 1e-7 are a gradient that vanished; two are not, nor is one in between."""
    tiny = {"conv": 1e-8, "fc": 1.0}
    [fault] = gradient_faults(tiny, [FINE, tiny, tiny])
    assert fault.startswith("The gradients of conv vanish: below 1e-07 for 3 observations")
    assert gradient_faults(tiny, [FINE, FINE, tiny]) == []
    assert gradient_faults(tiny, [tiny, tiny, FINE, tiny]) == []


def test_many_parameters() -> None:
    """Of many parameters five are named, and the others counted."""
    [fault] = gradient_faults({f"conv{number}": math.nan for number in range(60)})
    assert fault.startswith("The gradients of conv0, conv1, conv2, conv3, conv4 and 55 more exploded")


def test_a_watch_remembers_and_says_things_once() -> None:
    """Over a job, vanished gradients are named at the third observation and not again."""
    watch = GradientWatch()
    said = [watch.faults({"conv": 0.0, "fc": 1.0}) for _ in range(6)]
    assert [len(faults) for faults in said] == [0, 0, 1, 0, 0, 0]


def test_a_watch_says_what_is_new() -> None:
    """Of two gradients that exploded, the one that was named before is not named again."""
    watch = GradientWatch()
    assert "of conv exploded" in watch.faults({"conv": math.nan, "fc": 1.0})[0]
    [fault] = watch.faults({"conv": math.nan, "fc": math.nan})
    assert fault.startswith("The gradients of fc exploded")


def test_a_watch_keeps_its_own_copy() -> None:
    """A loop that writes its norms into one dict is understood."""
    watch, norms = GradientWatch(), {"conv": 1.0}
    for _ in range(3):
        watch.faults(norms)
    norms["conv"] = 2000.0
    assert len(watch.faults(norms)) == 1
