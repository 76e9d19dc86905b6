"""The training loop: epochs, figures, and the log lines that users of the built-in algorithm parse."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field

import numpy as np
from tqdm import tqdm

from ...data.batches import Batch, Batches
from ...ending import Ended, Ends, check, never
from ...errors import ClientError
from ..hyperparameters import Counted
from ..model.network import parameters
from ..model.optimization import Optimization
from ..results.checkpoint import Checkpoints, Progress
from ..results.kept import OBJECTIVE, KeptModels, ValidationAnswers
from .accuracy import Accuracy, losses, probabilities
from .events import EventLog
from .gradients import GradientWatch
from .schedule import learning_rate, stops_early
from .targets import Targets

logger = logging.getLogger(__name__)

# The built-in algorithm reports every 20 batches.
_BATCHES_A_LINE = 20
# What an interruption without notice costs at most.
_SECONDS_A_CHECKPOINT = 300


class Diverged(Exception):  # noqa: N818
    """The loss is no number any more."""


@dataclass
class Loop:
    """Trains a net. `ends` is asked before each batch, and gives the reason if the job is to end there."""

    hyperparameters: Counted
    optimization: Optimization
    train: Batches
    validation: Batches
    targets: Targets
    kept: KeptModels
    progress: Progress
    checkpoints: Checkpoints | None = None
    events: EventLog | None = None
    ends: Ends = never
    _watch: GradientWatch = field(default_factory=GradientWatch)
    _saved: float = field(default_factory=time.monotonic)

    def fit(self) -> None:
        """Train from where the progress is to the last epoch, or until it is time to end; the best epoch is kept.

        Raises ClientError if the net learns nothing but NaN, or if too many pictures are bad.
        """
        try:
            while self.progress.epoch < self.hyperparameters.epochs and not self._stops_early():
                self.train_epoch()
                self.validate()
        except Ended as reason:
            logger.info("%s: ending at this batch", reason)
            self.save_checkpoint()
            if not self.progress.history:
                logger.warning("No epoch was finished: the model kept is as it is now, and was never validated")
                self.kept.take_unvalidated(parameters(self.optimization.net))
        except Diverged as error:
            do = "Lower learning_rate, or set warmup_epochs"
            if not self.progress.history:
                raise ClientError("The loss is not finite", str(error), do) from error
            logger.error("The loss is not finite: %s. Ending with the best epoch so far. %s", error, do)
        best = self.kept.best(self.progress.history)
        if best is not None:
            accuracy = self.progress.history[best][OBJECTIVE]
            logger.info("Kept the model of epoch %d, Validation-accuracy=%f", best, accuracy)

    def _stops_early(self) -> bool:
        stops = stops_early(self.hyperparameters, [figures[OBJECTIVE] for figures in self.progress.history])
        if stops:
            logger.info("Early stopping: no improvement in %d epochs", self.hyperparameters.early_stopping_patience)
        return stops

    def train_epoch(self) -> None:
        """Train to the end of the running epoch. Raises Ended, Diverged."""
        progress, epoch = self.progress, self.progress.epoch
        accuracy = Accuracy(**(progress.running or {"top_k": self.hyperparameters.top_k, "multi_label": self._many}))
        began = since = time.monotonic()
        seen = accuracy.pictures
        for batch in self._watched("train", self.train, progress.batch):
            rate = self.learn(batch, accuracy)
            progress.batch, progress.running = batch.number + 1, asdict(accuracy)
            if batch.number % _BATCHES_A_LINE == 0:
                self._observe(batch, rate, accuracy)
                if batch.number:
                    speed = (accuracy.pictures - seen) / (time.monotonic() - since)
                    metrics = "\t".join(f"{name}={value:f}" for name, value in accuracy.values().items())
                    logger.info(
                        "Epoch[%d] Batch [%d]\tSpeed: %.2f samples/sec\t%s", epoch, batch.number, speed, metrics
                    )
                    since, seen = time.monotonic(), accuracy.pictures
            if time.monotonic() - self._saved > _SECONDS_A_CHECKPOINT:
                self.save_checkpoint()
        _report(epoch, "Train", accuracy.values())
        logger.info("Epoch[%d] Time cost=%.3f", epoch, time.monotonic() - began)

    @property
    def _many(self) -> bool:
        return self.hyperparameters.multi_label

    def learn(self, batch: Batch, accuracy: Accuracy) -> float:
        """Take one step, count what the net said before it, and return its learning rate. Raises Diverged."""
        epoch = self.progress.epoch
        rate = learning_rate(self.hyperparameters, epoch, batch.number, len(self.train))
        targets = self.targets.of(batch.labels)
        pixels, targets = self.targets.mixed(batch.pixels, targets, epoch, batch.number)
        logits, lost = self.optimization.learn(pixels, targets, rate)
        if not np.isfinite(lost).all():
            raise Diverged(f"epoch {epoch}, batch {batch.number}, learning rate {rate:g}")
        accuracy.update(logits, batch.labels, lost)
        return rate

    def validate(self) -> None:
        """End the epoch: figures over every validation picture, each counted once; keep and log it. Raises Ended."""
        progress, epoch = self.progress, self.progress.epoch
        accuracy, answers = Accuracy(self.hyperparameters.top_k, self._many), []
        for batch in self._watched("validation", self.validation, 0):
            logits = self.optimization.answer(batch.pixels)
            accuracy.update(logits, batch.labels, losses(logits, batch.labels, self._many))
            answers.append((probabilities(logits, self._many), batch.labels, batch.names))
        if not answers:
            raise ClientError("No validation picture could be read", do="See the log for the reason of each")
        _report(epoch, "Validation", accuracy.values())
        progress.history.append(self._figures(Accuracy(**progress.running), accuracy))
        shares, labels, names = zip(*answers, strict=True)
        joined = ValidationAnswers(
            np.concatenate(shares), np.concatenate(labels), [name for part in names for name in part]
        )
        self.kept.take(progress.history, parameters(self.optimization.net), joined)
        progress.epoch, progress.batch, progress.running = epoch + 1, 0, {}
        self._note_epoch()
        self.save_checkpoint()

    def _figures(self, train: Accuracy, validation: Accuracy) -> dict[str, float]:
        """Return the figures of an epoch, and log them in one line for metric definitions to read."""
        figures: dict[str, float] = {"epoch": self.progress.epoch}
        for split, accuracy in (("train", train), ("validation", validation)):
            figures |= {f"{split}:{name}": value for name, value in accuracy.values().items()}
            figures[f"{split}:loss"] = accuracy.mean_loss
        figures["learning_rate"] = self.optimization.learning_rate
        logger.info(
            "%s",
            " ".join(
                f"{name}={value:.6g}" if name in ("epoch", "learning_rate") else f"{name}={value:f}"
                for name, value in figures.items()
            ),
        )
        return figures

    def _observe(self, batch: Batch, rate: float, accuracy: Accuracy) -> None:
        """Look at the gradients now and then: a sign that a job goes wrong long before its accuracy says so."""
        for fault in self._watch.faults(self.optimization.gradient_norms(len(batch.labels))):
            logger.warning("Epoch[%d] Batch [%d] %s", self.progress.epoch, batch.number, fault)
        if self.events:
            step = self.progress.epoch * len(self.train) + batch.number
            self.events.scalar("train/loss", accuracy.mean_loss, step)
            self.events.scalar("learning_rate", rate, step)

    def _note_epoch(self) -> None:
        if self.events:
            for name, value in self.progress.history[-1].items():
                self.events.scalar(f"epoch/{name.replace(':', '/')}", value, self.progress.epoch)
            for tag, values in self.optimization.histograms():
                self.events.histogram(tag, values, self.progress.epoch)

    def save_checkpoint(self) -> None:
        """Write a checkpoint, if the job has a place for them; where that fails the job goes on without."""
        self._saved = time.monotonic()
        if not self.checkpoints:
            return
        self.progress.kept = self.kept.epochs(self.progress.history)
        self.progress.skipped = dict(self.train.skipped.reasons)
        try:
            self.kept.secure()
            self.checkpoints.write(self.progress, self.optimization.state())
        except OSError as error:
            logger.error("The checkpoint was not written, the job goes on without it: %s", error)

    def _watched(self, what: str, batches: Batches, first: int) -> Iterator[Batch]:
        epoch = self.progress.epoch
        bar: Iterable[Batch] = tqdm(
            batches.epoch(epoch, first),
            desc=f"epoch {epoch} {what}",
            initial=first,
            total=len(batches) or None,
            unit="batch",
            leave=False,
            disable=not sys.stderr.isatty(),
        )
        for batch in bar:
            check(self.ends)
            yield batch


def _report(epoch: int, split: str, metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        logger.info("Epoch[%d] %s-%s=%f", epoch, split, name, value)
