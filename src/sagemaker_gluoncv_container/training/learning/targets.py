"""What the net should answer: from labels to targets, with smoothing, weights of the classes and mixup."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ..hyperparameters import Hyperparameters

# A class with one picture in a million would else drown all others.
_MOST_WEIGHT = 100.0
# Keeps the draws of a batch apart from those of a picture, which come from (seed, epoch, place).
_MIXUP = 1


def count_labels(labels: Iterable[tuple[float, ...]], classes: int, multi_label: bool) -> NDArray[np.int64]:
    """Return how many pictures have each class, int64 (classes,)."""
    counts = np.zeros(classes, np.int64)
    for each in labels:
        if multi_label:
            counts += np.array(each, np.int64)
        else:
            counts[int(each[0])] += 1
    return counts


def balanced(counts: NDArray[np.int64]) -> Floats:
    """Return a weight for each class, float32 (classes,), with which all classes weigh the same, 1 on average.

    As scikit-learn's class_weight="balanced": pictures / (classes * pictures of the class).
    """
    weights = counts.sum() / (len(counts) * np.maximum(counts, 1))
    return np.asarray(np.minimum(weights, _MOST_WEIGHT), np.float32)


def positive_weights(counts: NDArray[np.int64], pictures: int) -> Floats:
    """Return what a present label weighs against an absent one, float32 (classes,): as many times as it is rarer."""
    weights = np.where(counts > 0, (pictures - counts) / np.maximum(counts, 1), 1.0)
    return np.asarray(np.clip(weights, 1 / _MOST_WEIGHT, _MOST_WEIGHT), np.float32)


class Targets:
    """Makes the targets of training batches."""

    def __init__(self, hyperparameters: Hyperparameters, class_weights: Floats | None = None) -> None:
        """`class_weights`, float32 (classes,), are for jobs with one label a picture."""
        self._hp, self._class_weights = hyperparameters, class_weights

    def of(self, labels: Floats) -> Floats:
        """Return the targets of labels (n,) or (n, classes): float32 (n, classes), smoothed and weighted.

        Smoothing as Szegedy et al., "Rethinking the Inception Architecture": a share is spread over all classes; with
        several labels a picture each label moves half that share towards its opposite.
        """
        classes, share = self._hp.num_classes or 1, self._hp.label_smoothing
        if self._hp.multi_label:
            return np.asarray(labels.reshape(len(labels), classes) * (1 - share) + share / 2, np.float32)
        targets = np.eye(classes, dtype=np.float32)[labels.astype(int)] * (1 - share) + share / classes
        if self._class_weights is not None:
            targets *= self._class_weights[labels.astype(int), None]
        return np.asarray(targets, np.float32)

    def mixed(self, pixels: Floats, targets: Floats, epoch: int, batch: int) -> tuple[Floats, Floats]:
        """Return the batch with each picture laid over another one of it, if `mixup` asks for it.

        Zhang et al., "mixup", with the larger share always the picture's own, so that accuracy keeps a meaning.
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
