"""The model directory during a job: the best epoch so far, ready to be served at every moment."""

import dataclasses
import math
from pathlib import Path
from typing import NamedTuple

import mxnet as mx
import numpy as np

from ... import artifact, disk
from ...arrays import Arrays, Floats
from ...artifact import Description
from ...errors import ClientError, some
from ..learning.schedule import History, best_epoch, objectives
from ..model.network import save_weights
from .checkpoint import Checkpoints

_NET = "net/"
_WHAT = "The model"


class ValidationAnswers(NamedTuple):
    """What a net answers to the validation pictures.

    probabilities  float32 (n, classes)
    labels         what is right, float32: (n,) class numbers or, in a multi-label job, (n, classes) of 0 and 1
    names          what to call each picture
    """

    probabilities: Floats
    labels: Floats
    names: list[str]


def not_finite(weights: Arrays) -> list[str]:
    """Return the names of the weights and statistics in which there is NaN or infinity."""
    return [name for name, array in weights.items() if not np.isfinite(array).all()]


class KeptModels:
    """Keeps the best epoch, and every `frequency`-th beside it, in the model directory and for checkpoints."""

    def __init__(
        self,
        directory: Path,
        symbol: mx.sym.Symbol,
        description: Description,
        frequency: int | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """`description` holds what all epochs have in common."""
        self._directory, self._symbol, self._description = directory, symbol, description
        self._frequency, self._checkpoints = frequency, checkpoints
        self._unsecured: dict[int, Arrays] = {}
        self.answers: ValidationAnswers | None = None

    def best(self, history: History) -> int | None:
        """Return the epoch to serve: the best whose answers are all finite, None if there is none."""
        return best_epoch(objectives(history))

    def epochs(self, history: History) -> list[int]:
        """Return the epochs whose weights lie in the model directory."""
        every = self._frequency or len(history) + 1
        finite = {epoch for epoch, accuracy in enumerate(objectives(history)) if math.isfinite(accuracy)}
        best = self.best(history)
        return sorted(({best} if best is not None else set()) | (finite & {*range(every - 1, len(history), every)}))

    def check_room(self, weights: int, epochs: int) -> None:
        """Raise ContainerError if the model directory has no room for a job of so many epochs; `weights` are in bytes.

        Room is needed for the best epoch, for each that `frequency` asks for, and for one more while it is written.
        """
        files = 2 + (epochs // self._frequency if self._frequency else 0)
        there = sum(path.stat().st_size for path in self._directory.glob("*.params")) if self._directory.is_dir() else 0
        disk.check(_WHAT, self._directory, weights * files - there)

    def take(self, history: History, weights: Arrays, answers: ValidationAnswers) -> None:
        """Keep the last epoch of the history, if it is one to keep; `weights` are by the parameters' names.

        Raises ContainerError if it cannot be written.
        """
        epoch = len(history) - 1
        if epoch not in self.epochs(history):
            return
        content = {f"{_NET}{name}": array for name, array in weights.items()}
        if epoch == self.best(history):
            content |= {"probabilities": answers.probabilities, "labels": answers.labels}
            content["names"] = np.array(answers.names)
        if self._checkpoints:
            self._unsecured[epoch] = content
        self._put(epoch, history, content)

    def take_unvalidated(self, weights: Arrays) -> None:
        """Keep what there is before the first epoch has ended, so that the job leaves a model.

        Raises ClientError if the weights are not finite, ContainerError if they cannot be written.
        """
        if broken := not_finite(weights):
            raise ClientError(
                "The net cannot be kept as it is",
                f"NaN or infinity is in {some(broken)}",
                "Lower learning_rate, or set warmup_epochs",
            )
        self._save(0, {}, weights, [])

    def secure(self) -> None:
        """Write what was taken since the last time, for a restart. Raises OSError."""
        for epoch in list(self._unsecured):
            if self._checkpoints:
                self._checkpoints.keep(epoch, self._unsecured[epoch])
            del self._unsecured[epoch]

    def restore(self, history: History) -> None:
        """Restore the model directory to what it held at the checkpoint. Raises Damaged, ContainerError."""
        best = self.best(history)
        for epoch in sorted(self.epochs(history), key=lambda epoch: epoch != best):
            if self._checkpoints:
                self._put(epoch, history, self._checkpoints.kept(epoch))

    def _put(self, epoch: int, history: History, content: Arrays) -> None:
        weights = {name.removeprefix(_NET): array for name, array in content.items() if name.startswith(_NET)}
        if epoch != self.best(history):
            with disk.writing(_WHAT, self._directory):
                artifact.save_weights(self._directory, epoch, lambda path: save_weights(self._symbol, weights, path))
            return
        names = [str(name) for name in content["names"]]
        self.answers = ValidationAnswers(content["probabilities"], content["labels"], names)
        metrics = {name: value for name, value in history[epoch].items() if name.startswith("validation:")}
        self._save(epoch, metrics, weights, self.epochs(history))

    def _save(self, epoch: int, metrics: dict[str, float], weights: Arrays, beside: list[int]) -> None:
        description = dataclasses.replace(self._description, epoch=epoch, metrics=metrics)
        text = self._symbol.tojson()

        def write(path: Path) -> None:
            save_weights(self._symbol, weights, path)

        with disk.writing(_WHAT, self._directory):
            artifact.save(self._directory, text, write, description, beside)
