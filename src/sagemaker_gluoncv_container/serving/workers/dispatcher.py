"""Brings the queue and the workers together: starts them, tells them all, and knows whether any can answer."""

import logging
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from .. import metrics
from ..settings import ServingSettings
from .feeder import Feeder
from .protocol import Loaded
from .queue import TaskQueue

logger = logging.getLogger(__name__)


class Dispatcher:
    """The queue and the workers. `models` maps each loaded model's name to its directory."""

    def __init__(self, settings: ServingSettings, models: dict[str, Path]) -> None:
        self.models = models
        self.queue = TaskQueue(settings.queue_size, settings.batch_size, settings.workers)
        self.closing = threading.Event()
        # For a picture that comes alone. The first worker measures how many are best, if there is a choice.
        self.lone_threads = settings.compute_threads
        self.measured = threading.Event()
        if settings.lone_threads == settings.compute_threads:
            self.measured.set()
        self._lock = threading.Lock()
        self._noted: dict[str, Loaded] = {}
        self._feeders = [Feeder(number, self, settings) for number in range(settings.workers)]
        metrics.WORKERS_READY.set_function(lambda: sum(feeder.ready for feeder in self._feeders))
        for feeder in self._feeders:
            feeder.thread.start()

    @property
    def ready(self) -> bool:
        """Whether some worker can answer."""
        return any(feeder.ready for feeder in self._feeders)

    def note(self, name: str, loaded: Loaded | None) -> None:
        """Log what a model is computed with, once, and show it as a metric; None: it is unloaded."""
        with self._lock:
            before = self._noted.get(name)
            if loaded == before:
                return
            if before:
                metrics.ENGINE.remove(name, before.engine, before.precision)
                del self._noted[name]
            if loaded:
                self._noted[name] = loaded
                metrics.ENGINE.labels(name, loaded.engine, loaded.precision).set(1)
                fields = {"model": name} if name else {}
                text = "Computing in %s with %s: %s"
                logger.info(text, loaded.precision, loaded.engine, loaded.why, extra={"fields": fields})

    def broadcast(self, *command: Any) -> list[Any]:
        """Have every worker see to a command and return their answers. Raises WorkerLost."""
        futures = []
        for feeder in self._feeders:
            future: Future[Any] = Future()
            feeder.commands.append((command, future))
            futures.append(future)
        self.queue.wake()
        return [future.result() for future in futures]

    def close(self) -> None:
        """End the workers; called when no request is left."""
        self.closing.set()
        self.measured.set()
        self.queue.wake()
        for feeder in self._feeders:
            feeder.thread.join(5)
