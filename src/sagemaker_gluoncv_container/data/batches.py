"""Reads, decodes and assembles pictures into batches, in threads, in an order that a seed decides.

MXNet's ImageRecordIter is not used: it drops or repeats pictures at the end of an epoch, needs an index to shuffle,
ends the epoch at a bad picture and decodes with another library than serving does.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import images
from ..arrays import Pixels
from ..errors import ClientError, ContainerError
from .samples import Channel, Sample

logger = logging.getLogger(__name__)

View = Callable[[Image.Image, np.random.Generator], Pixels]

# Batches in the making while one is computed: enough to hide an uneven picture, little enough to hold.
_AHEAD = 3
MAX_BAD_FRACTION = 0.01
# Of too many bad pictures, how many a message names.
_NAMED = 5


class Batch(NamedTuple):
    """Some pictures of an epoch.

    pixels  float32 (n, 3, height, width), RGB 0-255
    labels  float32 (n,), or (n, num_classes) in a multi-label job
    names   what to call each picture
    number  the batch's place in its epoch, from 0. To go on after it, begin at `number + 1`.
    """

    pixels: NDArray[np.float32]
    labels: NDArray[np.float32]
    names: list[str]
    number: int


class SkippedPictures:
    """The pictures that could not be read, each once however many epochs met it. `reasons` are by name."""

    def __init__(self, max_bad_fraction: float = MAX_BAD_FRACTION) -> None:
        """`max_bad_fraction`, of a channel's pictures, is what a job bears."""
        self.max_bad_fraction = max_bad_fraction
        self.reasons: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.reasons)

    def add(self, name: str, reason: str) -> None:
        """Record a picture, and log it the first time."""
        if name not in self.reasons:
            logger.warning("Skipped %s: %s", name, reason)
            self.reasons[name] = reason

    def check(self, bad: list[str], total: int) -> None:
        """Raise ClientError if these are too many of `total` pictures."""
        if len(bad) <= self.max_bad_fraction * total:
            return
        examples = "; ".join(f"{name}: {self.reasons[name]}" for name in bad[:_NAMED])
        more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        raise ClientError(
            f"{len(bad)} of {total} pictures cannot be read, more than max_bad_fraction, {self.max_bad_fraction:g}",
            examples + more,
            "Mend or remove them (the log names each), or set max_bad_fraction higher",
        )


class Batches:
    """The pictures of a channel, each exactly once an epoch."""

    def __init__(
        self,
        channel: Channel,
        view: View,
        size: int,
        threads: int,
        seed: int = 0,
        shuffle: bool = False,
        skipped: SkippedPictures | None = None,
        decoded_side: int | None = None,
    ) -> None:
        """`view` makes the pixels of a decoded picture; `size` is pictures a batch, the last one may be smaller.

        With `decoded_side`, pixels, a JPEG may be decoded smaller, as in `images.decode`.
        """
        self._decoded_side = decoded_side
        self._channel, self._view, self._size, self._threads = channel, view, size, threads
        self._seed, self._shuffle = seed, shuffle
        self.skipped = SkippedPictures() if skipped is None else skipped

    def __len__(self) -> int:
        return -(-len(self._channel) // self._size)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yield batches until every picture was seen; those before number `first` are passed over, not decoded.

        A picture draws from a generator of its own, made of seed, epoch and its place in the epoch: neither threads
        nor beginning in the middle change what it gives. One that cannot be read is left out of its batch.
        Raises ClientError if those are too many, or if the channel is damaged.
        """
        bad: list[str] = []
        seen = 0
        for number, samples, pixels in self._decoded(epoch, first):
            seen += len(samples)
            batch = self._assemble(number, samples, pixels, bad)
            if bad and len(self._channel):
                self.skipped.check(bad, len(self._channel))
            if batch.names:
                yield batch
        # What a pipe holds is known only now.
        self.skipped.check(bad, len(self._channel) or seen)

    def _decoded(self, epoch: int, first: int) -> Iterator[tuple[int, list[Sample], list[Future[Pixels]]]]:
        order = np.random.default_rng((self._seed, epoch)) if self._shuffle else None
        with ExitStack() as stack:
            samples = stack.enter_context(closing(self._channel.epoch(epoch, order)))
            pool = stack.enter_context(ThreadPoolExecutor(self._threads, thread_name_prefix="decode"))
            # An epoch that is left early has no use for what is waiting.
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
            waiting: deque[tuple[int, list[Sample], list[Future[Pixels]]]] = deque()
            for number, chunk in enumerate(iter(lambda: list(islice(samples, self._size)), [])):
                if number < first:
                    continue
                places = enumerate(chunk, number * self._size)
                futures = [pool.submit(self._pixels, each, (self._seed, epoch, place)) for place, each in places]
                waiting.append((number, chunk, futures))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft()
            yield from waiting

    def _pixels(self, sample: Sample, seed: tuple[int, int, int]) -> Pixels:
        return self._view(images.decode(sample.read(), self._decoded_side), np.random.default_rng(seed))

    def _assemble(self, number: int, samples: list[Sample], pixels: list[Future[Pixels]], bad: list[str]) -> Batch:
        good: list[Sample] = []
        views: list[Pixels] = []
        for sample, each in zip(samples, pixels, strict=True):
            try:
                views.append(each.result())
                good.append(sample)
            except ContainerError as error:
                self.skipped.add(sample.name, str(error))
                bad.append(sample.name)
        if not good:
            return Batch(np.empty((0, 3, 0, 0), np.float32), np.empty(0, np.float32), [], number)
        labels = np.array([sample.labels for sample in good], np.float32)
        planes = np.ascontiguousarray(np.stack(views).transpose(0, 3, 1, 2), np.float32)
        return Batch(planes, labels[:, 0] if labels.shape[1] == 1 else labels, [each.name for each in good], number)
