"""rounding: weights become whole steps that no CPU overflows, and whose errors cancel."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagemaker_gluoncv_container.errors import ContainerError
from sagemaker_gluoncv_container.inference.rounding import BALANCED, NEAREST, Rounding

SHAPES = [
    (8, 4, 3, 3),
    (5, 64, 1, 1),
    (3, 8, 7, 7),
    (6, 7, 3, 3),
    (4, 1, 3, 3),
    (3, 2, 5, 1),
    (10, 33),
    (2, 64),
    (1, 4, 1, 1),
]
# Data of 8 bits times the weights of a pair must fit into 16 bits.
MOST_OF_A_PAIR = (2**15 - 1) // 255


def drawn(shape: tuple[int, ...], kind: str, seed: int = 0) -> Any:
    """Return weights of a kind: like those of trained nets, or unlike."""
    random = np.random.default_rng(seed)
    if kind == "normal":
        return random.normal(0, 0.02, shape).astype(np.float32)
    if kind == "equal":
        return np.full(shape, 0.1, np.float32)
    if kind == "one large":
        weights = random.normal(0, 1e-4, shape)
        weights[..., 0] = 100
        return weights.astype(np.float32)
    if kind == "halves":
        return (random.integers(-126, 127, shape) + 0.5).astype(np.float32)
    return np.zeros(shape, np.float32)


def in_steps(weights: Any, kind: str = BALANCED) -> tuple[Any, Any]:
    """Return rounded weights and the weights themselves, both in steps."""
    rounded, most = Rounding(kind).of("layer", weights)
    step = most / 127
    return np.rint(rounded / step), weights / step


@pytest.mark.parametrize("kind", ["normal", "equal", "one large", "halves", "zeros"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pairs_fit_into_16_bits(shape: tuple[int, ...], kind: str) -> None:
    """Neighbouring input channels never add up to more than fits; where pairs are unknown, no two weights do."""
    whole, _ = in_steps(drawn(shape, kind))
    size = np.abs(whole).reshape(*shape[:2], -1)
    if len(shape) > 2 and shape[1] % 4 == 0:
        assert (size[:, 0::2] + size[:, 1::2]).max() <= MOST_OF_A_PAIR
    else:
        assert 2 * size.max() <= MOST_OF_A_PAIR


@settings(max_examples=60, deadline=None)
@given(
    shape=st.sampled_from(SHAPES),
    kind=st.sampled_from(["normal", "equal", "one large", "halves"]),
    seed=st.integers(0, 99),
)
def test_errors_cancel(shape: tuple[int, ...], kind: str, seed: int) -> None:
    """The errors of an output channel add up to half a step at most, and none reaches a whole one."""
    whole, weights = in_steps(drawn(shape, kind, seed))
    errors = whole - weights
    assert np.abs(errors).max() < 1
    assert np.abs(errors.reshape(len(errors), -1).sum(1)).max() <= 0.5 + 1e-2


def test_errors_of_kernels_nearly_cancel() -> None:
    """The errors of a kernel are within half a step but where the channel needed more changes, and seldom were."""
    whole, weights = in_steps(drawn((64, 64, 3, 3), "normal"))
    sums = np.abs((whole - weights).reshape(64 * 64, -1).sum(1))
    assert (sums <= 0.501).mean() > 0.95
    plain = np.abs((np.rint(weights) - weights).reshape(64 * 64, -1).sum(1))
    assert (plain <= 0.501).mean() < 0.6


def test_steps_are_finer_than_with_7_bits() -> None:
    """Pairs seldom have two large weights: for weights of trained nets a step is about 1.4 times finer."""
    weights = drawn((64, 128, 3, 3), "normal")
    steps = [Rounding(kind).of("layer", weights)[1] / 127 for kind in (NEAREST, BALANCED)]
    assert (steps[0] / steps[1]).mean() > 1.3


def test_positive_data_lose_little() -> None:
    """On data like a ReLU's the outputs are much nearer to those of float32 than with the nearest of 7 bits."""
    weights = drawn((32, 64, 3, 3), "normal")
    data = np.maximum(np.random.default_rng(1).normal(0.5, 0.5, (64 * 9, 200)), 0)
    lost = {}
    for kind in (NEAREST, BALANCED):
        rounded, most = Rounding(kind).of("layer", weights)
        step = most / 127
        lost[kind] = np.square((np.rint(rounded / step) * step - weights).reshape(32, -1) @ data).mean()
    assert lost[BALANCED] < lost[NEAREST] / 4


def test_whole_steps_stay_as_they_are() -> None:
    """Weights that are whole steps already have no error to cancel."""
    weights = np.random.default_rng(0).integers(-63, 64, (4, 8, 3, 3)).astype(np.float32)
    weights[:, 0, 0, 0], weights[:, 1, 0, 0] = 100, 26
    whole, _ = in_steps(weights)
    assert (whole == weights).all()


def test_nearest() -> None:
    """Version 2 of the int8 file was judged with the weights as they are, and twice the largest as 127 steps."""
    weights = drawn((4, 8, 3, 3), "normal")
    same, most = Rounding(NEAREST).of("layer", weights)
    assert same is weights
    assert (most.reshape(-1) == 2 * np.abs(weights).reshape(4, -1).max(1)).all()


def test_a_layer_is_rounded_once() -> None:
    """With `keep` each layer's weights are rounded once, however often the net is translated; without, each time."""
    rounding = Rounding(keep=True)
    first = rounding.of("a", drawn((4, 8, 3, 3), "normal"))
    assert rounding.of("a", drawn((4, 8, 3, 3), "normal", 7)) is first
    assert rounding.of("b", drawn((4, 8, 3, 3), "normal", 7)) is not first
    forgetful = Rounding()
    assert forgetful.of("a", drawn((4, 8, 3, 3), "normal")) is not forgetful.of("a", drawn((4, 8, 3, 3), "normal"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [BALANCED, NEAREST])
def test_not_finite(value: float, kind: str) -> None:
    """Weights that are not finite are an error that names the layer."""
    weights = drawn((4, 8, 3, 3), "normal")
    weights[1, 2, 0, 0] = value
    with pytest.raises(ContainerError, match="The layer c1 cannot be computed in int8.*finite"):
        Rounding(kind).of("c1", weights)
