"""Holds the net and computes probabilities."""

import threading

import mxnet as mx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import images
from ..artifact import Artifact


class Predictor:
    """A loaded artifact. Threads may share it: one computes at a time."""

    def __init__(self, artifact: Artifact) -> None:
        """Load the net; MXNet fuses it for inference when it is bound."""
        self._preprocessing = artifact.description.preprocessing
        shape = (1, 3, self._preprocessing.height, self._preprocessing.width)
        symbol = mx.sym.load(str(artifact.symbol))
        self._executor = symbol.simple_bind(mx.cpu(), grad_req="null", data=shape)
        for name, value in mx.nd.load(str(artifact.params)).items():
            kind, name = name.split(":", 1)
            values = self._executor.arg_dict if kind == "arg" else self._executor.aux_dict
            values[name][:] = value
        self._lock = threading.Lock()
        # The first pass allocates and chooses kernels: a warm-up picture pays for it, not the first client.
        self.predict(Image.new("RGB", (self._preprocessing.width, self._preprocessing.height)))

    def predict(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the class probabilities of an RGB picture of any size, float32 (classes,)."""
        pixels = images.for_evaluation(image, self._preprocessing)
        data = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)
        with self._lock:
            probabilities: NDArray[np.float32] = self._executor.forward(is_train=False, data=data)[0].asnumpy()
        return probabilities.reshape(-1)
