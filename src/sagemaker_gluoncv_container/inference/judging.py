"""Judges whether a net in int8 is worse than in float32, as far as the pictures that both answered can tell.

Accuracy: int8 is refused if it lost more than half a point on these pictures and chance does not explain that. Only
the pictures that one of the two answers better count. If int8 were no worse, each of these would be as likely better as
worse, so the number of worse ones would follow a binomial distribution of one half: McNemar's test, exact and one-sided
(with several labels per picture it is the sign test). Int8 that is no worse is refused in at most ERROR_RATE of cases.

Answers: int8 is refused if more than 3 % of the answers differ, again beyond chance. This test needs no labels, and
sees what the accuracy on few pictures cannot show. Int8 that changes no more answers than that is refused in at most
ERROR_RATE of cases.

An answer that is not finite is wrong, and equal to no other; with several labels it spoils all of its picture.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc

from ..arrays import Flags, Floats

# What int8 may cost, on pictures that it has not been judged on, too.
MOST_LOST_ACCURACY, LEAST_AGREEMENT = 0.005, 0.97
# Of each test: how often int8 is refused that costs no more than it may.
ERROR_RATE = 0.05
# Floats add errors of their own to a loss of exactly the limit.
_MARGIN = 1e-9


@dataclass(frozen=True)
class Comparison:
    """Accuracies and agreement as shares of all answers; how many pictures int8 answers worse, and better.

    An answer is a picture or, where it has several labels, each of all `labels`, else None.
    """

    pictures: int
    labels: int | None
    accuracy_float32: float
    accuracy_int8: float
    agreement: float
    worse: int
    better: int

    @property
    def lost(self) -> float:
        """The accuracy that int8 loses, as a share; below 0 if it wins."""
        return self.accuracy_float32 - self.accuracy_int8


def compare(float32: Floats, int8: Floats, labels: Floats) -> Comparison:
    """Compare the probabilities of both, (n, classes), with what is right: classes (n,), or labels (n, classes)."""
    finite = [np.isfinite(each).all(1)[:, None] for each in (float32, int8)]
    if labels.ndim == 1:
        answers, right = [each.argmax(1)[:, None] for each in (float32, int8)], labels[:, None]
    else:
        answers, right = [each > 0.5 for each in (float32, int8)], labels
    before, after = ((answer == right) & known for answer, known in zip(answers, finite, strict=True))
    same: Flags = (answers[0] == answers[1]) & finite[0] & finite[1]
    gained = after.sum(1) - before.sum(1)
    return Comparison(
        pictures=len(labels),
        labels=None if labels.ndim == 1 else labels.size,
        accuracy_float32=float(before.mean()),
        accuracy_int8=float(after.mean()),
        agreement=float(same.mean()),
        worse=int((gained < 0).sum()),
        better=int((gained > 0).sum()),
    )


def fault(comparison: Comparison) -> str | None:
    """Return why int8 must not be used, None if nothing speaks against it."""
    changed = comparison.worse + comparison.better
    if comparison.lost > MOST_LOST_ACCURACY + _MARGIN and _chance(comparison.worse, changed, 0.5) < ERROR_RATE:
        return (
            f"it may lose {100 * MOST_LOST_ACCURACY:g} points of accuracy, and of {changed} pictures that it answers "
            f"otherwise {comparison.worse} are worse, which chance does not explain"
        )
    # With several labels per picture their answers depend on each other: they count as one picture's share.
    different = int(comparison.pictures * (1 - comparison.agreement) + _MARGIN)
    if _chance(different, comparison.pictures, 1 - LEAST_AGREEMENT) < ERROR_RATE:
        return f"that must be {LEAST_AGREEMENT:.0%}, and chance does not explain less"
    return None


def _chance(count: int, of: int, probability: float) -> float:
    """Return how likely at least `count` successes in `of` trials are."""
    return float(bdtrc(count - 1, of, probability)) if count else 1.0
