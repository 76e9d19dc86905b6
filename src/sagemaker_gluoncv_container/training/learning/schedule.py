"""When to learn how fast, and when to stop: plain functions of the hyperparameters and what has been seen."""

import math
from collections.abc import Sequence

from ..hyperparameters import Hyperparameters


def learning_rate(hyperparameters: Hyperparameters, epoch: int, batch: int, batches: int) -> float:
    """Return the learning rate of a batch, both counted from 0; `batches` of an epoch, 0 where that is not known yet.

    It rises in a line over `warmup_epochs`; then it is multiplied by lr_scheduler_factor at each epoch of
    lr_scheduler_step, or falls to 0 as half a cosine (Loshchilov and Hutter, "SGDR", without restarts).
    """
    hp, rate = hyperparameters, hyperparameters.learning_rate
    if epoch < hp.warmup_epochs:
        return rate * (epoch + (batch + 1) / batches if batches else epoch + 1) / hp.warmup_epochs
    if hp.lr_scheduler == "cosine":
        done = epoch + (batch / batches if batches else 0) - hp.warmup_epochs
        return rate * (1 + math.cos(math.pi * done / (hp.epochs - hp.warmup_epochs))) / 2
    return rate * float(hp.lr_scheduler_factor ** sum(epoch >= step for step in hp.lr_scheduler_step))


def best_epoch(accuracies: Sequence[float]) -> int | None:
    """Return the first epoch of the highest accuracy, None before the first."""
    return max(range(len(accuracies)), key=lambda epoch: (accuracies[epoch], -epoch), default=None)


def stops_early(hyperparameters: Hyperparameters, accuracies: Sequence[float]) -> bool:
    """Return whether early stopping ends the job after these epochs' validation accuracies.

    As the built-in documents it: an epoch is an improvement if what it gains on the best one so far, divided by that
    best, is not less than early_stopping_tolerance; after early_stopping_patience epochs without one the job ends,
    but not before early_stopping_min_epochs.
    """
    if not hyperparameters.early_stopping:
        return False
    best, waited = 0.0, 0
    for accuracy in accuracies:
        improved = accuracy > best and accuracy - best >= hyperparameters.early_stopping_tolerance * best
        best, waited = max(best, accuracy), 0 if improved else waited + 1
    return (
        len(accuracies) >= hyperparameters.early_stopping_min_epochs
        and waited >= hyperparameters.early_stopping_patience
    )
