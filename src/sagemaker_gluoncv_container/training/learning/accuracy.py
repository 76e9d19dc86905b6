"""The figures of an epoch, counted exactly over batches of any size."""

from dataclasses import dataclass

import numpy as np

from ...arrays import Floats


def probabilities(logits: Floats, multi_label: bool) -> Floats:
    """Return what the logits (n, classes) say as probabilities: a softmax, or a sigmoid for each label."""
    if multi_label:
        # In two halves, so that neither exponential overflows.
        small = np.exp(-np.abs(logits))
        return np.asarray(np.where(logits >= 0, 1 / (1 + small), small / (1 + small)), np.float32)
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True), np.float32)


def losses(logits: Floats, labels: Floats, multi_label: bool) -> Floats:
    """Return the cross-entropy of each picture, float32 (n,): unsmoothed and unweighted, so that jobs compare.

    With several labels a picture it is the mean over the labels.
    """
    if multi_label:
        flat = labels.reshape(logits.shape)
        each = np.maximum(logits, 0) - logits * flat + np.log1p(np.exp(-np.abs(logits)))
        return np.asarray(each.mean(1), np.float32)
    shifted = logits - logits.max(1, keepdims=True)
    own = shifted[np.arange(len(labels)), labels.astype(int)]
    return np.asarray(np.log(np.exp(shifted).sum(1)) - own, np.float32)


@dataclass
class Accuracy:
    """Counts right answers. With `multi_label` each label of a picture is an answer, right on its side of 1/2."""

    top_k: int | None = None
    multi_label: bool = False
    pictures: int = 0
    answers: int = 0
    right: int = 0
    right_in_top_k: int = 0
    loss: float = 0.0

    def update(self, logits: Floats, labels: Floats, losses: Floats) -> None:
        """Add a batch: logits (n, classes), labels (n,) or (n, classes), losses (n,)."""
        self.pictures += len(labels)
        self.loss += float(losses.sum(dtype=np.float64))
        if self.multi_label:
            self.answers += logits.size
            self.right += int(((logits > 0) == labels.reshape(logits.shape)).sum())
            return
        self.answers += len(labels)
        self.right += int((logits.argmax(1) == labels).sum())
        if self.top_k:
            best = np.argpartition(-logits, self.top_k - 1, axis=1)[:, : self.top_k]
            self.right_in_top_k += int((best == labels[:, None]).any(1).sum())

    def values(self) -> dict[str, float]:
        """Return the metrics by the built-in's names."""
        values = {"accuracy": self.right / max(1, self.answers)}
        if self.top_k:
            values[f"top_k_accuracy_{self.top_k}"] = self.right_in_top_k / max(1, self.answers)
        return values

    @property
    def mean_loss(self) -> float:
        """The loss of a picture, on average."""
        return self.loss / max(1, self.pictures)
