"""calibration: ranges that cover what layers give, and the layers that rounding harms most."""

from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.artifact import Description
from sagemaker_gluoncv_container.errors import ContainerError
from sagemaker_gluoncv_container.images import Preprocessing
from sagemaker_gluoncv_container.inference.calibration import MOST_FLOAT32, Calibration

SIDE = 8


def net() -> mx.sym.Symbol:
    """Return a net of three convolutions, each of which takes a rounded layer: "scaled", "r0", "r1"."""
    data = mx.sym.identity(mx.sym.var("data") * 0.01, name="scaled")
    for number in range(3):
        data = mx.sym.Convolution(data, num_filter=8, kernel=(3, 3), pad=(1, 1), no_bias=True, name=f"c{number}")
        data = mx.sym.Activation(data, act_type="relu", name=f"r{number}")
    data = mx.sym.Pooling(data, global_pool=True, kernel=(1, 1), pool_type="avg", name="p")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(data, name="f"), num_hidden=3, name="fc"))


def arrays() -> dict[str, Any]:
    """Return random weights."""
    random = np.random.default_rng(0)
    shapes, _, _ = net().infer_shape(data=(1, 3, SIDE, SIDE))
    named = zip(net().list_arguments(), shapes, strict=True)
    return {name: random.normal(0, 0.3, shape) for name, shape in named if name.endswith(("weight", "bias"))}


def calibration(folder: Path, given: dict[str, Any]) -> Calibration:
    """Return the calibration of the net with these weights."""
    named = {f"arg:{name}": mx.nd.array(each) for name, each in given.items()}
    description = Description(0, 3, Preprocessing(SIDE, SIDE, None))
    artifact.save(folder, net().tojson(), lambda path: mx.nd.save(str(path), named), description)
    return Calibration(artifact.load(folder), 1)


def pictures(count: int) -> list[Any]:
    """Return random pictures; the first has all values at 0 but one at 255."""
    random = np.random.default_rng(1)
    some = [random.integers(40, 200, (SIDE, SIDE, 3), np.uint8) for _ in range(count)]
    some[0][:], some[0][0, 0, 0] = 0, 255
    return some


def test_ranges(tmp_path: Path) -> None:
    """Every rounded layer has a range; it covers 0 and what most pictures make of the layer, and nothing far beyond."""
    made = calibration(tmp_path / "model", arrays())
    some = pictures(40)
    ranges = made.ranges(some)
    assert list(ranges) == made.layers == ["scaled", "r0", "r1", "r2", "f"]
    watched = [made.net(watched=made.layers)(each)[1:] for each in some]
    for number, (low, high) in enumerate(ranges.values()):
        highest = [outputs[number].max() for outputs in watched]
        assert low <= 0 < high <= max(highest) + 1e-6
        assert np.mean(np.array(highest) <= high + 1e-6) >= 0.85


def test_int8_is_near(tmp_path: Path) -> None:
    """With its ranges the net answers nearly as in float32, and with ranges a tenth as wide it does not."""
    made = calibration(tmp_path / "model", arrays())
    some = pictures(40)
    ranges = made.ranges(some)
    float32, int8 = made.net(), made.net(ranges)
    narrow = made.net({name: (low / 10, high / 10) for name, (low, high) in ranges.items()})
    apart = [np.mean([np.abs(one(each)[0] - float32(each)[0]).mean() for each in some]) for one in (int8, narrow)]
    assert 0 < apart[0] < 0.002
    assert apart[1] > 5 * apart[0]


def test_the_most_sensitive_layer_is_left_out_first(tmp_path: Path) -> None:
    """The layer with one channel that dwarfs the others is left out first, then more, up to half of the work."""
    given = arrays()
    given["c1_weight"][2] *= 1e4
    given["c2_weight"][:, 2] *= 1e-4
    made = calibration(tmp_path / "model", given)
    some = pictures(30)
    ranges = made.ranges(some)
    forms = made.without_sensitive(ranges, some)
    assert set(ranges) - set(forms[0]) == {"r1"}
    assert all(set(later) < set(earlier) for earlier, later in zip(forms, forms[1:], strict=False))
    work = made._multiplications(some[0])
    assert work["r0"] == work["r1"] == 8 * 8 * 9 * SIDE * SIDE
    assert work["scaled"] == 3 * 8 * 9 * SIDE * SIDE
    for form in forms:
        assert sum(work[name] for name in made.layers if name not in form) <= MOST_FLOAT32 * sum(work.values())


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_not_finite(tmp_path: Path, value: float) -> None:
    """A net with a weight that is not finite cannot be calibrated, which is said, though a ReLU may hide it."""
    given = arrays()
    given["c1_weight"][0, 0, 0, 0] = value
    with pytest.raises(ContainerError, match="not a finite number"):
        calibration(tmp_path / "model", given).ranges(pictures(3))


def test_no_pictures(tmp_path: Path) -> None:
    """Without pictures there are no ranges."""
    with pytest.raises(ContainerError, match="There are no pictures"):
        calibration(tmp_path / "model", arrays()).ranges([])
