"""openvino_net: int8 is exact, also on CPUs that sum two products in 16 bits."""

import os
import subprocess
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container.images import Preprocessing
from sagemaker_gluoncv_container.inference.openvino_net import Net
from sagemaker_gluoncv_container.inference.translation import translate

SIDE, CHANNELS = 6, 64
LARGEST = 255.0


def sums(folder: Path) -> None:
    """Write what a convolution comes to whose inputs and weights are the largest that 8 bits can stand for."""
    data = mx.sym.var("data")
    spread = mx.sym.Convolution(data, num_filter=CHANNELS, kernel=(1, 1), no_bias=True, name="spread")
    taken = mx.sym.Activation(spread, act_type="relu", name="taken")
    summed = mx.sym.Convolution(taken, num_filter=CHANNELS, kernel=(3, 3), no_bias=True, name="summed")
    symbol = mx.sym.SoftmaxOutput(mx.sym.Flatten(summed), name="softmax")
    only_red = np.zeros((CHANNELS, 3, 1, 1), np.float32)
    only_red[:, 0] = 1
    arrays = {"arg:spread_weight": only_red, "arg:summed_weight": np.ones((CHANNELS, CHANNELS, 3, 3), np.float32)}
    preprocessing = Preprocessing(SIDE, SIDE, None)
    model = translate(symbol.tojson(), arrays, preprocessing, {"taken": (0.0, LARGEST)}, watched=["summed"])
    found = Net(model, 1)(np.full((SIDE, SIDE, 3), LARGEST, np.uint8))[1]
    np.save(folder / "sums.npy", found)


@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE", "ALL"])
def test_int8_is_exact(instructions: str, tmp_path: Path) -> None:
    """The sums are right whether the CPU has VNNI or AMX, or not."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": instructions, "PYTHONPATH": str(Path(__file__).parent)}
    code = f"import pathlib, test_openvino_net; test_openvino_net.sums(pathlib.Path({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    # A weight of 1 is 63.5 of 127 steps, which rounds up.
    assert np.load(tmp_path / "sums.npy") == pytest.approx(LARGEST * 9 * CHANNELS, rel=0.01)


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
