"""The figures of an epoch, counted exactly over batches of any size."""

import math
from dataclasses import dataclass

import numpy as np

from ...arrays import Doubles, Flags, Floats


def finite_rows(logits: Floats) -> Flags:
    """Return which pictures (n,) of logits (n, classes) have an answer: one without NaN or infinity."""
    return np.asarray(np.isfinite(logits).all(1), np.bool_)


def probabilities(logits: Floats, multi_label: bool) -> Floats:
    """Return the probabilities, float32 (n, classes), of logits (n, classes): a softmax, or a sigmoid for each label.

    Those of a picture are all NaN if any of its logits is NaN or infinite.
    """
    finite = finite_rows(logits)[:, None]
    logits = np.where(finite, logits, 0)
    if multi_label:
        # One formula for each sign, so that neither exponential overflows.
        small = np.exp(-np.abs(logits))
        shares = np.where(logits >= 0, 1 / (1 + small), small / (1 + small))
    else:
        raised = np.exp(logits - logits.max(1, keepdims=True))
        shares = raised / raised.sum(1, keepdims=True)
    return np.asarray(np.where(finite, shares, np.nan), np.float32)


def losses(logits: Floats, labels: Floats, multi_label: bool) -> Doubles:
    """Return the cross-entropy of each picture, float64 (n,): unsmoothed and unweighted, so that jobs can be compared.

    With several labels per picture it is the mean over the labels. A picture that the net answers with NaN or infinity
    has an infinite loss.
    """
    finite = finite_rows(logits)
    exact = np.where(finite[:, None], logits, 0).astype(np.float64)
    if multi_label:
        flat = labels.reshape(logits.shape)
        each = (np.maximum(exact, 0) - exact * flat + np.log1p(np.exp(-np.abs(exact)))).mean(1)
    else:
        shifted = exact - exact.max(1, keepdims=True)
        own = shifted[np.arange(len(labels)), labels.astype(int)]
        each = np.log(np.exp(shifted).sum(1)) - own
    return np.asarray(np.where(finite, each, np.inf), np.float64)


@dataclass
class Accuracy:
    """Counts right answers. With `multi_label` each label of a picture is an answer, right on its side of 1/2.

    A picture that the net answers with NaN or infinity has no right answer.
    """

    top_k: int | None = None
    multi_label: bool = False
    pictures: int = 0
    answers: int = 0
    right: int = 0
    right_in_top_k: int = 0
    loss: float = 0.0
    not_finite: int = 0

    def update(self, logits: Floats, labels: Floats, losses: Floats | Doubles) -> None:
        """Add a batch: logits (n, classes), labels (n,) or (n, classes), losses (n,)."""
        self.pictures += len(labels)
        self.loss += float(losses.sum(dtype=np.float64))
        finite = finite_rows(logits)
        self.not_finite += int((~finite).sum())
        logits, labels = logits[finite], labels.reshape(len(finite), -1)[finite]
        if self.multi_label:
            self.answers += len(finite) * logits.shape[1]
            self.right += int(((logits > 0) == labels).sum())
            return
        self.answers += len(finite)
        self.right += int((logits.argmax(1) == labels[:, 0]).sum())
        if self.top_k:
            best = np.argpartition(-logits, self.top_k - 1, axis=1)[:, : self.top_k]
            self.right_in_top_k += int((best == labels).any(1).sum())

    def void(self) -> None:
        """Count every answer as wrong: the net cannot be trusted although its answers are numbers."""
        self.right = self.right_in_top_k = 0
        self.not_finite, self.loss = self.pictures, math.inf

    def values(self) -> dict[str, float]:
        """Return the metrics by the built-in's names."""
        values = {"accuracy": self.right / max(1, self.answers)}
        if self.top_k:
            values[f"top_k_accuracy_{self.top_k}"] = self.right_in_top_k / max(1, self.answers)
        return values

    @property
    def mean_loss(self) -> float:
        """The mean loss of a picture."""
        return self.loss / max(1, self.pictures)
