"""soundness: NaN and infinity inside a net, whatever it answers."""

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container.training.model import network
from sagemaker_gluoncv_container.training.model.optimization import Optimization
from sagemaker_gluoncv_container.training.model.soundness import Soundness
from support.small_loop import hyperparameters, optimization

PIXELS = np.random.default_rng(0).uniform(0, 255, (3, 3, 8, 8)).astype(np.float32)


@pytest.fixture
def made() -> Optimization:
    """Return the smallest net, untrained."""
    return optimization(hyperparameters())


def test_an_ordinary_net_is_sound(made: Optimization) -> None:
    """It is so before and after a step, and the look at it changes nothing."""
    before = made.answer(PIXELS)
    assert made.is_sound(PIXELS)
    assert np.array_equal(made.answer(PIXELS), before)
    made.learn(PIXELS, np.eye(2, dtype=np.float32)[[0, 1, 0]], 0.01)
    assert made.is_sound(PIXELS)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("ending", ["stage1_batchnorm0_running_var", "stage2_conv1_weight", "head_bias"])
def test_what_a_layer_gives_is_seen(made: Optimization, value: float, ending: str) -> None:
    """NaN or infinity in a parameter of the first or the last layer shows, although ReLU may hide it."""
    weights = network.parameters(made.net)
    name = next(each for each in weights if each.endswith(ending))
    spoilt = weights[name].copy()
    # The variance is divided by: an infinite one gives 0.
    spoilt[0] = np.nan if "var" in name else value
    network.set_parameters(made.net, {**weights, name: spoilt})
    assert not made.is_sound(PIXELS)
    network.set_parameters(made.net, weights)
    assert made.is_sound(PIXELS)


def test_an_overflow_between_finite_numbers(made: Optimization) -> None:
    """All parameters are finite and the product of two is not."""
    weights = network.parameters(made.net)
    huge = {name: each * np.float32(1e30) for name, each in weights.items() if "conv" in name}
    network.set_parameters(made.net, {**weights, **huge})
    assert not made.is_sound(PIXELS)


def test_a_net_that_comes_as_a_symbol(made: Optimization) -> None:
    """The net of a `model` channel is looked into as well."""
    symbol = made.net(mx.sym.var("data"))
    block = mx.gluon.SymbolBlock(symbol, mx.sym.var("data", dtype="float32"), params=made.net.collect_params())
    assert Soundness(block, mx.cpu()).holds(PIXELS)
