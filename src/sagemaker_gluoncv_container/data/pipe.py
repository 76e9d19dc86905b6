"""Pipe mode: a channel that arrives through FIFOs, `<channel>_0`, `<channel>_1` ..., one for each time it is read.

What comes is either the content of .rec files, or an augmented manifest: two records a picture, its bytes and its
label, in the order of AttributeNames. Source: "Training data input modes" in the SageMaker developer guide.
"""

import io
import logging
import os
import select
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import numpy as np

from ..ending import Ends, check, never
from ..errors import AlgorithmError, ClientError
from . import recordio
from .labels import Labelling, parse, written
from .samples import Sample, StreamedSample

logger = logging.getLogger(__name__)

T = TypeVar("T")

# The platform makes a FIFO when it has found the objects of the channel, and fills it as S3 answers.
DEADLINE_SECONDS = 600.0
_POLL_SECONDS = 0.05
_LISTEN_MILLISECONDS = 200
_BUFFER_BYTES = 1 << 20
# What may wait to be shuffled: whichever is reached first.
SHUFFLED_PICTURES, SHUFFLED_BYTES = 2048, 512 << 20


class Fifo(io.RawIOBase):
    """A FIFO open for reading, which may not be there yet, nor have a writer. A silence has a deadline."""

    def __init__(self, path: Path, deadline_seconds: float, ends: Ends = never) -> None:
        """Wait until the FIFO is there. Raises ClientError if it is not in time, Ended if the job is to end."""
        self._path, self._seconds, self._ends = path, deadline_seconds, ends
        end = time.monotonic() + deadline_seconds
        while not path.exists():
            check(ends)
            if time.monotonic() > end:
                why = f"It was not there after {deadline_seconds:g} s"
                raise ClientError(f"There is no pipe {path}", why, "Check that the job has this channel, in Pipe mode")
            time.sleep(_POLL_SECONDS)
        # A blocking open would wait for a writer for ever.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read what there is; wait if there is nothing.

        Raises AlgorithmError after a silence over the deadline, Ended if the job is to end meanwhile.
        """
        end = time.monotonic() + self._seconds
        # Before the first writer has come there is neither data nor a hang-up.
        while not self._poll.poll(_LISTEN_MILLISECONDS):
            check(self._ends)
            if time.monotonic() > end:
                raise AlgorithmError(f"Nothing has come through {self._path} for {self._seconds:g} s")
        return os.readv(self._descriptor, [buffer])

    def close(self) -> None:
        """Close the pipe, which tells its writer that no more is wanted."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class Pipe:
    """A channel in Pipe mode. It is read once an epoch, in the order it comes or through a shuffle buffer."""

    def __init__(
        self,
        fifo: Callable[[int], Path],
        name: str,
        labelling: Labelling,
        num_classes: int,
        samples: int = 0,
        manifest: bool = False,
        ends: Ends = never,
    ) -> None:
        """`fifo(n)` is the path of the nth FIFO; `samples` is how many pictures are announced, 0 if none are.

        `ends` is asked while the pipe is silent, and gives the reason if the job is to end.
        """
        self._ends = ends
        self._fifo, self._name, self._labelling, self._num_classes = fifo, name, labelling, num_classes
        self._samples, self._manifest = samples, manifest
        self._opened = self._came = 0

    def __len__(self) -> int:
        return self._samples

    def epoch(self, epoch: int, random: np.random.Generator | None) -> Generator[Sample, None, None]:
        """Yield the samples of the next FIFO.

        FIFOs count how often this channel was read, not epochs: a job that resumes after an interruption is given
        `<channel>_0` again. Raises ClientError if the pipe is cut, empty, or has labels out of range.
        """
        path = self._fifo(self._opened)
        self._opened += 1
        with closing(io.BufferedReader(Fifo(path, DEADLINE_SECONDS, self._ends), _BUFFER_BYTES)) as file:
            samples = self._read(cast(BinaryIO, file))
            yield from samples if random is None else shuffled(samples, random, lambda sample: len(sample.data))

    def _read(self, file: BinaryIO) -> Iterator[StreamedSample]:
        count = 0
        for name, raw, data in self._pairs(file) if self._manifest else self._records(file):
            try:
                labels = self._labelling.read(raw, self._num_classes)
            except ValueError as error:
                raise ClientError(f"{name} is labelled {written(raw)}", f"That is {error}") from error
            yield StreamedSample(name, labels, data)
            count += 1
        self._count(count)

    def _count(self, samples: int) -> None:
        if not samples:
            raise ClientError(f"Channel {self._name} is empty", "No picture came through its pipe")
        # What was announced stays the length: a job that resumes after an interruption has only that number.
        self._samples = self._samples or samples
        if samples not in (self._samples, self._came):
            logger.warning("Channel %s: %d pictures came, not %d", self._name, samples, self._samples)
        self._came = samples

    def _payloads(self, file: BinaryIO) -> Iterator[bytes]:
        try:
            yield from recordio.stream(file, f"The pipe of channel {self._name}")
        except ClientError as error:
            do = "Every object of the channel comes through: check that it holds whole `.rec` files and nothing else"
            raise ClientError(error.what, error.why, do) from error

    def _records(self, file: BinaryIO) -> Iterator[tuple[str, tuple[float, ...], bytes]]:
        for number, payload in enumerate(self._payloads(file)):
            name = f"{self._name} record {number}"
            try:
                picture = recordio.unpack(payload)
            except ClientError as error:
                do = "If the channel is an augmented manifest, its RecordWrapperType must be RecordIO"
                raise ClientError(f"{name} is not a picture record", str(error), do) from error
            yield name, picture.labels, picture.data

    def _pairs(self, file: BinaryIO) -> Iterator[tuple[str, tuple[float, ...], bytes]]:
        payloads = self._payloads(file)
        for number, data in enumerate(payloads):
            name = f"{self._name} picture {number}"
            text = next(payloads, None)
            if text is None:
                raise ClientError(f"{name} has no label", "The pipe ended after its bytes", _ATTRIBUTES)
            try:
                labels = parse(text.decode())
            except ValueError as error:
                why = f"The record after it begins with {text[:20]!r}"
                raise ClientError(f"{name} has no label", why, _ATTRIBUTES) from error
            yield name, labels, data


_ATTRIBUTES = 'An augmented manifest must give a picture and its label in turn: AttributeNames ["source-ref", "class"]'


def shuffled(
    items: Iterator[T],
    random: np.random.Generator,
    size: Callable[[T], int],
    most: int = SHUFFLED_PICTURES,
    most_bytes: int = SHUFFLED_BYTES,
) -> Iterator[T]:
    """Yield each item once, drawn from the next `most` or, if that is less, `most_bytes` worth of them."""
    buffer: list[T] = []
    held = 0
    for item in items:
        buffer.append(item)
        held += size(item)
        while len(buffer) > most or held > most_bytes:
            drawn = _draw(buffer, random)
            held -= size(drawn)
            yield drawn
    while buffer:
        yield _draw(buffer, random)


def _draw(buffer: list[T], random: np.random.Generator) -> T:
    index = int(random.integers(len(buffer)))
    buffer[index], buffer[-1] = buffer[-1], buffer[index]
    return buffer.pop()
