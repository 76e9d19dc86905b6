"""Learning in float16 through AMP, MXNet's automatic mixed precision.

The layers that AMP lists compute in float16; weights, statistics and the loss stay float32. Source: Micikevicius et
al., "Mixed Precision Training".
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import mxnet as mx
import numpy as np
from mxnet import gluon
from mxnet.contrib import amp
from mxnet.contrib.amp.loss_scaler import LossScaler
from numpy.typing import NDArray

DTYPE = "float16"


def lowered(net: gluon.HybridBlock) -> gluon.HybridBlock:
    """Return a net that computes what `net` does, in float16 where AMP says so, with the very same parameters.

    Not by amp.init(): that replaces MXNet's operators for the whole process, so that the net is not validated as it is
    served, and does nothing to nets that come as a symbol, as those of the `model` channel.
    """
    symbol = amp.convert_symbol(net(mx.sym.var("data")), DTYPE)
    block = gluon.SymbolBlock(symbol, mx.sym.var("data", dtype="float32"), params=net.collect_params())
    block.hybridize(static_alloc=True)
    return block


class LossScale:
    """Keeps small gradients from vanishing in float16: AMP scales the loss, and leaves out steps that overflow."""

    def __init__(self, trainer: gluon.Trainer) -> None:
        """Have the trainer watch for overflows; as amp.init_trainer does after amp.init."""
        self._trainer, self._scaler = trainer, LossScaler()
        trainer._amp_loss_scaler, trainer._amp_original_scale = self._scaler, trainer._scale

    def scaled(self, losses: Sequence[mx.nd.NDArray]) -> AbstractContextManager[list[mx.nd.NDArray]]:
        """Give the losses to start the backward pass with; the next step of the trainer undoes the scale."""
        scaled: AbstractContextManager[list[mx.nd.NDArray]] = amp.scale_loss(losses, self._trainer)
        return scaled

    @property
    def may_overflow(self) -> bool:
        """Whether an infinite gradient is only a scale too high, which AMP lowers."""
        return bool(self._scaler._next_loss_scale >= 1)

    @property
    def state(self) -> NDArray[np.float64]:
        """What the next scales depend on, (3,)."""
        return np.array([self._scaler._loss_scale, self._scaler._next_loss_scale, self._scaler._unskipped], np.float64)

    @state.setter
    def state(self, values: NDArray[np.float64]) -> None:
        self._scaler._loss_scale, self._scaler._next_loss_scale = map(float, values[:2])
        self._scaler._unskipped = int(values[2])
