"""Event files for TensorBoard: what the job's figures, weights and gradients did, step by step.

The format is TensorFlow's: TFRecord framing around `Event` protocol buffers. tensorboardX makes both. Its own writer is
not used: on a full disk its thread dies, and the job then waits for it without end.
"""

import logging
import socket
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import disk

logger = logging.getLogger(__name__)

# The most that a killed job loses, in seconds.
_FLUSH = 10
_BINS = 64
# It warns of every NaN without saying where. The job's log names the gradients that exploded.
logging.getLogger("tensorboardX.x2num").setLevel(logging.ERROR)


class EventLog:
    """Writes one event file into a directory. `tensorboard --logdir` on it, or on a folder above, shows it.

    If the file cannot be written, the log says so once and the job continues without it.
    """

    def __init__(self, directory: Path) -> None:
        """Start a file in `directory`, which is made if there is none."""
        # Only jobs that ask for event files pay for the import.
        from tensorboardX.record_writer import RecordWriter

        self._directory, self._flushed = directory, time.monotonic()
        self._writer: Any = None
        path = directory / f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._writer = RecordWriter(str(path))
        except OSError as error:
            self._lose(error)
        self._write(file_version="brain.Event:2")

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Note one number at a step; NaN and infinity too, because one looks for those."""
        from tensorboardX import summary

        self._write(summary=summary.scalar(tag, float(value)), step=step)

    def histogram(self, tag: str, values: NDArray[Any], step: int) -> None:
        """Note the distribution of numbers of any shape at a step. NaN and infinity are left out."""
        from tensorboardX import summary

        flat = np.asarray(values, np.float64).ravel()
        finite = flat[np.isfinite(flat)]
        if not finite.size:
            return
        # Not tensorboardX's own buckets: they end at 1e20, and an exploding gradient beyond them raises.
        counts, edges = np.histogram(finite, _BINS)
        made = summary.histogram_raw(
            tag,
            min=float(finite.min()),
            max=float(finite.max()),
            num=finite.size,
            sum=float(finite.sum()),
            sum_squares=float(finite @ finite),
            bucket_limits=edges[1:].tolist(),
            bucket_counts=counts.tolist(),
        )
        self._write(summary=made, step=step)

    def _write(self, **fields: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        if self._writer is None:
            return
        try:
            self._writer.write(Event(wall_time=time.time(), **fields).SerializeToString())
            if time.monotonic() - self._flushed > _FLUSH:
                self._flushed = time.monotonic()
                self._writer.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        logger.error("%s The job continues without it.", disk.failure("The event file", self._directory, error))
        writer, self._writer = self._writer, None
        if writer is not None:
            # What the file's buffer still holds cannot be written either.
            with suppress(OSError):
                writer.close()

    def close(self) -> None:
        """Write out what is waiting. It may be called twice."""
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
            except OSError as error:
                self._lose(error)

    def __enter__(self) -> "EventLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
