"""OpenVINO as an engine: float32 and int8 on CPUs."""

import time

import numpy as np
import openvino as ov

from ..arrays import Floats, Pixels
from ..artifact import FLOAT32, INT8, Artifact
from . import finite, params
from .answers import Measured
from .openvino_net import Net
from .rounding import BALANCED, NEAREST, Rounding
from .translation import translate

# Threads that save less than this share of a picture's time are better left to other pictures.
_CLEARLY = 0.8
_PASSES = 5


class OpenVINOEngine:
    """A net in OpenVINO. Pictures of a batch are computed one by one: together they would take no less time."""

    name = "OpenVINO"

    def __init__(self, artifact: Artifact, int8: bool, threads: int, lone_threads: int | None = None) -> None:
        """Load the net; `lone_threads`, if not `threads`, compute a lone picture, by a net of their own.

        Raises Untranslatable if it has something that only MXNet knows, ContainerError.
        """
        self.precision = INT8 if int8 else FLOAT32
        self._artifact, self._threads = artifact, threads
        model = self._model()
        self._net = self._lone_net = Net(model, threads)
        if lone_threads not in (None, threads):
            self._lone_net = Net(model, lone_threads)

    def _model(self) -> ov.Model:
        quantization, preprocessing = self._artifact.quantization, self._artifact.description.preprocessing
        symbol, arrays = self._artifact.symbol.read_text(), params.read(self._artifact.params)
        finite.check_parameters(arrays.items(), self._artifact.params)
        if self.precision == FLOAT32 or not quantization:
            return translate(symbol, arrays, preprocessing)
        rounding = Rounding(NEAREST if quantization.nearest else BALANCED)
        return translate(symbol, arrays, preprocessing, quantization.ranges, rounding=rounding)

    def compute(self, pixels: Pixels, alone: bool = False) -> Floats:
        """Return the probabilities, float32 (n, classes), of pixels, uint8 (n, height, width, 3)."""
        net = self._lone_net if alone else self._net
        return np.stack([net(each)[0] for each in pixels])

    def measure(self, most: int) -> Measured:
        """Double the threads for lone pictures, up to `most`, while they clearly take less time."""
        model = self._model()
        best = count = self._threads
        seconds = {best: self._seconds(self._net)}
        while best == count < most:
            count = min(2 * count, most)
            net = Net(model, count)
            seconds[count] = self._seconds(net)
            if seconds[count] < _CLEARLY * seconds[best]:
                best, self._lone_net = count, net
        return Measured(seconds, best)

    def _seconds(self, net: Net) -> float:
        """Return how long a picture takes: the best of some passes, which others on the machine disturbed the least."""
        preprocessing = self._artifact.description.preprocessing
        pixels = np.zeros((preprocessing.height, preprocessing.width, 3), np.uint8)
        taken = []
        for _ in range(_PASSES):
            began = time.perf_counter()
            net(pixels)
            taken.append(time.perf_counter() - began)
        return min(taken)

    def close(self) -> None:
        """Nothing is left when the object is gone."""
