"""A net in OpenVINO, compiled for this CPU, and whether the CPU computes in int8."""

import functools

import numpy as np
import openvino as ov
from openvino import opset13 as op

from .images import Pixels
from .translation import LEVELS, Floats, bounds, planes


class Net:
    """A compiled model, for one picture at a time; not for several threads at once."""

    def __init__(self, model: ov.Model, threads: int, simulated: bool = False) -> None:
        """`threads` compute a picture together; if `simulated`, values are rounded as for int8 and stay float32."""
        settings = {
            # Never bfloat16, which OpenVINO would take by itself where a CPU has it.
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # Several workers would all be pinned to the same cores.
            "ENABLE_CPU_PINNING": False,
            "LP_TRANSFORMS_MODE": not simulated,
        }
        self._request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()

    def __call__(self, pixels: Pixels) -> list[Floats]:
        """Return the outputs of the model for pixels, uint8 (height, width, 3)."""
        results = self._request.infer([pixels[None]], share_inputs=True)
        return [results[number][0] for number in range(len(results))]


@functools.cache
def computes_int8() -> bool:
    """Return whether this CPU computes in int8 exactly, as those with VNNI or AMX do.

    Others add pairs of products in 16 bits, which overflow: their answers in int8 are other ones. Seen by trying, which
    also holds where instructions are switched off by oneDNN's variables.
    """
    side, channels = 4, 64
    pixels = op.parameter([1, side, side, channels], np.uint8)
    taken = op.fake_quantize(planes(op.convert(pixels, "f32")), *bounds(0, 255), LEVELS)
    weights = op.constant(np.full((channels, channels, 3, 3), 127, np.float32))
    weights = op.fake_quantize(weights, *bounds(-127, 127), LEVELS - 1)
    sums = op.convolution(taken, weights, (1, 1), (1, 1), (1, 1), (1, 1))
    found = Net(ov.Model([op.result(sums)], [pixels]), 1)(np.full((side, side, channels), 255, np.uint8))[0]
    return bool(np.allclose(found[:, 1:-1, 1:-1], 9 * channels * 255 * 127, rtol=1e-3))
