"""OpenVINO as an engine: float32 and int8 on CPUs."""

import numpy as np
from numpy.typing import NDArray

from .. import params
from ..artifact import FLOAT32, INT8, Artifact
from ..images import Pixels
from ..openvino_net import Net
from ..translation import translate


class OpenVINOEngine:
    """A net in OpenVINO. Pictures of a batch are computed one by one: together they would take no less time."""

    name = "OpenVINO"

    def __init__(self, artifact: Artifact, int8: bool, threads: int) -> None:
        """Load the net. Raises Untranslatable if it has something that only MXNet knows, ContainerError."""
        self.precision = INT8 if int8 else FLOAT32
        ranges = artifact.quantization.ranges if int8 and artifact.quantization else None
        preprocessing = artifact.description.preprocessing
        model = translate(artifact.symbol.read_text(), params.read(artifact.params), preprocessing, ranges)
        self._net = Net(model, threads)

    def compute(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return the probabilities, float32 (n, classes), of pixels, uint8 (n, height, width, 3)."""
        return np.stack([self._net(each)[0] for each in pixels])

    def close(self) -> None:
        """Nothing is left when the object is gone."""
