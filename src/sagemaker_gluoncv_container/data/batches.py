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
from PIL import Image

from ..arrays import Floats, Pixels
from ..decoding import turns
from ..decoding.picture import decode
from ..errors import ClientError, ContainerError, some
from .samples import Channel, Sample

logger = logging.getLogger(__name__)

View = Callable[[Image.Image, np.random.Generator], Pixels]

# Batches that are being decoded while one is computed: enough to hide an uneven picture, few enough to hold.
_AHEAD = 3
MAX_BAD_FRACTION = 0.01


class LabelledView(NamedTuple):
    """One picture of an epoch, as its view made it.

    pixels  uint8 (height, width, 3), RGB
    labels  float32, a class number () or, in a multi-label job, (num_classes,)
    name    what to call the picture
    """

    pixels: Pixels
    labels: Floats
    name: str


class Batch(NamedTuple):
    """Some pictures of an epoch, as the net takes them.

    pixels  float32 (n, 3, height, width), RGB 0-255
    labels  float32 (n,), or (n, num_classes) in a multi-label job
    names   what to call each picture
    number  the batch's place in its epoch, from 0. To continue after it, begin at `number + 1`.
    """

    pixels: Floats
    labels: Floats
    names: list[str]
    number: int

    @classmethod
    def of(cls, views: list[LabelledView], number: int) -> "Batch":
        """Return the batch of one view or more."""
        pixels = np.stack([view.pixels for view in views]).transpose(0, 3, 1, 2)
        labels = np.stack([view.labels for view in views])
        return cls(np.ascontiguousarray(pixels, np.float32), labels, [view.name for view in views], number)


class SkippedPictures:
    """The pictures that could not be read, each once however many epochs met it. `reasons` are by name."""

    def __init__(self, max_bad_fraction: float = MAX_BAD_FRACTION) -> None:
        """`max_bad_fraction`, of a channel's pictures, is what a job tolerates."""
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
        reasons = some([f"{name}: {self.reasons[name].rstrip('.')}" for name in bad], separator="; ")
        raise ClientError(
            f"{len(bad)} of {total} pictures cannot be read, more than max_bad_fraction, {self.max_bad_fraction:g}",
            f"The first of them are {reasons}" if len(bad) > 1 else f"It is {reasons}",
            "Fix or remove them (the log names each), or set max_bad_fraction higher",
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
        """`view` makes the pixels of a decoded picture. `size` is pictures per batch; the last batch may be smaller.

        With `decoded_side`, in pixels, a JPEG may be decoded smaller, as in `decode`.
        """
        turns.expect(threads)
        self._decoded_side = decoded_side
        self._channel, self._view, self._size, self._threads = channel, view, size, threads
        self._seed, self._shuffle = seed, shuffle
        self.skipped = SkippedPictures() if skipped is None else skipped

    def __len__(self) -> int:
        """Return how many batches an epoch has; 0 if that is not known yet, as in a pipe's first epoch."""
        return -(-len(self._channel) // self._size)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yield batches until every picture was seen; those before number `first` are skipped without decoding.

        Raises ClientError as `views` does.
        """
        for number, views in self._read(epoch, first):
            if views:
                yield Batch.of(views, number)

    def views(self, epoch: int) -> Iterator[LabelledView]:
        """Yield the pictures of an epoch one by one, as `epoch` has them in its batches.

        A picture draws from a generator of its own, made of seed, epoch and its place in the epoch: neither the number
        of threads nor where an epoch begins changes the result. A picture that cannot be read is left out.
        Raises ClientError if there are too many of those, or if the channel is damaged.
        """
        for _, views in self._read(epoch, 0):
            yield from views

    def _read(self, epoch: int, first: int) -> Iterator[tuple[int, list[LabelledView]]]:
        """Yield the number of each batch with those of its pictures that can be read."""
        bad: list[str] = []
        seen = 0
        for number, samples, pixels in self._decoded(epoch, first):
            seen += len(samples)
            views = self._readable(samples, pixels, bad)
            if bad and len(self._channel):
                self.skipped.check(bad, len(self._channel))
            yield number, views
        # How many pictures a pipe holds is known only now.
        self.skipped.check(bad, len(self._channel) or seen)

    def _decoded(self, epoch: int, first: int) -> Iterator[tuple[int, list[Sample], list[Future[Pixels]]]]:
        order = np.random.default_rng((self._seed, epoch)) if self._shuffle else None
        with ExitStack() as stack:
            samples = stack.enter_context(closing(self._channel.epoch(epoch, order)))
            pool = stack.enter_context(ThreadPoolExecutor(self._threads, thread_name_prefix="decode"))
            # An epoch that is left early does not need what is waiting.
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
        return self._view(decode(sample.read(), self._decoded_side), np.random.default_rng(seed))

    def _readable(self, samples: list[Sample], pixels: list[Future[Pixels]], bad: list[str]) -> list[LabelledView]:
        """Return the views of the pictures that could be decoded; the names of the others are added to `bad`."""
        views = []
        for sample, each in zip(samples, pixels, strict=True):
            labels = np.array(sample.labels, np.float32)
            try:
                views.append(LabelledView(each.result(), labels[0] if len(labels) == 1 else labels, sample.name))
            except ContainerError as error:
                self.skipped.add(sample.name, str(error))
                bad.append(sample.name)
        return views
