"""Rounds weights to 8 bits so that int8 is exact on every CPU and costs little accuracy.

Exact: CPUs without VNNI and AMX multiply bytes and add each pair of products in 16 bits (instruction vpmaddubsw). Data
are at most 255, so the weights of a pair may add up to 128: 255 * 128 < 2**15. A pair is two neighbouring input
channels of a convolution. The step of an output channel is the smallest with which no pair exceeds that.

Balanced: weights that are each rounded to the nearest step leave a channel with the sum of their errors, and data are
mostly positive, so this sum shifts the channel's output. So as few weights as needed, those nearest to half a step, are
rounded the other way, until the errors of each kernel, and then of each output channel, add up to at most half a step.
Source: Guo et al., "SQuant: On-the-Fly Data-Free Quantization via Diagonal Hessian Approximation", ICLR 2022.
"""

import numpy as np

from ..arrays import Floats, Integers
from ..errors import ContainerError

# The number of values of a byte.
LEVELS = 256
# How weights are rounded: as described above, or as format 2 of the int8 file was judged, to the nearest of 7 bits.
BALANCED, NEAREST = "balanced", "nearest"
# What a weight of 8 bits can be, in steps; -128 is not used.
_MOST = LEVELS // 2 - 1
# Rounding the other way adds less than one step to each weight of a pair.
_MOST_OF_A_PAIR = LEVELS // 2 - 2
# In so many neighbouring channels the CPU kernels keep weights together.
_BLOCK = 4
# Any step will do where all weights of a channel are 0.
_SMALLEST = np.float32(1e-30)


class Rounding:
    """Rounds the weights of a net's layers."""

    def __init__(self, kind: str = BALANCED, keep: bool = False) -> None:
        """`kind` is BALANCED or NEAREST. `keep` what was rounded, if several models will be made of the same net."""
        self.kind, self._keep = kind, keep
        self._made: dict[str, tuple[Floats, Floats]] = {}

    def of(self, layer: str, weights: Floats) -> tuple[Floats, Floats]:
        """Return the weights of a layer, and the magnitude that 127 steps come to, (out, 1, ...), to round them with.

        `weights` are (out, in, ...). Balanced ones come back as whole steps, which rounding leaves as they are. Raises
        ContainerError if a weight is not a finite number.
        """
        if not np.isfinite(weights).all():
            what, why = f"The layer {layer} cannot be computed in int8", "A weight of it is not a finite number"
            raise ContainerError(what, why, "Train the net again, at a lower learning rate")
        made = self._made.get(layer) or (_nearest(weights) if self.kind == NEAREST else _balanced(weights))
        if self._keep:
            self._made[layer] = made
        return made


def _nearest(weights: Floats) -> tuple[Floats, Floats]:
    """Return the weights as they are, with steps of which 7 bits are enough."""
    axes = tuple(range(1, weights.ndim))
    return weights, 2 * np.maximum(np.abs(weights).max(axes, keepdims=True), _SMALLEST)


def _balanced(weights: Floats) -> tuple[Floats, Floats]:
    step = steps(weights).reshape(-1, *(1,) * (weights.ndim - 1))
    return whole(weights / step) * step, _MOST * step


def steps(weights: Floats) -> Floats:
    """Return the step of each output channel of weights (out, in, ...): float32 (out,)."""
    size = np.abs(weights).reshape(*weights.shape[:2], -1)
    if weights.ndim > 2 and weights.shape[1] % _BLOCK == 0:
        pair = (size[:, 0::2] + size[:, 1::2]).reshape(len(size), -1).max(1)
    else:
        # Which weights are paired depends on the kernel: any two may be.
        pair = 2 * size.reshape(len(size), -1).max(1)
    smallest: Floats = np.maximum(pair / np.float32(_MOST_OF_A_PAIR), _SMALLEST)
    return smallest


def whole(weights: Floats) -> Floats:
    """Return weights (out, in, ...), in steps, as whole numbers whose errors cancel; each error is below 1."""
    rounded = np.rint(weights)
    errors = (rounded - weights).reshape(len(weights), -1)
    changes = np.zeros_like(errors)
    if weights.ndim > 2:
        kernels = weights.shape[0] * weights.shape[1]
        _cancel_in_kernels(errors.reshape(kernels, -1), changes.reshape(kernels, -1))
    _cancel_in_channels(errors, changes)
    balanced: Floats = rounded + changes.reshape(weights.shape)
    return balanced


def _excess(errors: Floats) -> Integers:
    """Return by how many whole steps the errors of each row are off."""
    excess: Integers = np.rint(errors.sum(1, dtype=np.float64)).astype(np.int64)
    return excess


def _cancel_in_kernels(errors: Floats, changes: Floats) -> None:
    """Change one weight of each row that is off, again and again; rows are short, and off by few steps."""
    excess = _excess(errors)
    rows = np.flatnonzero(excess)
    while rows.size:
        signs = np.sign(excess[rows]).astype(np.float32)
        places = (errors[rows] * signs[:, None]).argmax(1)
        errors[rows, places] -= signs
        changes[rows, places] -= signs
        excess[rows] -= signs.astype(np.int64)
        rows = rows[excess[rows] != 0]


def _cancel_in_channels(errors: Floats, changes: Floats) -> None:
    """Change in each row as many weights at once as it is off; rows are long."""
    for row, excess in enumerate(_excess(errors).tolist()):
        if excess:
            sign = 1 if excess > 0 else -1
            places = np.argpartition(-sign * errors[row], abs(excess) - 1)[: abs(excess)]
            errors[row, places] -= sign
            changes[row, places] -= sign
