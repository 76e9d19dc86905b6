"""optimization: the same step on one device and on several, and a state that can be gone back to."""

from collections.abc import Sequence
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training import network
from sagemaker_gluoncv_container.training.optimization import Optimization

RANDOM = np.random.default_rng(2)
PIXELS = RANDOM.uniform(0, 255, (6, 3, 16, 16)).astype(np.float32)
TARGETS = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0, 1]]


def optimization(contexts: Sequence[mx.Context] = (mx.cpu(),), **given: str) -> Optimization:
    """Return the smallest net, always with the same weights."""
    values = {"num_classes": "4", "num_layers": "20", "image_shape": "3,16,16", **given}
    hp = Hyperparameters.from_strings(values)
    mx.random.seed(5)
    return Optimization(network.build(hp, Path("unused"), contexts), hp, contexts)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "nag"])
def test_going_back_takes_the_same_steps(optimizer: str) -> None:
    """From a state that was saved, another net takes the same steps (to the bit: test_interruption, on one thread)."""
    one = optimization(optimizer=optimizer)
    for _ in range(3):
        one.learn(PIXELS, TARGETS, 0.01)
    saved = {name: array.copy() for name, array in one.state().items()}
    other = optimization(optimizer=optimizer)
    other.restore(saved)
    for each in (one, other):
        for _ in range(2):
            each.learn(PIXELS, TARGETS, 0.02)
    first, second = one.state(), other.state()
    assert first.keys() == second.keys()
    for name in first:
        assert np.allclose(first[name], second[name], rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize("pictures", [6, 5, 1])
def test_devices_share_a_batch(pictures: int) -> None:
    """Every picture of a batch counts once, however many devices there are and even if there are more than pictures."""
    # Frozen statistics: with its own of each share, a net on two devices is another net.
    contexts = [mx.cpu(0), mx.cpu(1)]
    one, two = optimization(freeze="backbone"), optimization(contexts, freeze="backbone")
    for each in (one, two):
        logits, losses = each.learn(PIXELS[:pictures], TARGETS[:pictures], 0.1)
        assert logits.shape == (pictures, 4)
        assert losses.shape == (pictures,)
    assert np.allclose(one.answer(PIXELS), two.answer(PIXELS), atol=1e-5)
    for parameter in two.net.collect_params().values():
        here, there = (array.asnumpy() for array in parameter.list_data())
        assert np.array_equal(here, there)


def test_weight_decay_is_for_weights() -> None:
    """As in the built-in, biases and normalisation do not decay."""
    each = optimization(weight_decay="1", learning_rate="0.5", momentum="0")
    before = each.state()
    each.learn(PIXELS, TARGETS * 0, 0.5)
    after = each.state()
    changed = {
        name
        for name in before
        if name.endswith(("weight", "gamma", "beta", "bias")) and not np.array_equal(before[name], after[name])
    }
    assert changed
    assert all(name.endswith("weight") for name in changed)


def test_gradient_norms_name_every_weight() -> None:
    """The norms are those of the mean loss of a picture, for each weight that learns and no other."""
    each = optimization(freeze="stage2")
    each.learn(PIXELS, TARGETS, 0.01)
    norms = each.gradient_norms(len(PIXELS))
    assert norms
    assert all("stage3" in name or "head" in name for name in norms)
    assert all(np.isfinite(norm) and norm > 0 for norm in norms.values())
