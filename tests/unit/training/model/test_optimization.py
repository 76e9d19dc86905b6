"""optimization: one step, by hand-made figures; several devices and half precision are tested in tests/integration."""

import math
from typing import Any

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container.training.learning.accuracy import losses
from sagemaker_gluoncv_container.training.model.optimization import Optimization
from support.small_loop import hyperparameters, optimization

RANDOM = np.random.default_rng(2)
PIXELS = RANDOM.uniform(0, 255, (6, 3, 8, 8)).astype(np.float32)
LABELS = np.array([0, 1, 0, 1, 1, 1], np.float32)
TARGETS = np.eye(2, dtype=np.float32)[LABELS.astype(int)]


class Linear(mx.gluon.HybridBlock):
    """Multiplies by one weight, so that a step can be done by hand: logits (n, 1) of pixels (n, 1, 1, 1)."""

    def __init__(self) -> None:
        super().__init__(prefix="linear_")
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(1, 1))
            self.bias = self.params.get("bias", shape=(1,))

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any) -> Any:  # noqa: N803
        """Return weight * x + bias."""
        return F.FullyConnected(F.flatten(x), weight, bias, num_hidden=1)


def linear(positive: float | None = None, **given: Any) -> Optimization:
    """Return a multi-label net of one weight, 0.5, and a bias of 0."""
    net = Linear()
    net.initialize(mx.init.Constant(0.5))
    net.bias.set_data(mx.nd.zeros(1))
    net.hybridize()
    hp = hyperparameters(num_classes=1, multi_label=True, **{"momentum": 0.0, "weight_decay": 0.0, **given})
    return Optimization(net, hp, [mx.cpu()], None if positive is None else np.array([positive], np.float32))


def one(value: float) -> np.ndarray:
    """Return one picture of one pixel."""
    return np.full((1, 1, 1, 1), value, np.float32)


def sigmoid(value: float) -> float:
    """Return 1 / (1 + exp(-value))."""
    return 1 / (1 + math.exp(-value))


def test_a_step_by_hand() -> None:
    """Plain gradient descent moves weight and bias by the learning rate times the gradient of the cross-entropy."""
    each = linear()
    logits, lost = each.learn(one(2), np.ones((1, 1), np.float32), 0.1)
    assert logits.tolist() == [[1.0]]
    assert lost == pytest.approx([-math.log(sigmoid(1))])
    slope = sigmoid(1) - 1
    assert each.net.weight.data().asscalar() == pytest.approx(0.5 - 0.1 * slope * 2)
    assert each.net.bias.data().asscalar() == pytest.approx(-0.1 * slope)
    assert each.learning_rate == 0.1


def test_weights_decay_and_biases_do_not() -> None:
    """Weight decay draws weights to 0 and leaves biases alone, as with the built-in."""
    each = linear(weight_decay=0.5)
    each.net.bias.set_data(mx.nd.array([3.0]))
    each.learn(one(0), np.full((1, 1), sigmoid(3), np.float32), 0.1)
    assert each.net.weight.data().asscalar() == pytest.approx(0.5 - 0.1 * 0.5 * 0.5)
    assert each.net.bias.data().asscalar() == pytest.approx(3, abs=1e-6)


def test_present_labels_weigh() -> None:
    """A weight of 4 multiplies the loss of a present label, and not that of an absent one."""
    for label, factor in ((1, 4), (0, 1)):
        plain, heavy = (
            each.learn(one(2), np.full((1, 1), label, np.float32), 0.0)[1] for each in (linear(), linear(4))
        )
        assert heavy == pytest.approx(factor * plain)


def test_norms_are_per_picture() -> None:
    """The norm of a weight's gradient is that of the batch's mean loss."""
    each = linear()
    pixels, targets = np.repeat(one(2), 4, 0), np.ones((4, 1), np.float32)
    each.learn(pixels, targets, 0.0)
    assert each.gradient_norms(4) == {"linear_weight": pytest.approx(2 * (1 - sigmoid(1)))}


def test_histograms_are_of_weights_and_gradients() -> None:
    """Weights and their gradients are given, normalisation and biases are not."""
    made = optimization(hyperparameters())
    made.learn(PIXELS, TARGETS, 0.0)
    tags = dict(made.histograms())
    assert all(tag.startswith(("weights/", "gradients/")) and tag.endswith("_weight") for tag in tags)
    assert len(tags) > 20
    assert np.abs(tags["gradients/resnet_head_weight"]).max() > 0


def test_the_loss_is_what_is_reported() -> None:
    """The losses of a step are the cross-entropies of its logits, and answers after it differ."""
    made = optimization(hyperparameters())
    before = made.answer(PIXELS)
    logits, lost = made.learn(PIXELS, TARGETS, 0.1)
    assert lost == pytest.approx(losses(logits, LABELS, False), abs=1e-5)
    after = made.answer(PIXELS)
    assert (before.shape, before.dtype) == ((6, 2), np.float32)
    assert not np.allclose(before, after)


@pytest.mark.parametrize(
    ("name", "given", "settings"),
    [
        ("sgd", {"momentum": 0.25}, {"momentum": 0.25}),
        ("nag", {"momentum": 0.25}, {"momentum": 0.25}),
        ("adam", {"beta_1": 0.5, "beta_2": 0.25, "eps": 0.125}, {"beta1": 0.5, "beta2": 0.25, "epsilon": 0.125}),
        ("rmsprop", {"gamma": 0.5, "eps": 0.125}, {"gamma1": 0.5, "epsilon": 0.125}),
    ],
)
def test_optimizers_get_their_hyperparameters(name: str, given: dict[str, float], settings: dict[str, float]) -> None:
    """Each of MXNet's optimizers gets its own hyperparameters, and the weight decay."""
    found = linear(optimizer=name, weight_decay=0.0625, **given)._trainer.optimizer
    assert type(found).__name__.lower() == name
    assert {key: getattr(found, key) for key in settings} == settings
    assert found.wd == 0.0625


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_state_and_restore(optimizer: str) -> None:
    """Another net that goes back to a state takes the same next step, and one at the beginning has no steps."""
    first, other = (optimization(hyperparameters(optimizer=optimizer), seed=seed) for seed in (1, 2))
    assert int(first.state()["optimizer/steps"]) == 0
    for _ in range(2):
        first.learn(PIXELS, TARGETS, 0.01)
    saved = {name: array.copy() for name, array in first.state().items()}
    assert int(saved["optimizer/steps"]) == 2
    other.restore(saved)
    for each in (first, other):
        each.learn(PIXELS, TARGETS, 0.01)
    assert np.allclose(first.answer(PIXELS), other.answer(PIXELS), atol=1e-3)


def test_what_is_frozen_does_not_learn() -> None:
    """With everything but the head frozen, a step changes the head alone, and no statistics."""
    made = optimization(hyperparameters(freeze="backbone"))
    before = made.state()
    made.learn(PIXELS, TARGETS, 0.1)
    after = made.state()
    changed = {name for name in before if name.startswith("net/") and not np.array_equal(before[name], after[name])}
    assert changed == {"net/resnet_head_weight", "net/resnet_head_bias"}
