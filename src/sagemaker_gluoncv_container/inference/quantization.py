"""Makes the int8 form of a net, and decides by its answers whether it is used.

Training makes the int8 form, serving uses it: this module belongs to neither.
"""

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import artifact, disk
from ..arrays import Floats, Pixels
from ..artifact import Artifact, Quantization
from ..errors import ContainerError
from . import params
from .calibration import Calibration, Ranges
from .judging import Comparison, compare, fault
from .symbol import Graph
from .translation import translate

logger = logging.getLogger(__name__)

CALIBRATION_PICTURES = 300
# More pictures would hardly tell half a point better.
JUDGED_PICTURES = 2000


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
    class as one number, or with its labels (classes,); the first JUDGED_PICTURES are judged. They are gone through
    again if int8 is refused at first: those of an iterator are kept in memory. Raises ContainerError if OpenVINO
    cannot compute the model, or if there are no pictures.
    """
    found = artifact.load(directory)
    made = Calibration(found, threads)
    ranges = made.ranges(calibration)
    if isinstance(validation, Iterator):
        validation = list(itertools.islice(validation, JUDGED_PICTURES))
    quantization = _judged(found, made, ranges, validation)
    if quantization.refused:
        quantization = _with_fewer_layers(found, made, quantization, calibration, validation)
    with disk.writing("The int8 form", directory):
        artifact.save_quantization(directory, quantization)
    if quantization.refused:
        logger.warning("int8: refused, the model stays in float32: %s", quantization.refused)
    else:
        logger.info("int8: kept, %s", quantization)
    return quantization


def _judged(
    found: Artifact, made: Calibration, ranges: Ranges, validation: Iterable[tuple[Pixels, Floats]]
) -> Quantization:
    float32, int8 = made.net(), made.net(ranges)
    pictures = itertools.islice(validation, JUDGED_PICTURES)
    seen = [(float32(pixels)[0], int8(pixels)[0], label) for pixels, label in pictures]
    if not seen:
        what, why = "The int8 form cannot be judged", "There are no validation pictures"
        raise ContainerError(what, why, "Give a validation channel")
    comparison = compare(*(np.stack(each) for each in zip(*seen, strict=True)))
    left_out = tuple(layer for layer in made.layers if layer not in ranges)
    return _quantization(found.params.name, ranges, comparison, left_out)


def _quantization(name: str, ranges: Ranges, comparison: Comparison, left_out: tuple[str, ...]) -> Quantization:
    quantization = Quantization(name, ranges, **asdict(comparison), float32_layers=left_out)
    why = fault(comparison)
    return replace(quantization, refused=f"{quantization}; {why}") if why else quantization


def _with_fewer_layers(
    found: Artifact,
    made: Calibration,
    refused: Quantization,
    calibration: Sequence[Pixels],
    validation: Iterable[tuple[Pixels, Floats]],
) -> Quantization:
    """Return the first form that passes with its most sensitive layers in float32, else the one that was refused."""
    left_out = 0
    for ranges in made.without_sensitive(refused.ranges, calibration):
        quantization = _judged(found, made, ranges, validation)
        if not quantization.refused:
            return quantization
        left_out = len(quantization.float32_layers)
    if not left_out:
        return refused
    return replace(refused, refused=f"{refused.refused}; nor does it pass with {left_out} layers in float32")
