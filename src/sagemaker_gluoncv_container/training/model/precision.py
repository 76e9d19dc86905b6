"""Learning in float16 through AMP, MXNet's automatic mixed precision.

The layers that AMP lists compute in float16. Weights, statistics and the loss stay in float32. Source: Micikevicius et
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
    """Return a net that computes what `net` does, in float16 where AMP lists the layer, with the same parameters.

    It does not use amp.init(). That replaces MXNet's operators for the whole process, so the net would not be validated
    as it is served. It also does nothing to nets that come as a symbol, such as those of the `model` channel.
    """
    symbol = amp.convert_symbol(net(mx.sym.var("data")), DTYPE)
    block = gluon.SymbolBlock(symbol, mx.sym.var("data", dtype="float32"), params=net.collect_params())
    block.hybridize(static_alloc=True)
    return block


class LossScale:
    """Keeps small gradients from vanishing in float16: AMP scales the loss, and skips steps that overflow."""

    def __init__(self, trainer: gluon.Trainer) -> None:
        """Make the trainer watch for overflows, as amp.init_trainer does after amp.init."""
        self._trainer, self._scaler = trainer, LossScaler()
        trainer._amp_loss_scaler, trainer._amp_original_scale = self._scaler, trainer._scale

    def scaled(self, losses: Sequence[mx.nd.NDArray]) -> AbstractContextManager[list[mx.nd.NDArray]]:
        """Give the losses to start the backward pass with. The trainer's next step undoes the scale."""
        scaled: AbstractContextManager[list[mx.nd.NDArray]] = amp.scale_loss(losses, self._trainer)
        return scaled

    @property
    def may_overflow(self) -> bool:
        """Whether an infinite gradient only means that the scale is too high, which AMP then lowers."""
        return bool(self._scaler._next_loss_scale >= 1)

    @property
    def state(self) -> NDArray[np.float64]:
        """What the next scales depend on, float64 (3,)."""
        return np.array([self._scaler._loss_scale, self._scaler._next_loss_scale, self._scaler._unskipped], np.float64)

    @state.setter
    def state(self, values: NDArray[np.float64]) -> None:
        self._scaler._loss_scale, self._scaler._next_loss_scale = map(float, values[:2])
        self._scaler._unskipped = int(values[2])
