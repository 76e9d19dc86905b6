"""judging: int8 is refused if it is worse beyond what the number of pictures can tell, and never by luck."""

from typing import Any

import numpy as np
import pytest

from sagemaker_gluoncv_container.inference.judging import ERROR_RATE, Comparison, compare, fault


def comparison(pictures: int, worse: int, better: int, other: int = 0, accuracy: float = 0.8) -> Comparison:
    """Return what came of so many pictures, of which int8 answers some worse, some better, and some just otherwise."""
    gained = (better - worse) / pictures
    same = 1 - (worse + better + other) / pictures
    return Comparison(pictures, None, accuracy, accuracy + gained, same, worse, better)


def probabilities(classes: list[int], count: int = 4) -> Any:
    """Return answers of these classes."""
    return (0.1 + 0.6 * np.eye(count)[classes]).astype(np.float32)


def test_compare() -> None:
    """Accuracies, agreement, and the pictures that are worse and better are counted."""
    float32, int8 = probabilities([0, 1, 2, 3, 0, 0]), probabilities([0, 1, 3, 2, 1, 0])
    found = compare(float32, int8, np.array([0, 1, 2, 2, 3, 2], np.float32))
    assert found == Comparison(6, None, pytest.approx(3 / 6), pytest.approx(3 / 6), pytest.approx(3 / 6), 1, 1)


def test_compare_labels() -> None:
    """With several labels per picture each label is an answer, and a picture is worse that has fewer right ones."""
    labels = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]], np.float32)
    float32 = np.array([[0.9, 0.1, 0.9], [0.1, 0.9, 0.1], [0.9, 0.9, 0.1]], np.float32)
    int8 = np.array([[0.9, 0.9, 0.1], [0.1, 0.1, 0.1], [0.1, 0.9, 0.9]], np.float32)
    found = compare(float32, int8, labels)
    assert found == Comparison(3, 9, pytest.approx(7 / 9), pytest.approx(6 / 9), pytest.approx(4 / 9), 1, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("several", [False, True])
def test_not_finite(value: float, several: bool) -> None:
    """An answer that is not finite is wrong, and equal to none, whatever its argmax or its side of one half."""
    labels = np.zeros((4, 3), np.float32) if several else np.zeros(4, np.float32)
    sound = np.tile(np.array([0.4, 0.3, 0.3], np.float32), (4, 1))
    broken = np.full_like(sound, value)
    assert compare(sound, broken, labels).accuracy_int8 == 0
    assert compare(broken, sound, labels).accuracy_float32 == 0
    assert compare(broken, broken, labels).agreement == 0
    assert fault(compare(np.tile(sound, (9, 1)), np.tile(broken, (9, 1)), np.zeros((36, *labels.shape[1:]))))
    one = sound.copy()
    one[0, 1] = value
    found = compare(sound, one, labels)
    assert found.accuracy_int8 == found.agreement == 3 / 4
    assert (found.worse, found.better) == (1, 0)


def test_the_net_that_one_picture_refused() -> None:
    """Of 372 pictures float32 had 0.7634 right and int8 0.7661, with 98.39 % the same: that is not worse."""
    assert fault(Comparison(372, None, 284 / 372, 285 / 372, 366 / 372, 2, 3)) is None


@pytest.mark.parametrize(
    ("pictures", "worse", "better", "refused"),
    [
        (341, 0, 0, False), (341, 4, 0, False), (341, 5, 0, True), (341, 7, 2, False), (341, 8, 1, True),
        (2000, 25, 20, False), (372, 3, 3, False),
        # Half a point may be lost, however sure it is.
        (2000, 10, 0, False), (2000, 11, 0, True), (2000, 9, 0, False), (10_000, 80, 30, False), (10_000, 85, 30, True),
        # Few pictures tell little, but not nothing.
        (12, 1, 0, False), (12, 5, 0, True), (4, 1, 0, False), (4, 4, 0, True), (1, 0, 0, False),
    ],
)  # fmt: skip
def test_worse_beyond_chance(pictures: int, worse: int, better: int, refused: bool) -> None:
    """int8 is refused if it lost more than half a point, and an exact one-sided test rules out chance."""
    assert bool(fault(comparison(pictures, worse, better))) == refused


@pytest.mark.parametrize(
    ("pictures", "other", "refused"), [(341, 12, False), (341, 20, True), (10, 1, False), (10, 3, True)]
)
def test_other_answers(pictures: int, other: int, refused: bool) -> None:
    """Many answers that differ are a reason of their own, even if none of them was right before."""
    why = fault(comparison(pictures, 0, 0, other))
    assert bool(why) == refused
    assert not why or "97%" in why


def rate(pictures: int, worse: float, better: float, other: float, seed: int = 0) -> float:
    """Return how often int8 is refused whose answers are worse, better or just otherwise with these probabilities."""
    rest = 1 - worse - better - other
    drawn = np.random.default_rng(seed).multinomial(pictures, [worse, better, other, rest], 4000)
    return float(np.mean([fault(comparison(pictures, int(w), int(b), int(o))) is not None for w, b, o, _ in drawn]))


@pytest.mark.parametrize("pictures", [20, 100, 341, 1000, 2000])
@pytest.mark.parametrize("changed", [0.002, 0.01, 0.02])
def test_error_rate(pictures: int, changed: float) -> None:
    """A form that loses nothing is refused in at most ERROR_RATE of cases, whatever share of its answers differs."""
    assert rate(pictures, changed / 2, changed / 2, changed / 4) <= ERROR_RATE + 0.01


@pytest.mark.parametrize(
    ("pictures", "lost", "least"), [(341, 0.03, 0.85), (341, 0.05, 0.99), (2000, 0.015, 0.95), (100, 0.08, 0.9)]
)
def test_power(pictures: int, lost: float, least: float) -> None:
    """A form that does lose accuracy is refused, the more surely the more it loses and the more pictures there are."""
    assert rate(pictures, lost + 0.005, 0.005, 0.0) >= least
