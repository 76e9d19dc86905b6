"""A net in OpenVINO, compiled for this CPU."""

import numpy as np
import openvino as ov
from openvino import opset13 as op

from ..arrays import Floats, Pixels
from .rounding import LEVELS
from .translation import bounds, planes


class Net:
    """A compiled model, for one picture at a time; not for several threads at once."""

    def __init__(self, model: ov.Model, threads: int) -> None:
        """Compile the model; `threads` compute one picture together."""
        settings = {
            # Without this OpenVINO computes in bfloat16 where a CPU has it.
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # With pinning, all workers would share the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        self._request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()

    def __call__(self, pixels: Pixels) -> list[Floats]:
        """Return the model's outputs, float32, for pixels, uint8 (height, width, 3)."""
        results = self._request.infer([pixels[None]], share_inputs=True)
        return [results[number][0] for number in range(len(results))]


def read_libraries() -> None:
    """Make OpenVINO read its libraries, which it does on first use: so the first model's memory is its own."""
    pixels = op.parameter([1, 4, 4, 64], np.uint8)
    taken = op.fake_quantize(planes(op.convert(pixels, "f32")), *bounds(0, 255), LEVELS)
    weights = op.fake_quantize(op.constant(np.ones((64, 64, 3, 3), np.float32)), *bounds(-127, 127), LEVELS - 1)
    sums = op.convolution(taken, weights, (1, 1), (1, 1), (1, 1), (1, 1))
    Net(ov.Model([op.result(sums)], [pixels]), 1)(np.zeros((4, 4, 64), np.uint8))
