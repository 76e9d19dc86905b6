"""Finds the ranges that the 8 bits of each layer cover, and the layers that rounding harms most.

The range of a layer comes from the lowest and highest value of each calibration picture. Leaving out the extremes of a
few pictures makes the steps finer for all others; several shares are tried.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import artifact
from ..arrays import Doubles, Floats, Pixels
from ..errors import ContainerError
from . import params
from .openvino_net import Net
from .rounding import LEVELS, Rounding
from .symbol import Graph
from .translation import Range, rounded, translate

Ranges = dict[str, Range]

# The shares of the calibration pictures whose extremes a range covers: all of these are tried, each on some pictures.
_COVERED = (1.0, 0.99, 0.95, 0.9)
_TRIED_PICTURES = 100
# Sensitivity is a ratio of means over all values of a layer: few pictures tell it.
_SENSED_PICTURES = 20
_SMALLEST_RANGE = 1e-6
# With more of its multiplications in float32 a net would hardly be faster.
MOST_FLOAT32 = 0.5


@dataclass(frozen=True)
class Answered:
    """A picture, and a net's answer to it in float32."""

    pixels: Pixels
    probabilities: Floats


class Calibration:
    """A net in float32, and all that its int8 forms are made of."""

    def __init__(self, found: artifact.Artifact, threads: int) -> None:
        """`threads` compute each net. Raises ContainerError if OpenVINO cannot compute it."""
        self._symbol, self._arrays = found.symbol.read_text(), params.read(found.params)
        self._preprocessing, self._threads, self._rounding = (
            found.description.preprocessing,
            threads,
            Rounding(keep=True),
        )
        self.layers = rounded(self._symbol)

    def net(self, ranges: Ranges | None = None, watched: Sequence[str] = ()) -> Net:
        """Return the net, in int8 with these ranges, in float32 without."""
        model = translate(self._symbol, self._arrays, self._preprocessing, ranges, watched, self._rounding)
        return Net(model, self._threads)

    def ranges(self, pictures: Sequence[Pixels]) -> Ranges:
        """Return the ranges with which the answers to the pictures are nearest to those of float32.

        Raises ContainerError if there are no pictures, or if a layer's output is not finite.
        """
        if not len(pictures):
            raise ContainerError("The net cannot be calibrated", "There are no pictures to do it with", "Give some")
        watching = self.net(watched=self.layers)
        answered, extremes = [], []
        for pixels in pictures:
            probabilities, *outputs = watching(pixels)
            answered.append(Answered(pixels, probabilities))
            extremes.append([(each.min(initial=0), each.max(initial=_SMALLEST_RANGE)) for each in outputs])
        low, high = np.moveaxis(np.array(extremes, np.float64), 2, 0)
        if not np.isfinite([low, high]).all():
            what, why = "The net cannot be calibrated", "A layer's output is not a finite number"
            raise ContainerError(what, why, "Train it again, at a lower learning rate")
        candidates = [self._covering(low, high, share) for share in _COVERED]
        return min(candidates, key=lambda ranges: self._distance(ranges, answered[:_TRIED_PICTURES]))

    def _covering(self, low: Doubles, high: Doubles, share: float) -> Ranges:
        lowest, highest = np.quantile(low, 1 - share, axis=0), np.quantile(high, share, axis=0)
        return dict(zip(self.layers, zip(lowest.tolist(), highest.tolist(), strict=True), strict=True))

    def _distance(self, ranges: Ranges, answered: Sequence[Answered]) -> float:
        net = self.net(ranges)
        apart = [np.abs(net(each.pixels)[0] - each.probabilities).mean() for each in answered]
        # What is not finite is as far away as can be.
        return float(np.nan_to_num(np.mean(apart), nan=np.inf))

    def without_sensitive(self, ranges: Ranges, pictures: Sequence[Pixels]) -> list[Ranges]:
        """Return the ranges again without the layer that rounding harms most, without the worst four, sixteen, ...

        What is left out is computed in float32, up to MOST_FLOAT32 of the multiplications.
        """
        multiplications = self._multiplications(pictures[0])
        left, left_out = MOST_FLOAT32 * sum(multiplications.values()), []
        for layer in self._by_sensitivity(ranges, pictures[:_SENSED_PICTURES]):
            if multiplications[layer] <= left:
                left -= multiplications[layer]
                left_out.append(layer)
        counts = sorted({min(4**power, len(left_out)) for power in range(len(left_out))})
        return [{name: ranges[name] for name in self.layers if name not in left_out[:count]} for count in counts]

    def _by_sensitivity(self, ranges: Ranges, pictures: Sequence[Pixels]) -> list[str]:
        """Return the layers, first the one whose rounding, as a share of what a channel says, is the greatest.

        By channels, because what ruins a net is often one channel that is so large that its range leaves no steps to
        the others.
        """
        watching = self.net(watched=self.layers)
        noise, power = ([np.float64(0)] * len(self.layers) for _ in range(2))
        for pixels in pictures:
            for number, (layer, output) in enumerate(zip(self.layers, watching(pixels)[1:], strict=True)):
                channels = output.reshape(len(output), -1)
                noise[number] = noise[number] + np.square(_as_bytes(channels, *ranges[layer]) - channels).mean(1)
                power[number] = power[number] + np.square(channels).mean(1)
        shares = [(part / np.maximum(whole, 1e-30)).mean() for part, whole in zip(noise, power, strict=True)]
        return [layer for _, layer in sorted(zip(shares, self.layers, strict=True), reverse=True)]

    def _multiplications(self, pixels: Pixels) -> dict[str, float]:
        """Return about how many multiplications the layers do that take each rounded layer."""
        graph, sizes = (
            Graph.read(self._symbol),
            {name.partition(":")[2]: each.size for name, each in self._arrays.items()},
        )
        shapes = [each.shape for each in self.net(watched=self.layers)(pixels)[1:]]
        found = dict.fromkeys(self.layers, 0.0)
        for node in graph.nodes:
            source = graph.nodes[node.inputs[0]].name if node.inputs else ""
            if node.operator in ("Convolution", "FullyConnected") and source in found:
                weights = sizes[graph.nodes[node.inputs[1]].name]
                places = math.prod(shapes[self.layers.index(source)][1:]) if node.operator == "Convolution" else 1
                found[source] += weights * places / math.prod(node.attributes.get("stride") or (1,))
        return found


def _as_bytes(values: Floats, low: float, high: float) -> Floats:
    """Return values as 8 bits of a range can say them."""
    step = (high - low) / (LEVELS - 1)
    known: Floats = np.rint((values.clip(low, high) - low) / step) * step + low
    return known
