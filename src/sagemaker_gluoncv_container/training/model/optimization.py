"""One step of learning: loss, gradients and optimizer, on one or several devices."""

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon
from numpy.typing import NDArray

from ...arrays import Arrays, Floats
from ..hyperparameters import Hyperparameters
from .network import is_learnt, parameters, set_parameters
from .precision import LossScale, lowered
from .soundness import Soundness

_NET, _STATE = "net/", "optimizer/"


class Optimization:
    """A net with what changes it."""

    def __init__(
        self,
        net: gluon.HybridBlock,
        hyperparameters: Hyperparameters,
        contexts: Sequence[mx.Context],
        positive_weights: Floats | None = None,
    ) -> None:
        """`positive_weights`, float32 (classes,), say how much a present label weighs in a multi-label job."""
        self.net, self._contexts, self._weights = net, contexts, positive_weights
        self._multi_label = hyperparameters.multi_label
        self._softmax = gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)
        self._sigmoid = gluon.loss.SigmoidBinaryCrossEntropyLoss()
        self._learnt = {name: each for name, each in net.collect_params().items() if is_learnt(each)}
        for name, parameter in self._learnt.items():
            # As in MXNet's Module, which the built-in was made with: biases and normalisation do not decay.
            parameter.wd_mult = float(name.endswith("_weight"))
        settings = _optimizer_settings(hyperparameters)
        self._trainer = gluon.Trainer(self._learnt, hyperparameters.optimizer, settings, update_on_kvstore=False)
        half = hyperparameters.precision_dtype == "float16"
        self._learning = lowered(net) if half else net
        self._loss_scale = LossScale(self._trainer) if half else None
        self._soundness: Soundness | None = None

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        return float(self._trainer.learning_rate)

    def answer(self, pixels: Floats) -> Floats:
        """Return the logits (n, classes) of pixels (n, 3, height, width), computed in float32, as in serving."""
        return _joined([self.net(data) for data in self._shares(pixels)], len(pixels))

    def is_sound(self, pixels: Floats) -> bool:
        """Return whether all layers of the net give finite numbers for pixels (n, 3, height, width), as in serving."""
        self._soundness = self._soundness or Soundness(self.net, self._contexts[0])
        return self._soundness.holds(pixels)

    def learn(self, pixels: Floats, targets: Floats, learning_rate: float) -> tuple[Floats, Floats]:
        """Take one step; return the logits (n, classes) before it and the losses (n,)."""
        self._trainer.set_learning_rate(learning_rate)
        logits, losses = [], []
        with autograd.record():
            for data, target in zip(self._shares(pixels), self._shares(targets), strict=True):
                logits.append(self._learning(data))
                losses.append(self._loss(logits[-1], target))
            # A picture that was repeated to give every device something must not count.
            counted = [loss * float(number < len(pixels)) if number else loss for number, loss in enumerate(losses)]
            with self._loss_scale.scaled(counted) if self._loss_scale else nullcontext(counted) as scaled:
                autograd.backward(scaled)
        self._trainer.step(len(pixels))
        return _joined(logits, len(pixels)), _joined(losses, len(pixels))

    def gradient_norms(self, pictures: int) -> dict[str, float]:
        """Return the L2 norm of each weight's gradient in the last step, per picture, by the parameter's name.

        In float16, gradients that overflowed are left out: AMP skipped that step and lowered the scale for the next.
        """
        arrays = {name: each.list_grad()[0].norm() for name, each in self._weights_learnt()}
        # The trainer's scale undoes that of the loss. Without a loss scale it is 1.
        norms = {name: float(norm.asscalar()) * self._trainer._scale / pictures for name, norm in arrays.items()}
        overflows = self._loss_scale is not None and self._loss_scale.may_overflow
        return {name: norm for name, norm in norms.items() if math.isfinite(norm) or not overflows}

    def histograms(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield a tag and the values for each weight, and for its gradient."""
        for name, each in self._weights_learnt():
            yield f"weights/{name}", each.list_data()[0].asnumpy()
            yield f"gradients/{name}", each.list_grad()[0].asnumpy() * self._trainer._scale

    def _weights_learnt(self) -> Iterator[tuple[str, gluon.Parameter]]:
        return ((name, each) for name, each in self._learnt.items() if name.endswith("_weight"))

    def _shares(self, array: Floats) -> list[mx.nd.NDArray]:
        """Return a share of the array for each device. If there are too few rows, the first is repeated."""
        count = len(self._contexts)
        shares = [*np.array_split(array, min(count, len(array))), *[array[:1]] * (count - len(array))]
        return [mx.nd.array(share, ctx=context) for share, context in zip(shares, self._contexts, strict=True)]

    def _loss(self, logits: mx.nd.NDArray, target: mx.nd.NDArray) -> mx.nd.NDArray:
        if not self._multi_label:
            return self._softmax(logits, target)
        if self._weights is None:
            return self._sigmoid(logits, target)
        return self._sigmoid(logits, target, None, mx.nd.array(self._weights[None], ctx=logits.context))

    def state(self) -> Arrays:
        """Return everything that the next step depends on, by name."""
        optimizer, updater = self._trainer.optimizer, self._trainer._updaters[0]
        arrays = {f"{_NET}{name}": array for name, array in parameters(self.net).items()}
        arrays[f"{_STATE}steps"] = np.array(optimizer.num_update)
        if self._loss_scale:
            arrays[f"{_STATE}loss_scale"] = self._loss_scale.state
        for index, state in updater.states.items():
            for place, array in enumerate(_as_tuple(state)):
                arrays[f"{_STATE}{index}/{place}"] = array.asnumpy()
        return arrays

    def restore(self, arrays: Arrays) -> None:
        """Go back to what `state` returned."""
        of_net = {name.removeprefix(_NET): array for name, array in arrays.items() if name.startswith(_NET)}
        set_parameters(self.net, of_net)
        optimizer, steps = self._trainer.optimizer, int(arrays[f"{_STATE}steps"])
        optimizer.num_update = optimizer.begin_num_update = steps
        if self._loss_scale:
            self._loss_scale.state = arrays[f"{_STATE}loss_scale"]
        if not steps:
            return
        for updater, context in zip(self._trainer._updaters, self._contexts, strict=True):
            counts = optimizer._all_index_update_counts.setdefault(context.device_id, {})
            for index, parameter in enumerate(self._trainer._params):
                state = optimizer.create_state_multi_precision(index, parameter.data(context))
                for place, array in enumerate(_as_tuple(state)):
                    array[:] = arrays[f"{_STATE}{index}/{place}"]
                updater.states[index], updater.states_synced[index], counts[index] = state, True, steps


def _joined(parts: Sequence[mx.nd.NDArray], rows: int) -> Floats:
    return np.asarray(np.concatenate([part.asnumpy() for part in parts])[:rows], np.float32)


def _as_tuple(state: object) -> tuple[mx.nd.NDArray, ...]:
    return () if state is None else tuple(state) if isinstance(state, (tuple, list)) else (state,)


def _optimizer_settings(hp: Hyperparameters) -> dict[str, float]:
    """Return the arguments for MXNet's optimizer of that name."""
    own = {
        "sgd": {"momentum": hp.momentum},
        "nag": {"momentum": hp.momentum},
        "adam": {"beta1": hp.beta_1, "beta2": hp.beta_2, "epsilon": hp.eps},
        "rmsprop": {"gamma1": hp.gamma, "epsilon": hp.eps},
    }
    return {"learning_rate": hp.learning_rate, "wd": hp.weight_decay, **own[hp.optimizer]}
