"""What a job's log says of an epoch: the lines that users of the built-in algorithm parse, and signs of life.

No line but an epoch's own holds `Validation-accuracy=` or `validation:accuracy=`: a tuner would take it for an epoch.
"""

import logging
import sys
import time
from collections.abc import Iterator, Mapping

from tqdm import tqdm

from ...data.batches import Batch, Batches
from .accuracy import Accuracy

logger = logging.getLogger(__name__)

# The built-in algorithm reports every 20 batches.
BATCHES_PER_LINE = 20
# After so long in an epoch, where 20 batches take longer, a line says how long it will take.
_FIRST_WORD = 10


class SpeedLines:
    """Logs the speed and the training metrics, every BATCHES_PER_LINE batches of an epoch."""

    def __init__(self, epoch: int, pictures: int) -> None:
        """`pictures` of the epoch were seen before."""
        self._epoch, self._pictures, self._since = epoch, pictures, time.monotonic()

    def write(self, number: int, accuracy: Accuracy) -> None:
        """Log the line of batch `number`, with the figures of the epoch so far."""
        now = time.monotonic()
        speed = (accuracy.pictures - self._pictures) / (now - self._since)
        metrics = "\t".join(f"{name}={value:f}" for name, value in accuracy.values().items())
        logger.info("Epoch[%d] Batch [%d]\tSpeed: %.2f samples/sec\t%s", self._epoch, number, speed, metrics)
        self._pictures, self._since = accuracy.pictures, now


def metrics(epoch: int, split: str, values: Mapping[str, float]) -> None:
    """Log a line for each metric of an epoch; `split` is Train or Validation."""
    for name, value in values.items():
        logger.info("Epoch[%d] %s-%s=%f", epoch, split, name, value)


def figures(values: Mapping[str, float]) -> None:
    """Log all figures of an epoch in one line, for metric definitions to read."""
    whole = ("epoch", "learning_rate")
    texts = (f"{name}={value:.6g}" if name in whole else f"{name}={value:f}" for name, value in values.items())
    logger.info("%s", " ".join(texts))


def watched(epoch: int, split: str, batches: Batches, first: int = 0) -> Iterator[Batch]:
    """Yield the batches of an epoch from number `first` on, and show that something happens.

    `split` is Training or Validation. A line comes at once, and one that estimates the time if the first batches take
    more than ten seconds. On a terminal there is a progress bar.
    """
    count = len(batches)
    _start(epoch, split, first, count)
    is_terminal = sys.stderr.isatty()
    bar = tqdm(
        batches.epoch(epoch, first),
        desc=f"Epoch[{epoch}] {split}",
        initial=first,
        total=count or None,
        unit="batch",
        leave=False,
        disable=not is_terminal,
    )
    began, is_said = time.monotonic(), is_terminal
    for done, batch in enumerate(bar):
        seconds = time.monotonic() - began
        if 0 < done < BATCHES_PER_LINE and seconds > _FIRST_WORD and not is_said:
            left = f", and the others need about {seconds / done * (count - first - done):.0f} s" if count else ""
            logger.info("Epoch[%d] %s: the first %d batches took %.0f s%s", epoch, split, done, seconds, left)
            is_said = True
        yield batch


def _start(epoch: int, split: str, first: int, count: int) -> None:
    if first:
        place = f"{first + 1} of {count}" if count else str(first + 1)
        logger.info("Epoch[%d] %s continues at batch %s", epoch, split, place)
    else:
        logger.info("Epoch[%d] %s starts%s", epoch, split, f": {count} batches" if count else "")
