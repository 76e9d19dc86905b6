"""The learning rate, the best epoch and early stopping: plain functions of the hyperparameters and the history."""

import math
from collections.abc import Mapping, Sequence

from ..hyperparameters import Counted

# The figures of each epoch that was validated, by their names in the log and in metrics.json.
History = Sequence[Mapping[str, float]]
OBJECTIVE, LOSS = "validation:accuracy", "validation:loss"


def learning_rate(hyperparameters: Counted, epoch: int, batch: int, batches: int) -> float:
    """Return the learning rate of a batch. Epoch and batch count from 0; an epoch has `batches`, 0 if not known yet.

    It rises linearly over `warmup_epochs`. Then it is multiplied by lr_scheduler_factor at each epoch of
    lr_scheduler_step, or falls to 0 as half a cosine (Loshchilov and Hutter, "SGDR", without restarts).
    """
    hp, rate = hyperparameters, hyperparameters.learning_rate
    if epoch < hp.warmup_epochs:
        return rate * (epoch + (batch + 1) / batches if batches else epoch + 1) / hp.warmup_epochs
    if hp.lr_scheduler == "cosine":
        done = epoch + (batch / batches if batches else 0) - hp.warmup_epochs
        return rate * (1 + math.cos(math.pi * done / (hp.epochs - hp.warmup_epochs))) / 2
    return rate * float(hp.lr_scheduler_factor ** sum(epoch >= step for step in hp.lr_scheduler_step))


def objectives(history: History) -> list[float]:
    """Return the validation accuracy of each epoch, NaN where the net answered any picture with NaN or infinity.

    Such an epoch is never kept and never an improvement, whatever its other answers are. Its loss is infinite.
    """
    return [figures[OBJECTIVE] if math.isfinite(figures.get(LOSS, 0)) else math.nan for figures in history]


def best_epoch(accuracies: Sequence[float]) -> int | None:
    """Return the first epoch of the highest accuracy, None if there is none but NaN."""
    usable = [epoch for epoch, accuracy in enumerate(accuracies) if math.isfinite(accuracy)]
    return max(usable, key=lambda epoch: (accuracies[epoch], -epoch), default=None)


def stops_early(hyperparameters: Counted, accuracies: Sequence[float]) -> bool:
    """Return whether early stopping ends the job after these epochs' validation accuracies.

    The built-in's documentation is followed: an epoch is an improvement if its gain over the best one so far, divided
    by that best, is not less than early_stopping_tolerance. After early_stopping_patience epochs without an improvement
    the job ends, but not before early_stopping_min_epochs.
    """
    if not hyperparameters.early_stopping:
        return False
    best, waited = 0.0, 0
    for accuracy in accuracies:
        # False for NaN.
        improved = accuracy > best and accuracy - best >= hyperparameters.early_stopping_tolerance * best
        best, waited = max(best, accuracy) if math.isfinite(accuracy) else best, 0 if improved else waited + 1
    return (
        len(accuracies) >= hyperparameters.early_stopping_min_epochs
        and waited >= hyperparameters.early_stopping_patience
    )
