"""Makes a net's int8 form: measures the ranges that 8 bits stand for, and judges what they cost.

The range of a layer is taken from the least and greatest value in each calibration picture. To leave out the extremes
of a few pictures makes the steps finer for all others; how many to leave out is tried. Kept apart from both training
and serving: one makes what the other uses.
"""

import itertools
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import artifact
from ..arrays import Floats, Pixels
from ..artifact import Artifact, Quantization
from ..errors import ContainerError
from . import params
from .openvino_net import Net
from .translation import Range, is_multi_label, rounded, translate

logger = logging.getLogger(__name__)

CALIBRATION_PICTURES = 300
# More would tell no more of half a point.
JUDGED_PICTURES = 2000
# What int8 may cost to be kept.
MOST_LOST_ACCURACY, LEAST_AGREEMENT = 0.005, 0.985
# Of the calibration pictures, so many have their extremes within the range.
_SHARES = (1.0, 0.99, 0.95, 0.9)
_SMALLEST_RANGE = 1e-6


class _Rounding:
    """A net in float32, and what it takes to make its int8 forms."""

    def __init__(self, found: Artifact, threads: int) -> None:
        self._symbol, self._arrays = found.symbol.read_text(), params.read(found.params)
        self._preprocessing, self._threads = found.description.preprocessing, threads
        self.layers = rounded(self._symbol)

    def net(self, ranges: dict[str, Range] | None = None, watched: Sequence[str] = ()) -> Net:
        """Return the net in int8 with these ranges, else in float32."""
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
            raise ContainerError("the net cannot be calibrated", "a layer's output is no number")
        candidates = [self._ranges(low, high, share) for share in _SHARES]
        return min(candidates, key=lambda ranges: self._distance(ranges, pictures, answers))

    def _ranges(self, low: NDArray[np.float64], high: NDArray[np.float64], share: float) -> dict[str, Range]:
        lowest, highest = np.quantile(low, 1 - share, axis=0), np.quantile(high, share, axis=0)
        return dict(zip(self.layers, zip(lowest.tolist(), highest.tolist(), strict=True), strict=True))

    def _distance(self, ranges: dict[str, Range], pictures: Sequence[Pixels], answers: Sequence[Floats]) -> float:
        net = self.net(ranges)
        return float(
            np.mean([np.abs(net(pixels)[0] - answer) for pixels, answer in zip(pictures, answers, strict=True)])
        )


def answers(found: Artifact) -> tuple[int, bool]:
    """Return how many classes a net knows, and whether a picture may be of several. Raises ContainerError."""
    symbol = found.symbol.read_text()
    model = translate(symbol, params.read(found.params), found.description.preprocessing)
    return int(model.output(0).shape[1]), is_multi_label(symbol)


def quantize(
    directory: Path,
    calibration: Sequence[Pixels],
    validation: Iterable[tuple[Pixels, Floats]],
    threads: int,
) -> Quantization:
    """Calibrate the model in a directory for int8, judge it, and write beside it what came out.

    Pixels are uint8 (height, width, 3), as `images.for_evaluation` gives them; with each validation picture comes its
    class as one number, or its labels (classes,). The first JUDGED_PICTURES of them count. Raises ContainerError if
    the model cannot be computed by OpenVINO, or if there are no pictures.
    """
    found = artifact.load(directory)
    if not len(calibration):
        raise ContainerError("the net cannot be calibrated", "there are no pictures to do it with")
    rounding = _Rounding(found, threads)
    ranges = rounding.calibrate(calibration)
    float32, int8 = rounding.net(), rounding.net(ranges)
    seen = [
        (float32(pixels)[0], int8(pixels)[0], label) for pixels, label in itertools.islice(validation, JUDGED_PICTURES)
    ]
    if not seen:
        raise ContainerError("int8 cannot be judged", "there are no validation pictures")
    quantization = _judged(found.params.name, ranges, *(np.stack(each) for each in zip(*seen, strict=True)))
    artifact.save_quantization(directory, quantization)
    if quantization.refused:
        logger.warning("int8: refused, the model stays in float32: %s", quantization.refused)
    else:
        logger.info("int8: kept, %s", quantization)
    return quantization


def _judged(name: str, ranges: dict[str, Range], float32: Floats, int8: Floats, labels: Floats) -> Quantization:
    """Return what the answers of both (n, classes) say; with several labels a picture each label is an answer."""
    if labels.ndim == 1:
        before, after = float32.argmax(1), int8.argmax(1)
    else:
        before, after = float32 > 0.5, int8 > 0.5
    right, still, same = (float(each.mean()) for each in (before == labels, after == labels, before == after))
    quantization = Quantization(name, ranges, len(labels), right, still, same)
    return replace(quantization, refused=_fault(quantization))


def _fault(quantization: Quantization) -> str | None:
    lost = quantization.accuracy_float32 - quantization.accuracy_int8
    # Accuracies are shares of whole pictures: only what is exactly at the limit needs the margin.
    if lost > MOST_LOST_ACCURACY + 1e-9:
        return f"{quantization}; it may lose {100 * MOST_LOST_ACCURACY:g} points of accuracy"
    if quantization.agreement < LEAST_AGREEMENT:
        return f"{quantization}; that must be {LEAST_AGREEMENT:.1%}"
    return None
