"""Reads, decodes and assembles pictures into batches, in threads, in an order that a seed decides.

MXNet's ImageRecordIter is not used: it drops or repeats pictures at the end of an epoch, needs an index to shuffle,
ends the epoch at a bad picture and decodes with another library than serving does.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import images, recordio
from ..errors import ClientError, ContainerError
from ..recordio import Record

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]
View = Callable[[Image.Image, np.random.Generator], images.Pixels]

# Batches in the making while one is computed: enough to hide an uneven picture, little enough to hold.
_AHEAD = 3


class Batches:
    """The pictures of a channel, each exactly once an epoch."""

    def __init__(self, records: Sequence[Record], view: View, size: int, threads: int, shuffle: bool) -> None:
        """`view` makes the pixels of a decoded picture; `size` is pictures a batch, the last one may be smaller."""
        self._records, self._view, self._size = records, view, size
        self._threads, self._shuffle = threads, shuffle

    def __len__(self) -> int:
        return -(-len(self._records) // self._size)

    def epoch(self, epoch: int, seed: int = 0) -> Iterator[Batch]:
        """Yield (pixels float32 (n, 3, height, width) 0-255 RGB, labels float32 (n,)) until all pictures were seen.

        Each picture draws from a generator of its own, so threads do not change what an epoch and a seed give.
        Raises ClientError that names a picture which cannot be read.
        """
        order = np.arange(len(self._records))
        if self._shuffle:
            np.random.default_rng((seed, epoch)).shuffle(order)
        chunks = np.split(order, range(self._size, len(order), self._size))
        with ExitStack() as stack:
            descriptors = {path: os.open(path, os.O_RDONLY) for path in {record.path for record in self._records}}
            for descriptor in descriptors.values():
                stack.callback(os.close, descriptor)
            pool = stack.enter_context(ThreadPoolExecutor(self._threads, thread_name_prefix="decode"))
            # An epoch that is left early has no use for what is waiting.
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)

            def pixels(index: int) -> images.Pixels:
                random = np.random.default_rng((seed, epoch, index))
                return self._pixels(self._records[index], descriptors, random)

            waiting: deque[tuple[list[int], list[Future[images.Pixels]]]] = deque()
            for chunk in chunks:
                indices = chunk.tolist()
                waiting.append((indices, [pool.submit(pixels, index) for index in indices]))
                if len(waiting) > _AHEAD:
                    yield self._assemble(*waiting.popleft())
            while waiting:
                yield self._assemble(*waiting.popleft())

    def _pixels(self, record: Record, descriptors: dict[Path, int], random: np.random.Generator) -> images.Pixels:
        payload = recordio.read_payload(descriptors[record.path], record.offset, record.size)
        try:
            return self._view(images.decode(recordio.unpack(payload).data), random)
        except ContainerError as error:
            raise ClientError(f"{record.name} of {record.path.parent} is bad", str(error)) from error

    def _assemble(self, indices: list[int], pixels: list[Future[images.Pixels]]) -> Batch:
        labels = np.array([self._records[index].labels[0] for index in indices], np.float32)
        stacked = np.stack([each.result() for each in pixels])
        return np.ascontiguousarray(stacked.transpose(0, 3, 1, 2), np.float32), labels
