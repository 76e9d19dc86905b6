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
