"""Makes the int8 form of a net: measures the ranges that its 8 bits cover, and judges what the rounding costs.

The range of a layer comes from the lowest and highest value of each calibration picture. Leaving out the extremes of a
few pictures makes the steps finer for all others; several shares are tried. Training makes the int8 form, serving uses
it: this module belongs to neither.
"""

import itertools
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import artifact, disk
from ..arrays import Floats, Pixels
from ..artifact import Artifact, Quantization
from ..errors import ContainerError
from . import params
from .openvino_net import Net
from .symbol import Graph
from .translation import Range, rounded, translate

logger = logging.getLogger(__name__)

CALIBRATION_PICTURES = 300
# More pictures would hardly tell half a point better.
JUDGED_PICTURES = 2000
# What int8 may cost.
MOST_LOST_ACCURACY, LEAST_AGREEMENT = 0.005, 0.985
# The shares of the calibration pictures whose extremes a range covers: all of these are tried.
_COVERED = (1.0, 0.99, 0.95, 0.9)
_SMALLEST_RANGE = 1e-6


class _Rounding:
    """A net in float32, and all that its int8 forms are made of."""

    def __init__(self, found: Artifact, threads: int) -> None:
        self._symbol, self._arrays = found.symbol.read_text(), params.read(found.params)
        self._preprocessing, self._threads = found.description.preprocessing, threads
        self.layers = rounded(self._symbol)

    def net(self, ranges: dict[str, Range] | None = None, watched: Sequence[str] = ()) -> Net:
        """Return the net, in int8 with these ranges, in float32 without."""
        return Net(translate(self._symbol, self._arrays, self._preprocessing, ranges, watched), self._threads)

    def calibrate(self, pictures: Sequence[Pixels]) -> dict[str, Range]:
        """Return the ranges with which the answers to the pictures are nearest to those of float32."""
        watching = self.net(watched=self.layers)
        answers, extremes = [], []
        for pixels in pictures:
            probabilities, *outputs = watching(pixels)
            answers.append(probabilities)
            extremes.append([(each.min(initial=0), each.max(initial=_SMALLEST_RANGE)) for each in outputs])
        low, high = np.moveaxis(np.array(extremes, np.float64), 2, 0)
        if not np.isfinite([low, high]).all():
            raise ContainerError(
                "The net cannot be calibrated",
                "A layer's output is not a finite number",
                "Train it again at a lower rate",
            )
        candidates = [self._ranges(low, high, share) for share in _COVERED]
        return min(candidates, key=lambda ranges: self._distance(ranges, pictures, answers))

    def _ranges(self, low: NDArray[np.float64], high: NDArray[np.float64], share: float) -> dict[str, Range]:
        lowest, highest = np.quantile(low, 1 - share, axis=0), np.quantile(high, share, axis=0)
        return dict(zip(self.layers, zip(lowest.tolist(), highest.tolist(), strict=True), strict=True))

    def _distance(self, ranges: dict[str, Range], pictures: Sequence[Pixels], answers: Sequence[Floats]) -> float:
        net = self.net(ranges)
        return float(
            np.mean([np.abs(net(pixels)[0] - answer) for pixels, answer in zip(pictures, answers, strict=True)])
        )


class Outputs(NamedTuple):
    """How many classes a net knows, and whether a picture may be of several."""

    classes: int
    multi_label: bool


def outputs(found: Artifact) -> Outputs:
    """Return what a net's outputs are. Raises ContainerError if OpenVINO cannot compute it."""
    symbol = found.symbol.read_text()
    model = translate(symbol, params.read(found.params), found.description.preprocessing)
    return Outputs(int(model.output(0).shape[1]), Graph.read(symbol).is_multi_label)


def quantize(
    directory: Path,
    calibration: Sequence[Pixels],
    validation: Iterable[tuple[Pixels, Floats]],
    threads: int,
) -> Quantization:
    """Calibrate the model in a directory for int8, judge it, and write the result beside it.

    Pixels are uint8 (height, width, 3), as `images.for_evaluation` gives them. Each validation picture comes with its
    class as one number, or with its labels (classes,); the first JUDGED_PICTURES are judged. Raises ContainerError if
    OpenVINO cannot compute the model, or if there are no pictures.
    """
    found = artifact.load(directory)
    if not len(calibration):
        raise ContainerError(
            "The net cannot be calibrated", "There are no pictures to do it with", "Give a training channel"
        )
    rounding = _Rounding(found, threads)
    ranges = rounding.calibrate(calibration)
    float32, int8 = rounding.net(), rounding.net(ranges)
    seen = [
        (float32(pixels)[0], int8(pixels)[0], label) for pixels, label in itertools.islice(validation, JUDGED_PICTURES)
    ]
    if not seen:
        raise ContainerError(
            "The int8 form cannot be judged", "There are no validation pictures", "Give a validation channel"
        )
    quantization = _judged(found.params.name, ranges, *(np.stack(each) for each in zip(*seen, strict=True)))
    with disk.writing("The int8 form", directory):
        artifact.save_quantization(directory, quantization)
    if quantization.refused:
        logger.warning("int8: refused, the model stays in float32: %s", quantization.refused)
    else:
        logger.info("int8: kept, %s", quantization)
    return quantization


def _judged(name: str, ranges: dict[str, Range], float32: Floats, int8: Floats, labels: Floats) -> Quantization:
    """Compare the answers of both, (n, classes). Where a picture has several labels, each label is an answer."""
    if labels.ndim == 1:
        before, after = float32.argmax(1), int8.argmax(1)
    else:
        before, after = float32 > 0.5, int8 > 0.5
    right, still, same = (float(each.mean()) for each in (before == labels, after == labels, before == after))
    several = labels.size if labels.ndim > 1 else None
    quantization = Quantization(name, ranges, len(labels), right, still, same, labels=several)
    return replace(quantization, refused=_fault(quantization))


def _fault(quantization: Quantization) -> str | None:
    lost = quantization.accuracy_float32 - quantization.accuracy_int8
    # The margin is for a loss of exactly the limit: floats add errors of their own.
    if lost > MOST_LOST_ACCURACY + 1e-9:
        return f"{quantization}; it may lose {100 * MOST_LOST_ACCURACY:g} points of accuracy"
    if quantization.agreement < LEAST_AGREEMENT:
        return f"{quantization}; that must be {LEAST_AGREEMENT:.1%}"
    return None
