"""The training loop: epochs, metrics, and the log lines that users of the built-in algorithm parse."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon
from numpy.typing import NDArray
from tqdm import tqdm

from ..hyperparameters import Hyperparameters
from .batches import Batch, Batches

logger = logging.getLogger(__name__)

# The built-in algorithm reports every 20 batches.
_BATCHES_A_LINE = 20


@dataclass
class Accuracy:
    """Counts right answers over any number of batches: exact, whatever the batches' sizes."""

    top_k: int | None
    seen: int = 0
    right: int = 0
    right_in_top_k: int = 0

    def update(self, logits: NDArray[np.float32], labels: NDArray[np.float32]) -> None:
        """Add a batch: logits (n, classes), labels (n,)."""
        self.seen += len(labels)
        self.right += int((logits.argmax(1) == labels).sum())
        if self.top_k:
            best = np.argpartition(-logits, self.top_k - 1, axis=1)[:, : self.top_k]
            self.right_in_top_k += int((best == labels[:, None]).any(1).sum())

    def values(self) -> dict[str, float]:
        """Return the metrics by the built-in's names."""
        values = {"accuracy": self.right / max(1, self.seen)}
        if self.top_k:
            values[f"top_k_accuracy_{self.top_k}"] = self.right_in_top_k / max(1, self.seen)
        return values


class Stopped(Exception):  # noqa: N818
    """The platform wants the job to end; not an error."""


class Loop:
    """Trains a net on one context, an epoch at a time."""

    def __init__(
        self,
        net: gluon.HybridBlock,
        hyperparameters: Hyperparameters,
        context: mx.Context,
        should_stop: Callable[[], bool],
    ) -> None:
        """`should_stop` is asked before each batch."""
        self._net, self._context, self._hp, self._should_stop = net, context, hyperparameters, should_stop
        self._loss = gluon.loss.SoftmaxCrossEntropyLoss()
        settings = {
            "learning_rate": hyperparameters.learning_rate,
            "momentum": hyperparameters.momentum,
            "wd": hyperparameters.weight_decay,
        }
        self._trainer = gluon.Trainer(net.collect_params(), hyperparameters.optimizer, settings)

    def fit(self, train: Batches, validation: Batches, keep: Callable[[int, dict[str, float]], None]) -> None:
        """Train for all epochs, or until it is time to stop; `keep(epoch, metrics)` is called at each best one."""
        best: tuple[float, int] | None = None
        try:
            for epoch in range(self._hp.epochs):
                self.train(epoch, train)
                metrics = self.validate(epoch, validation)
                if best is None or metrics["accuracy"] > best[0]:
                    best = metrics["accuracy"], epoch
                    keep(epoch, {f"validation:{name}": value for name, value in metrics.items()})
        except Stopped:
            logger.info("Asked to stop: ending at this batch")
            if best is None:
                logger.warning("No epoch was finished: the model kept is as it is now, and was never validated")
                keep(0, {})
        if best:
            logger.info("Kept the model of epoch %d, Validation-accuracy=%f", best[1], best[0])

    def train(self, epoch: int, batches: Batches) -> dict[str, float]:
        """Train for one epoch and return its metrics. Raises Stopped when it is time to end."""
        steps = sum(epoch >= step for step in self._hp.lr_scheduler_step)
        self._trainer.set_learning_rate(self._hp.learning_rate * self._hp.lr_scheduler_factor**steps)
        accuracy, start, since, samples = Accuracy(self._hp.top_k), time.time(), time.time(), 0
        for number, (pixels, labels) in enumerate(self._watched(epoch, "train", batches)):
            data, target = (mx.nd.array(each, ctx=self._context) for each in (pixels, labels))
            with autograd.record():
                logits = self._net(data)
                loss = self._loss(logits, target)
            loss.backward()
            self._trainer.step(len(labels))
            accuracy.update(logits.asnumpy(), labels)
            samples += len(labels)
            if number and number % _BATCHES_A_LINE == 0:
                metrics = "\t".join(f"{name}={value:f}" for name, value in accuracy.values().items())
                speed = samples / (time.time() - since)
                logger.info("Epoch[%d] Batch [%d]\tSpeed: %.2f samples/sec\t%s", epoch, number, speed, metrics)
                since, samples = time.time(), 0
        _report(epoch, "Train", accuracy.values())
        logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - start)
        return accuracy.values()

    def validate(self, epoch: int, batches: Batches) -> dict[str, float]:
        """Return the metrics over every validation picture, each counted once. Raises Stopped."""
        accuracy = Accuracy(self._hp.top_k)
        for pixels, labels in self._watched(epoch, "validation", batches):
            accuracy.update(self._net(mx.nd.array(pixels, ctx=self._context)).asnumpy(), labels)
        _report(epoch, "Validation", accuracy.values())
        return accuracy.values()

    def _watched(self, epoch: int, what: str, batches: Batches) -> Iterator[Batch]:
        bar: Iterable[Batch] = tqdm(
            batches.epoch(epoch),
            desc=f"epoch {epoch} {what}",
            total=len(batches),
            unit="batch",
            leave=False,
            disable=not sys.stderr.isatty(),
        )
        for batch in bar:
            if self._should_stop():
                raise Stopped
            yield batch


def _report(epoch: int, split: str, metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        logger.info("Epoch[%d] %s-%s=%f", epoch, split, name, value)
