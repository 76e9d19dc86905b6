"""optimization: the same step on one device and on several, in float32 and in half precision; going back to a state."""

from collections.abc import Sequence
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training.model import network
from sagemaker_gluoncv_container.training.model.optimization import Optimization

RANDOM = np.random.default_rng(2)
PIXELS = RANDOM.uniform(0, 255, (6, 3, 16, 16)).astype(np.float32)
TARGETS = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0, 1]]


def optimization(contexts: Sequence[mx.Context] = (mx.cpu(),), **given: str) -> Optimization:
    """Return the smallest net, always with the same weights."""
    values = {"num_classes": "4", "num_layers": "20", "image_shape": "3,16,16", **given}
    hp = Hyperparameters.from_strings(values)
    mx.random.seed(5)
    return Optimization(network.build(hp, Path("unused"), contexts), hp, contexts)


def gradients(each: Optimization) -> dict[str, np.ndarray]:
    """Return the gradients of the last step, by the parameters' names."""
    return {tag: array for tag, array in each.histograms() if tag.startswith("gradients/")}


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


def settle(block: mx.gluon.Block) -> None:
    """Have a layer normalise with the statistics that it has."""
    if isinstance(block, mx.gluon.nn.BatchNorm):
        block._kwargs["use_global_stats"] = True


@pytest.mark.parametrize("devices", [2, 3, 4])
def test_devices_find_the_same_gradients(devices: int) -> None:
    """A batch that is not divisible, split over several devices, gives one device's losses and gradients."""
    contexts = [mx.cpu(number) for number in range(devices)]
    # Statistics as they are, but all weights learn: normalising with a share's own statistics is another function.
    one, several = optimization(), optimization(contexts)
    for each in (one, several):
        each.net.apply(settle)
        each.net.hybridize(static_alloc=True)
    logits, losses = zip(*(each.learn(PIXELS[:5], TARGETS[:5], 0.0) for each in (one, several)), strict=True)
    assert np.allclose(*logits, atol=1e-5)
    assert np.allclose(*losses, atol=1e-5)
    expected, found = gradients(one), gradients(several)
    assert len(expected) > 20
    for name, gradient in expected.items():
        assert np.abs(gradient).max() > 0, name
        assert np.abs(found[name] - gradient).max() < 1e-4 * np.abs(gradient).max(), name


@pytest.mark.parametrize("pictures", [6, 5, 1])
def test_half_precision_learns_the_same(bfloat16: None, pictures: int) -> None:
    """Learning in half precision, on one device or two, takes float32's steps up to its rounding."""
    half = {"freeze": "backbone", "precision_dtype": "float16"}
    full = optimization(freeze="backbone")
    each = [full, optimization(**half), optimization([mx.cpu(0), mx.cpu(1)], **half)]
    losses = [np.mean([one.learn(PIXELS[:pictures], TARGETS[:pictures], 0.01)[1] for _ in range(3)]) for one in each]
    assert np.allclose(losses, losses[0], rtol=0.02)
    norms = [one.gradient_norms(pictures) for one in each]
    for name, norm in norms[0].items():
        assert np.allclose([other[name] for other in norms], norm, rtol=0.05)


def test_half_precision_keeps_float32_weights(bfloat16: None) -> None:
    """What is kept and validated is the float32 net with the weights that were learnt."""
    half, full = optimization(precision_dtype="float16"), optimization()
    before = half.state()
    logits, _ = half.learn(PIXELS, TARGETS, 0.01)
    after = half.state()
    assert {array.dtype for name, array in after.items() if name.startswith("net/")} == {np.dtype(np.float32)}
    assert all(not np.array_equal(before[name], after[name]) for name in after if name.endswith("_weight"))
    full.restore({**after, "optimizer/steps": np.array(0)})
    assert np.array_equal(half.answer(PIXELS), full.answer(PIXELS))
    assert 0 < np.abs(logits - optimization().learn(PIXELS, TARGETS, 0.01)[0]).max() < 0.05


def test_an_overflow_is_a_step_left_out(bfloat16: None) -> None:
    """With a scale that is too high the weights stay, no gradient is called infinite, and the scale falls."""
    heavy = TARGETS * np.float32(1e4)
    each = optimization(precision_dtype="float16")
    state = each.state()
    each.restore({**state, "optimizer/loss_scale": np.array([2.0**120, 2.0**120, 0])})
    each.learn(PIXELS, heavy, 0.01)
    after = each.state()
    assert all(
        np.array_equal(state[name], after[name]) for name in state if name.endswith(("_weight", "gamma", "beta"))
    )
    assert after["optimizer/steps"] == 0
    assert after["optimizer/loss_scale"][1] == 2.0**119
    assert all(np.isfinite(norm) for norm in each.gradient_norms(len(PIXELS)).values())
    for _ in range(200):
        each.learn(PIXELS, heavy, 0.01)
        if each.state()["optimizer/steps"] > 0:
            break
    assert each.state()["optimizer/steps"] > 0


def test_gradients_that_overflow_without_a_scale_have_exploded(bfloat16: None) -> None:
    """Where the scale is below 1 an infinite gradient is the net's own, and is told."""
    each = optimization(precision_dtype="float16")
    each.restore({**each.state(), "optimizer/loss_scale": np.array([1.0, 1.0, 0])})
    each.learn(PIXELS, TARGETS * np.float32(3e38), 0.01)
    assert any(not np.isfinite(norm) for norm in each.gradient_norms(len(PIXELS)).values())


def test_going_back_in_half_precision(bfloat16: None) -> None:
    """The scale of the loss is part of the state that a restart goes back to."""
    one = optimization(precision_dtype="float16")
    one.restore({**one.state(), "optimizer/loss_scale": np.array([2.0**10, 2.0**9, 1999])})
    one.learn(PIXELS, TARGETS, 0.01)
    saved = {name: array.copy() for name, array in one.state().items()}
    assert saved["optimizer/loss_scale"].tolist() == [2.0**9, 2.0**10, 0]
    other = optimization(precision_dtype="float16")
    other.restore(saved)
    for each in (one, other):
        each.learn(PIXELS, TARGETS, 0.01)
    first, second = one.state(), other.state()
    assert first.keys() == second.keys()
    for name in first:
        assert np.allclose(first[name], second[name], rtol=1e-3, atol=1e-3), name


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
