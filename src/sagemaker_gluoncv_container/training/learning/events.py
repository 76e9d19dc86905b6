"""Event files for TensorBoard: what the job's figures, weights and gradients did, step by step.

The format is TensorFlow's: TFRecord framing around `Event` protocol buffers, which tensorboardX writes.
"""

import logging
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The most that a killed job loses, in seconds.
_FLUSH = 10
_BINS = 64
# It warns of every NaN without saying where; the job's log names what exploded.
logging.getLogger("tensorboardX.x2num").setLevel(logging.ERROR)


class EventLog:
    """Writes one event file into a directory; `tensorboard --logdir` on it, or on a folder above, shows it."""

    def __init__(self, directory: Path) -> None:
        """Start a file in `directory`, which is made if there is none."""
        # Only jobs that are watched pay for the import.
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(directory), flush_secs=_FLUSH)

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Note one number at a step; NaN and infinity too, for they are what one looks for."""
        self._writer.add_scalar(tag, float(value), step)

    def histogram(self, tag: str, values: NDArray[Any], step: int) -> None:
        """Note the distribution of numbers of any shape at a step; what is not finite is left out."""
        flat = np.asarray(values, np.float64).ravel()
        finite = flat[np.isfinite(flat)]
        if not finite.size:
            return
        # Not add_histogram: its buckets end at 1e20, and an exploding gradient beyond them raises.
        counts, edges = np.histogram(finite, _BINS)
        self._writer.add_histogram_raw(
            tag,
            min=float(finite.min()),
            max=float(finite.max()),
            num=finite.size,
            sum=float(finite.sum()),
            sum_squares=float(finite @ finite),
            bucket_limits=edges[1:].tolist(),
            bucket_counts=counts.tolist(),
            global_step=step,
        )

    def close(self) -> None:
        """Write out what is waiting. Closing twice is no error."""
        self._writer.close()

    def __enter__(self) -> "EventLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
