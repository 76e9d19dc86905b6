"""Makes the int8 form of the model that a job leaves; whatever happens here, the model in float32 is there."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ... import artifact, images
from ...arrays import Floats, Pixels
from ...artifact import Quantization
from ...data.batches import Batches, SkippedPictures
from ...data.samples import Channel, FileSample, RecordSample, Stored
from ...ending import Ended, Ends, check, never
from ...errors import ContainerError
from ...inference import quantization
from ...inference.quantization import CALIBRATION_PICTURES, JUDGED_PICTURES

logger = logging.getLogger(__name__)

_BATCH = 32


def quantize(
    directory: Path,
    train: Channel,
    validation: Channel,
    threads: int,
    seed: int = 0,
    ends: Ends = never,
    skipped: Mapping[str, str] | None = None,
) -> None:
    """Calibrate the model in a directory with training pictures and judge it with validation pictures, and say so.

    Where that cannot be done the model stays in float32, and the log says why. Pictures that were `skipped` already,
    by name, are not reported again.
    """
    if not isinstance(train, Stored) or not isinstance(validation, Stored):
        logger.info("int8: left out, because pictures that came through a pipe cannot be had again")
        return
    began = time.monotonic()
    try:
        check(ends)
        from_channels(directory, train, validation, threads, seed, ends, skipped)
        logger.info("int8: time cost=%.3f", time.monotonic() - began)
    except Ended as reason:
        logger.info("int8: left out: %s", reason)
    except (ContainerError, OSError, RuntimeError, ValueError, LookupError, MemoryError) as error:
        logger.warning("int8: left out, the model stays in float32: %s", error)


def from_channels(
    directory: Path,
    train: Stored,
    validation: Stored,
    threads: int,
    seed: int = 0,
    ends: Ends = never,
    skipped: Mapping[str, str] | None = None,
) -> Quantization:
    """Calibrate the model in a directory with some pictures of one channel, and judge it with those of another.

    Raises Ended, ContainerError.
    """
    preprocessing = artifact.load(directory).description.preprocessing
    side = preprocessing.decoded_side
    unreadable = SkippedPictures(max_bad_fraction=1)
    unreadable.reasons.update(skipped or {})

    def view(image: Image.Image, _: np.random.Generator) -> Pixels:
        return images.for_evaluation(image, preprocessing)

    def pictures(channel: Stored, most: int) -> Iterator[tuple[Pixels, Floats]]:
        drawn = Stored(_drawn(channel, most, seed), channel.local)
        for each in Batches(drawn, view, _BATCH, threads, skipped=unreadable, decoded_side=side).views(0):
            check(ends)
            yield each.pixels, each.labels

    calibration = [pixels for pixels, _ in pictures(train, CALIBRATION_PICTURES)]
    judged = _Again(lambda: pictures(validation, JUDGED_PICTURES))
    return quantization.quantize(directory, calibration, judged, threads)


class _Again:
    """Pictures that are decoded each time they are gone through: 2,000 of them would fill hundreds of megabytes."""

    def __init__(self, pictures: Callable[[], Iterator[tuple[Pixels, Floats]]]) -> None:
        self._pictures = pictures

    def __iter__(self) -> Iterator[tuple[Pixels, Floats]]:
        return self._pictures()


def _drawn(channel: Stored, most: int, seed: int) -> list[FileSample | RecordSample]:
    """Return that many samples of a channel, or all, in its order."""
    count = len(channel)
    chosen = np.random.default_rng(seed).choice(count, min(most, count), replace=False)
    return [channel.samples[number] for number in sorted(chosen.tolist())]
