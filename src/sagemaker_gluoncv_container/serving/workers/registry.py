"""The models of the server: the one list of them, which every worker follows.

A model enters the list before any worker loads it, and leaves it if one of them cannot. A worker's feeder compares what
its worker holds with the list, and loads and unloads until both agree. A worker that has just started holds nothing, so
it needs no other way to get its models back.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ...artifact import Artifact
from ...errors import ContainerError, ModelNotFound, Overloaded, WorkerLost
from .. import metrics
from .protocol import Loaded

logger = logging.getLogger(__name__)


# By identity: a model that is unloaded and loaded again is another one.
@dataclass(eq=False)
class Model:
    """A model, under its name in the platform's words.

    It can be invoked when it is `ready`. `loaded` says what it is computed with, `error` why it cannot be loaded.
    `workers` are the numbers of those whose memory it takes, True for those that have loaded it.
    """

    name: str
    url: str
    artifact: Artifact
    params_bytes: int
    ready: bool = False
    loaded: Loaded | None = None
    error: ContainerError | None = None
    workers: dict[int, bool] = field(default_factory=dict)

    @property
    def lone_threads(self) -> int | None:
        """On how many threads a picture that comes alone is best computed, if that was measured."""
        return self.loaded.measured.threads if self.loaded and self.loaded.measured else None


class Registry:
    """The models by name, the least recently used first. An endpoint of one model has it under the name ""."""

    def __init__(self, workers: int, wake: Callable[[], None]) -> None:
        """Call `wake` whenever one of the `workers` may have something to load or unload."""
        self._count, self._wake = workers, wake
        self._models: OrderedDict[str, Model] = OrderedDict()
        self._changed = threading.Condition()
        self._closing = False
        # Rises with every change of the list: whether there is one can be asked without the lock.
        self.version = 0

    def get(self, name: str, use: bool = False) -> Model:
        """Return a model that can be invoked, if `use` as the most recently used one. Raises ModelNotFound."""
        model = self._models.get(name)
        if model is None or not model.ready:
            raise ModelNotFound.named(name)
        if use:
            with self._changed:
                if name in self._models:
                    self._models.move_to_end(name)
        return model

    def ready(self) -> list[Model]:
        """Return the models that can be invoked, the least recently used first."""
        with self._changed:
            return [model for model in self._models.values() if model.ready]

    def wanted(self) -> list[Model]:
        """Return the models that a worker is to hold."""
        with self._changed:
            return [model for model in self._models.values() if not model.error]

    def put(self, model: Model) -> None:
        """Enter a model that can be invoked from now on; requests wait for the first worker that has loaded it."""
        model.ready = True
        self._change(model.name, model)
        metrics.MODELS.set(len(self.ready()))

    def load(self, model: Model, seconds: float) -> None:
        """Enter a model and wait until every worker has loaded it.

        If one cannot, or not in time, the model leaves the list and every worker before the error is raised.
        """
        self._change(model.name, model)
        with self._changed:
            self._wait(lambda: model.error or sum(model.workers.values()) == self._count, seconds)
            if not model.error and sum(model.workers.values()) < self._count:
                model.error = self._too_late(seconds)
            model.ready = not model.error
        if model.error:
            self.unload(model, seconds)
            raise model.error
        metrics.MODELS.set(len(self.ready()))

    def unload(self, model: Model, seconds: float) -> None:
        """Take a model off the list and wait until its memory is free. Raises WorkerLost if that takes too long."""
        self._change(model.name, None)
        with self._changed:
            gone = self._wait(lambda: not model.workers, seconds)
            self._show(model, None)
        metrics.MODELS.set(len(self.ready()))
        if not gone and not model.error:
            raise self._too_late(seconds)

    def begin(self, model: Model, worker: int) -> bool:
        """Record that a worker begins to load a model; return False if the model is no longer wanted."""
        with self._changed:
            wanted = self._models.get(model.name) is model and not model.error
            if wanted:
                model.workers[worker] = False
            return wanted

    def done(self, model: Model, worker: int, loaded: Loaded) -> None:
        """Record that a worker has loaded a model."""
        with self._changed:
            model.workers[worker] = True
            if self._models.get(model.name) is model:
                self._show(model, loaded)
            self._changed.notify_all()

    def failed(self, model: Model, error: ContainerError) -> None:
        """Record why a worker could not load a model, or was lost: what is not loaded by all is loaded by none."""
        with self._changed:
            if not model.ready:
                model.error = model.error or error
            self._changed.notify_all()

    def left(self, model: Model, worker: int) -> None:
        """Record that a worker no longer holds a model."""
        with self._changed:
            model.workers.pop(worker, None)
            self._changed.notify_all()

    def close(self) -> None:
        """End every wait: the server stops."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _change(self, name: str, model: Model | None) -> None:
        with self._changed:
            if model:
                self._models[name] = model
            else:
                self._models.pop(name, None)
            self.version += 1
        # After the lock is released: a worker that is woken asks for the version while it holds the queue's lock.
        self._wake()

    def _wait(self, condition: Callable[[], object], seconds: float) -> bool:
        self._changed.wait_for(lambda: self._closing or condition(), seconds)
        return bool(condition())

    def _too_late(self, seconds: float) -> ContainerError:
        if self._closing:
            why = "There is no time left to load or unload a model"
            return Overloaded("The server is stopping", why, "Try again")
        what = f"Not every worker was done within {seconds:g} s"
        return WorkerLost(what, "One hangs, or cannot be started", "Look at the log, and try again")

    def _show(self, model: Model, loaded: Loaded | None) -> None:
        """Log what a model is computed with, once, and show it as a metric; None: it is unloaded."""
        before = model.loaded
        if loaded and before:
            # Only the first worker measures.
            loaded = replace(loaded, measured=before.measured)
        if loaded == before:
            return
        model.loaded = loaded
        if before:
            metrics.ENGINE.remove(model.name, before.engine, before.precision)
        if loaded:
            metrics.ENGINE.labels(model.name, loaded.engine, loaded.precision).set(1)
            fields = {"model": model.name} if model.name else {}
            text = "Computing in %s with %s: %s"
            logger.info(text, loaded.precision, loaded.engine, loaded.why, extra={"fields": fields})
            if loaded.measured and not before:
                logger.info("Threads for a picture that comes alone: %s", loaded.measured)
