"""Refuses numbers that are not numbers: a net with NaN or infinity in it answers nonsense, which is not even JSON."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import ContainerError, some
from .answers import Result

_WHY = "Training diverged, or the file was damaged"
_DO = "Train with a lower learning rate, or serve the model of an earlier epoch"


def check_parameters(arrays: Iterable[tuple[str, NDArray[Any]]], path: Path) -> None:
    """Raise ContainerError if a parameter holds NaN or infinity.

    An answer would not always show it: int8 rounds NaN to a number, and a maximum passes over it.
    """
    bad = [name.partition(":")[2] or name for name, array in arrays if not np.isfinite(array).all()]
    if bad:
        raise ContainerError(f"The parameters in {path} are not all numbers: {some(bad)}", _WHY, _DO)


def check_warm_up(probabilities: Floats) -> None:
    """Raise ContainerError if the answer to a warm-up picture holds NaN or infinity."""
    if not np.isfinite(probabilities).all():
        raise ContainerError("The model's answer to a warm-up picture is not a number", _WHY, _DO)


def results(probabilities: Floats) -> list[Result]:
    """Return the probabilities, float32 (n, classes), picture by picture, an error where they are not numbers."""
    finite = np.isfinite(probabilities).all(axis=1)
    return [each if good else _not_a_number() for each, good in zip(probabilities, finite, strict=True)]


def _not_a_number() -> ContainerError:
    why = "Its parameters make this picture's numbers overflow"
    return ContainerError("The model's answer is not a number", why, _DO)
