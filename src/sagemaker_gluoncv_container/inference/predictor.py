"""From encoded pictures to probabilities; lives in a worker process."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from .. import images
from ..arrays import Pixels
from ..artifact import Artifact
from ..decoding.picture import decode
from ..errors import ContainerError
from . import engine, finite
from .answers import Predictions

# How long large pictures of one request may wait for memory, before they are refused with a 503.
_PATIENCE_SECONDS = 15.0


class Predictor:
    """A loaded artifact, for batches of any size. `engine` computes it, and `why` says why this one."""

    def __init__(
        self,
        artifact: Artifact,
        threads: int,
        precision: str = engine.AUTO,
        gpu: int | None = None,
        lone_threads: int | None = None,
        measure: bool = False,
    ) -> None:
        """Load the net and answer warm-up pictures. `threads` decode and, on a CPU, compute. Raises ContainerError.

        `lone_threads`, if they are given and the engine has the choice, compute a picture that comes alone. If
        `measure`, only as many of them do as are found to be best, and `measured` says what was found.
        """
        self._preprocessing = pre = artifact.description.preprocessing
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode") if threads > 1 else None
        self.engine, self.why = engine.load(artifact, precision, threads, gpu, None if measure else lone_threads)
        # The first pass allocates and chooses kernels: a warm-up picture pays for it, not the first client.
        for alone in (False, True):
            finite.check_warm_up(self.engine.compute(np.zeros((1, pre.height, pre.width, 3), np.uint8), alone))
        self.measured = self.engine.measure(lone_threads) if measure and lone_threads else None

    def predict(self, pictures: Sequence[bytes], alone: bool = False) -> Predictions:
        """Compute encoded pictures of any size; one that fails does so alone.

        `alone` if the cores are idle.
        """
        started = time.perf_counter()
        to_pixels = partial(self._pixels, deadline=time.monotonic() + _PATIENCE_SECONDS)
        pixels = list((self._pool.map if self._pool and len(pictures) > 1 else map)(to_pixels, pictures))
        decoded = time.perf_counter()
        good = [each for each in pixels if not isinstance(each, ContainerError)]
        computed = iter(finite.results(self.engine.compute(np.stack(good), alone)) if good else ())
        results = [each if isinstance(each, ContainerError) else next(computed) for each in pixels]
        return Predictions(results, decoded - started, time.perf_counter() - decoded)

    def close(self) -> None:
        """Give back what would stay when the object is gone."""
        self.engine.close()
        if self._pool:
            self._pool.shutdown()

    def _pixels(self, data: bytes, deadline: float) -> Pixels | ContainerError:
        try:
            image = decode(data, self._preprocessing.decoded_side, deadline)
            return images.for_evaluation(image, self._preprocessing)
        except ContainerError as error:
            return error
