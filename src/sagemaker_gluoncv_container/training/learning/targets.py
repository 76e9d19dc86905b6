"""What the net should answer: from labels to targets, with label smoothing, class weights and mixup."""

from collections.abc import Iterable

import numpy as np

from ...arrays import Floats, Integers
from ..hyperparameters import Counted

# Without a limit, a class with one picture in a million would drown all others.
_MOST_WEIGHT = 100.0
# Keeps the draws of a batch apart from those of a picture, which come from (seed, epoch, place in the epoch).
_MIXUP = 1


def count_labels(labels: Iterable[tuple[float, ...]], classes: int, multi_label: bool) -> Integers:
    """Return how many pictures have each class, int64 (classes,)."""
    counts = np.zeros(classes, np.int64)
    for each in labels:
        if multi_label:
            counts += np.array(each, np.int64)
        else:
            counts[int(each[0])] += 1
    return counts


def balanced(counts: Integers) -> Floats:
    """Return a weight for each class, float32 (classes,), with which all classes weigh the same.

    Source: scikit-learn's class_weight="balanced", pictures / (classes * pictures of the class). A picture weighs 1 on
    average.
    """
    weights = counts.sum() / (len(counts) * np.maximum(counts, 1))
    return np.asarray(np.minimum(weights, _MOST_WEIGHT), np.float32)


def positive_weights(counts: Integers, pictures: int) -> Floats:
    """Return how much more a present label weighs than an absent one, float32 (classes,): absent / present pictures."""
    weights = np.where(counts > 0, (pictures - counts) / np.maximum(counts, 1), 1.0)
    return np.asarray(np.clip(weights, 1 / _MOST_WEIGHT, _MOST_WEIGHT), np.float32)


class Targets:
    """Makes the targets of training batches."""

    def __init__(self, hyperparameters: Counted, class_weights: Floats | None = None) -> None:
        """`class_weights`, float32 (classes,), are for jobs with one label per picture."""
        self._hp, self._class_weights = hyperparameters, class_weights

    def of(self, labels: Floats) -> Floats:
        """Return the targets of labels (n,) or (n, classes): float32 (n, classes), smoothed and weighted.

        Smoothing is that of Szegedy et al., "Rethinking the Inception Architecture": a share is spread over all
        classes. With several labels per picture, each label moves half that share towards its opposite.
        """
        classes, share = self._hp.num_classes, self._hp.label_smoothing
        if self._hp.multi_label:
            return np.asarray(labels.reshape(len(labels), classes) * (1 - share) + share / 2, np.float32)
        own = labels.astype(int)
        targets = np.full((len(own), classes), share / classes, np.float32)
        targets[np.arange(len(own)), own] += 1 - share
        if self._class_weights is not None:
            targets *= self._class_weights[own, None]
        return targets

    def mixed(self, pixels: Floats, targets: Floats, epoch: int, batch: int) -> tuple[Floats, Floats]:
        """Return the batch with each picture blended with another one of it, if `mixup` asks for it.

        Source: Zhang et al., "mixup". The larger share is always the picture's own, so that accuracy keeps its meaning.
        """
        if not self._hp.mixup:
            return pixels, targets
        random = np.random.default_rng((self._hp.seed, epoch, batch, _MIXUP))
        share = random.beta(self._hp.mixup, self._hp.mixup)
        own, other = np.float32(max(share, 1 - share)), random.permutation(len(pixels))
        return (
            own * pixels + (1 - own) * pixels[other],
            own * targets + (1 - own) * targets[other],
        )
