"""The training loop: epochs of training and validation, checkpoints, and how a job ends."""

import logging
import time
from dataclasses import asdict, dataclass, field

import numpy as np

from ... import disk
from ...data.batches import Batch, Batches
from ...ending import Ended, Ends, check, never
from ...errors import ClientError, some
from ..hyperparameters import Counted
from ..model.network import parameters
from ..model.optimization import Optimization
from ..results.checkpoint import Checkpoints, Progress
from ..results.kept import KeptModels, ValidationAnswers, not_finite
from . import log
from .accuracy import Accuracy, losses, probabilities
from .events import EventLog
from .gradients import GradientWatch
from .schedule import OBJECTIVE, learning_rate, objectives, stops_early
from .targets import Targets

logger = logging.getLogger(__name__)

# What an interruption without notice costs at most.
_SECONDS_PER_CHECKPOINT = 300
_SLOWER = "Lower learning_rate, or set warmup_epochs"


class Diverged(Exception):  # noqa: N818
    """The loss is not finite any more."""


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
        """Train from where the progress is to the last epoch, or until it is time to end. The best epoch is kept.

        Raises ClientError if the net diverges before any epoch can be kept, if too many pictures are bad, or if the
        model does not fit on the disk.
        """
        self._check_room()
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
            if self.kept.best(self.progress.history) is None:
                raise ClientError("The loss is not finite", f"This happened in {error}", _SLOWER) from error
            logger.error("The loss is not finite since %s. Ending with the best epoch so far. %s", error, _SLOWER)
        self._conclude()

    def _check_room(self) -> None:
        """Raise ClientError if the model will not fit on the disk, and warn if checkpoints will not."""
        weights = sum(array.nbytes for array in parameters(self.optimization.net).values())
        self.kept.check_room(weights, self.hyperparameters.epochs)
        if self.checkpoints:
            self.checkpoints.check_room(weights)

    def _conclude(self) -> None:
        """Say which epoch was kept. Raises ClientError if none could be."""
        history = self.progress.history
        best = self.kept.best(history)
        if best is not None:
            logger.info("Kept the model of epoch %d. Its validation accuracy is %f", best, history[best][OBJECTIVE])
        elif history:
            raise ClientError(
                "No epoch gave a model that can be kept",
                f"After each of {len(history)} epochs NaN or infinity was in the net's answers or weights",
                _SLOWER,
            )

    def _stops_early(self) -> bool:
        stops = stops_early(self.hyperparameters, objectives(self.progress.history))
        if stops:
            logger.info("Early stopping: no improvement in %d epochs", self.hyperparameters.early_stopping_patience)
        return stops

    def train_epoch(self) -> None:
        """Train to the end of the running epoch. Raises Ended, Diverged."""
        progress, epoch = self.progress, self.progress.epoch
        accuracy = Accuracy(**(progress.running or {"top_k": self.hyperparameters.top_k, "multi_label": self._many}))
        began = time.monotonic()
        speed = log.SpeedLines(epoch, accuracy.pictures)
        for batch in log.watched(epoch, "Training", self.train, progress.batch):
            check(self.ends)
            self.learn(batch, accuracy)
            progress.batch, progress.running = batch.number + 1, asdict(accuracy)
            if batch.number % log.BATCHES_PER_LINE == 0:
                self._observe(batch, accuracy)
                if batch.number:
                    speed.write(batch.number, accuracy)
            if time.monotonic() - self._saved > _SECONDS_PER_CHECKPOINT:
                self.save_checkpoint()
        log.metrics(epoch, "Train", accuracy.values())
        logger.info("Epoch[%d] Time cost=%.3f", epoch, time.monotonic() - began)

    @property
    def _many(self) -> bool:
        return self.hyperparameters.multi_label

    def learn(self, batch: Batch, accuracy: Accuracy) -> None:
        """Take one step, and count what the net answered before it. Raises Diverged."""
        epoch = self.progress.epoch
        rate = learning_rate(self.hyperparameters, epoch, batch.number, len(self.train))
        targets = self.targets.of(batch.labels)
        pixels, targets = self.targets.mixed(batch.pixels, targets, epoch, batch.number)
        logits, lost = self.optimization.learn(pixels, targets, rate)
        if not np.isfinite(lost).all():
            raise Diverged(f"epoch {epoch}, batch {batch.number}, at learning rate {rate:g}")
        accuracy.update(logits, batch.labels, lost)
        self.progress.learning_rate = rate

    def validate(self) -> None:
        """End the epoch: measure it on every validation picture, each counted once; keep and log it. Raises Ended."""
        progress, epoch = self.progress, self.progress.epoch
        accuracy, answers = self._answers()
        weights = parameters(self.optimization.net)
        if broken := not_finite(weights):
            accuracy.void()
            logger.warning(
                "Epoch[%d] NaN or infinity is in %s. This epoch is not kept. %s", epoch, some(broken), _SLOWER
            )
        elif accuracy.not_finite:
            text = "Epoch[%d] NaN or infinity is in the answers to %d of %d validation pictures. %s. %s"
            skipped = "This epoch is not kept"
            logger.warning(text, epoch, accuracy.not_finite, accuracy.pictures, skipped, _SLOWER)
        log.metrics(epoch, "Validation", accuracy.values())
        progress.history.append(self._figures(Accuracy(**progress.running), accuracy))
        log.figures(progress.history[-1])
        self.kept.take(progress.history, weights, answers)
        progress.epoch, progress.batch, progress.running = epoch + 1, 0, {}
        self._note_epoch()
        self.save_checkpoint()

    def _answers(self) -> tuple[Accuracy, ValidationAnswers]:
        """Return what the net answers to the validation pictures, and how much of it is right. Raises Ended.

        If a layer overflows for the first batch, no answer counts, because an endpoint would answer NaN.
        """
        accuracy = Accuracy(self.hyperparameters.top_k, self._many)
        shares, labels, names, is_sound = [], [], list[str](), True
        for batch in log.watched(self.progress.epoch, "Validation", self.validation):
            check(self.ends)
            is_sound = is_sound and (names != [] or self.optimization.is_sound(batch.pixels))
            logits = self.optimization.answer(batch.pixels)
            accuracy.update(logits, batch.labels, losses(logits, batch.labels, self._many))
            shares.append(probabilities(logits, self._many))
            labels.append(batch.labels)
            names += batch.names
        if not names:
            raise ClientError("No validation picture could be read", do="See the log for the reason of each")
        if not is_sound:
            accuracy.void()
        return accuracy, ValidationAnswers(np.concatenate(shares), np.concatenate(labels), names)

    def _figures(self, train: Accuracy, validation: Accuracy) -> dict[str, float]:
        """Return the figures of an epoch by their names in the log."""
        figures: dict[str, float] = {"epoch": self.progress.epoch}
        for split, accuracy in (("train", train), ("validation", validation)):
            figures |= {f"{split}:{name}": value for name, value in accuracy.values().items()}
            figures[f"{split}:loss"] = accuracy.mean_loss
        # Of the last step. After a restart the optimizer itself knows only where its schedule begins.
        figures["learning_rate"] = self.progress.learning_rate
        return figures

    def _observe(self, batch: Batch, accuracy: Accuracy) -> None:
        """Look at the gradients now and then: they show that a job goes wrong long before its accuracy does."""
        for fault in self._watch.faults(self.optimization.gradient_norms(len(batch.labels))):
            logger.warning("Epoch[%d] Batch [%d] %s", self.progress.epoch, batch.number, fault)
        if self.events:
            step = self.progress.epoch * len(self.train) + batch.number
            self.events.scalar("train/loss", accuracy.mean_loss, step)
            self.events.scalar("learning_rate", self.progress.learning_rate, step)

    def _note_epoch(self) -> None:
        if self.events:
            for name, value in self.progress.history[-1].items():
                self.events.scalar(f"epoch/{name.replace(':', '/')}", value, self.progress.epoch)
            for tag, values in self.optimization.histograms():
                self.events.histogram(tag, values, self.progress.epoch)

    def save_checkpoint(self) -> None:
        """Write a checkpoint, if the job has a place for them. If that fails, the job continues without it."""
        self._saved = time.monotonic()
        if not self.checkpoints:
            return
        self.progress.kept = self.kept.epochs(self.progress.history)
        self.progress.skipped = dict(self.train.skipped.reasons)
        try:
            self.kept.secure()
            self.checkpoints.write(self.progress, self.optimization.state())
        except OSError as error:
            reason = disk.failure("The checkpoint", self.checkpoints.folder, error)
            logger.error("%s The job continues without it.", reason)
