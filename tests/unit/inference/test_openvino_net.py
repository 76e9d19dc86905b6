"""openvino_net: int8 is exact, also on CPUs that sum two products in 16 bits."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container.images import Preprocessing
from sagemaker_gluoncv_container.inference.openvino_net import Net
from sagemaker_gluoncv_container.inference.translation import translate

SIDE = 6
LARGEST = 255.0
# The pairs of weights whose sums of products are the largest that 16 bits hold, and as large below zero.
PAIRS = [(126, 0), (0, 126), (63, 63), (100, 26), (-126, 0), (0, -126), (-63, -63), (-26, -100)]
# Layers that take bytes: channels before and after, and what MXNet is to make.
LAYERS: dict[str, tuple[int, dict[str, Any]]] = {
    "3 x 3": (64, {"kernel": (3, 3), "num_filter": 64}),
    "1 x 1": (64, {"kernel": (1, 1), "num_filter": 64}),
    "1 x 1, strided": (32, {"kernel": (1, 1), "stride": (2, 2), "num_filter": 128}),
    "3 x 3, strided, padded": (128, {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "num_filter": 48}),
    "dilated": (16, {"kernel": (2, 2), "dilate": (2, 2), "num_filter": 16}),
    "groups": (64, {"kernel": (3, 3), "num_group": 4, "num_filter": 32}),
    "each channel alone": (32, {"kernel": (3, 3), "num_group": 32, "num_filter": 32}),
    "few channels": (4, {"kernel": (5, 5), "num_filter": 8}),
    "odd channels": (7, {"kernel": (3, 3), "num_filter": 9}),
    "two channels": (2, {"kernel": (3, 3), "num_filter": 16}),
    "fully connected": (32, {"num_hidden": 40}),
}


def layer(channels: int, given: dict[str, Any], low: float) -> tuple[mx.sym.Symbol, dict[str, Any]]:
    """Return a net whose layer "summed" takes the red of the pixels, plus `low`, in many channels; and its weights."""
    spread = mx.sym.Convolution(mx.sym.var("data"), num_filter=channels, kernel=(1, 1), no_bias=True, name="spread")
    taken = (
        mx.sym.identity(spread + low, name="taken") if low else mx.sym.Activation(spread, act_type="relu", name="taken")
    )
    made = mx.sym.Convolution if "kernel" in given else mx.sym.FullyConnected
    summed = made(taken, no_bias=True, name="summed", **given)
    symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(summed), num_hidden=2, name="fc"))
    shapes, _, _ = symbol.infer_shape(data=(1, 3, SIDE, SIDE))
    arrays = {
        f"arg:{name}": np.zeros(shape, np.float32) for name, shape in zip(symbol.list_arguments(), shapes, strict=True)
    }
    arrays["arg:spread_weight"][:, 0] = 1
    weights = arrays["arg:summed_weight"]
    # Every output channel is one kind of pair all over, or a mixture: that is where 16 bits would overflow.
    random = np.random.default_rng(0)
    for number, channel in enumerate(weights):
        size = channel.shape[0] // 2 + 1
        some = [number % len(PAIRS)] * size if number % 3 else random.integers(0, len(PAIRS), size)
        values = np.array([PAIRS[each] for each in some]).reshape(-1)[: channel.shape[0]]
        channel[:] = values.reshape(-1, *(1,) * (channel.ndim - 1))
    return symbol, arrays


def sums(folder: Path) -> None:
    """Write what each layer comes to in int8 and in float32; its inputs and weights are the largest that bytes hold."""
    pixels = np.random.default_rng(1).choice([0, 254, 255], (SIDE, SIDE, 3), p=[0.1, 0.1, 0.8]).astype(np.uint8)
    found = {}
    for low in (0.0, -128.0):
        for name, (channels, given) in LAYERS.items():
            symbol, arrays = layer(channels, given, low)
            for precision, ranges in (("int8", {"taken": (low, low + LARGEST)}), ("float32", {})):
                model = translate(symbol.tojson(), arrays, Preprocessing(SIDE, SIDE, None), ranges, watched=["summed"])
                found[f"{name}, from {low:g}, {precision}"] = Net(model, 1)(pixels)[1]
    np.savez(folder / "sums.npz", **found)


@pytest.mark.parametrize("instructions", ["SSE41", "AVX2", "AVX512_CORE", "ALL"])
def test_int8_is_exact(instructions: str, tmp_path: Path) -> None:
    """The sums are right whether the CPU has VNNI or AMX, or not, for every kind of layer and the largest numbers."""
    environment = {
        **os.environ,
        "ONEDNN_MAX_CPU_ISA": instructions,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }
    code = f"import pathlib, test_openvino_net; test_openvino_net.sums(pathlib.Path({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    found = np.load(tmp_path / "sums.npz")
    wrong = {}
    for name in found:
        if name.endswith("int8"):
            float32 = found[name.replace("int8", "float32")]
            # Weights of layers that are not paired have half a step of error.
            apart = np.abs(found[name] - float32).max() / np.abs(float32).max()
            if apart > (2e-5 if LAYERS[name.split(", from")[0]][0] % 4 == 0 and "fully" not in name else 0.01):
                wrong[name] = apart
    assert not wrong


def test_outputs() -> None:
    """A net gives the probabilities first, then what is watched, in that order, without the batch's dimension."""
    data = mx.sym.var("data")
    first = mx.sym.Activation(data * 2, act_type="relu", name="first")
    second = mx.sym.Activation(first + 1, act_type="relu", name="second")
    symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(second, num_hidden=2, name="fc"), name="softmax")
    arrays = {"arg:fc_weight": np.zeros((2, 3 * SIDE * SIDE), np.float32), "arg:fc_bias": np.log([1, 3])}
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    model = translate(symbol.tojson(), arrays, Preprocessing(SIDE, SIDE, None), watched=["second", "first"])
    probabilities, *watched = Net(model, 2)(pixels)
    assert probabilities == pytest.approx([0.25, 0.75], abs=1e-6)
    planes = pixels.transpose(2, 0, 1).astype(np.float32)
    assert (watched[0] == 2 * planes + 1).all()
    assert (watched[1] == 2 * planes).all()


def test_libraries_are_read() -> None:
    """read_libraries brings OpenVINO's CPU plugin into memory, and the next model loads no further library."""
    code = (
        "from sagemaker_gluoncv_container.inference import openvino_net;"
        "libraries = lambda: {line.split()[-1] for line in open('/proc/self/maps') if '.so' in line};"
        "before = libraries(); openvino_net.read_libraries(); after = libraries();"
        "assert not any('intel_cpu' in each for each in before), before;"
        "assert any('intel_cpu' in each for each in after), after;"
        "openvino_net.read_libraries(); assert libraries() == after"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
