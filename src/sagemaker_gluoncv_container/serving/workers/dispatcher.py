"""Brings the queue, the registry and the workers together, and knows whether any worker can answer."""

import threading
import time
from collections.abc import Iterable

from .. import metrics
from ..settings import ServingSettings
from .feeder import Feeder
from .queue import TaskQueue
from .registry import Model, Registry

# The platform may have stopped the server while it was starting; it wants to see it gone soon.
_END_SECONDS = 1.0


class Dispatcher:
    """The queue, the registry of the models, and the workers that take from one what the other holds."""

    def __init__(self, settings: ServingSettings, models: Iterable[Model] = ()) -> None:
        """Start the workers; they load the `models` before they are ready."""
        self.queue = TaskQueue(settings.queue_size, settings.batch_size, settings.workers)
        self.registry = Registry(settings.workers, self.queue.wake)
        for model in models:
            self.registry.put(model)
        self._closing = threading.Event()
        given = self.queue, self.registry, settings, self._closing, self._start_all
        self._feeders = [Feeder(number, *given) for number in range(settings.workers)]
        metrics.WORKERS_READY.set_function(lambda: sum(feeder.ready for feeder in self._feeders))
        self._unstarted = self._feeders[::-1]
        self._lock = threading.Lock()
        if self._unstarted and settings.lone_threads > settings.compute_threads:
            # The first worker measures how many threads are best for a picture that comes alone. With the others beside
            # it on busy cores it would find one, so they start when it has tried.
            self._unstarted.pop().thread.start()
        else:
            self._start_all()

    def _start_all(self) -> None:
        with self._lock:
            while self._unstarted:
                self._unstarted.pop().thread.start()

    @property
    def ready(self) -> bool:
        """Whether some worker can answer."""
        return any(feeder.ready for feeder in self._feeders)

    def close(self) -> None:
        """End the workers; called when no request is left."""
        self._closing.set()
        self.registry.close()
        self.queue.wake()
        started = [feeder for feeder in self._feeders if feeder.thread.ident]
        ends = time.monotonic() + _END_SECONDS
        for feeder in started:
            feeder.thread.join(max(0.0, ends - time.monotonic()))
            # It still starts, or loads a model: nobody will ask it for anything.
            feeder.kill()
        for feeder in started:
            feeder.thread.join(_END_SECONDS)
