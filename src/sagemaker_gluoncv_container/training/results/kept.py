"""The model directory during a job: the best epoch so far, ready to be served at every moment."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import mxnet as mx
import numpy as np

from ... import artifact
from ...arrays import Arrays, Floats
from ...artifact import Description
from ..learning.schedule import best_epoch
from ..model.network import save_weights
from .checkpoint import Checkpoints

History = Sequence[Mapping[str, float]]

_NET = "net/"
OBJECTIVE = "validation:accuracy"


class ValidationAnswers(NamedTuple):
    """What a net says to the validation pictures: float32 (n, classes), what is right, and what to call each."""

    probabilities: Floats
    labels: Floats
    names: list[str]


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
        """`description` is what all epochs have in common."""
        self._directory, self._symbol, self._description = directory, symbol, description
        self._frequency, self._checkpoints = frequency, checkpoints
        self._unsecured: dict[int, Arrays] = {}
        self.answers: ValidationAnswers | None = None

    def best(self, history: History) -> int | None:
        """Return the epoch that is to be served, None before the first."""
        return best_epoch([figures[OBJECTIVE] for figures in history])

    def epochs(self, history: History) -> list[int]:
        """Return the epochs whose weights lie in the model directory."""
        every = self._frequency or len(history) + 1
        return sorted({self.best(history) or 0, *range(every - 1, len(history), every)}) if history else []

    def take(self, history: History, weights: Arrays, answers: ValidationAnswers) -> None:
        """Keep the last epoch of the history, if it is one to keep; `weights` are by the parameters' names."""
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
        """Keep what there is before the first epoch has ended, so that the job leaves a model."""
        self._save(0, {}, weights, [])

    def secure(self) -> None:
        """Write for a restart what was taken since the last time. Raises OSError."""
        for epoch in list(self._unsecured):
            if self._checkpoints:
                self._checkpoints.keep(epoch, self._unsecured[epoch])
            del self._unsecured[epoch]

    def restore(self, history: History) -> None:
        """Put back into the model directory what lay there when the checkpoint was written. Raises Damaged."""
        best = self.best(history)
        for epoch in sorted(self.epochs(history), key=lambda epoch: epoch != best):
            if self._checkpoints:
                self._put(epoch, history, self._checkpoints.kept(epoch))

    def _put(self, epoch: int, history: History, content: Arrays) -> None:
        weights = {name.removeprefix(_NET): array for name, array in content.items() if name.startswith(_NET)}
        if epoch != self.best(history):
            artifact.save_weights(self._directory, epoch, lambda path: save_weights(self._symbol, weights, path))
            return
        names = [str(name) for name in content["names"]]
        self.answers = ValidationAnswers(content["probabilities"], content["labels"], names)
        metrics = {name: value for name, value in history[epoch].items() if name.startswith("validation:")}
        self._save(epoch, metrics, weights, self.epochs(history))

    def _save(self, epoch: int, metrics: dict[str, float], weights: Arrays, beside: list[int]) -> None:
        description = dataclasses.replace(self._description, epoch=epoch, metrics=metrics)
        text = self._symbol.tojson()
        artifact.save(
            self._directory, text, lambda path: save_weights(self._symbol, weights, path), description, beside
        )
