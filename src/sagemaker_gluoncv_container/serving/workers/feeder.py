"""The thread of one worker: starts its process, keeps it in step with the registry, feeds it and replaces it."""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from ...errors import ClientError, ContainerError, WorkerLost
from .. import metrics
from ..settings import ServingSettings
from .process import WorkerProcess
from .protocol import Load, Ping, Predict, Unload, WorkerSettings
from .queue import Answer, Task, TaskQueue
from .registry import Model, Registry

logger = logging.getLogger(__name__)

# A worker that cannot even start is not started more often than this.
_RESTART_SECONDS = 1.0
# So many starts may fail before the first that does not.
_FIRST_STARTS = 3
# An idle worker is asked that often whether it is still there, and may take that long to say so.
_HEARTBEAT_SECONDS, _PATIENCE_SECONDS = 1.0, 10
# A worker ends by itself when the server stops; one that is lost may hang.
_END_SECONDS = 2
# gunicorn's exit code for "the app cannot be loaded", which ends its master too.
_APP_LOAD_ERROR = 4


class Feeder:
    """A worker's thread, which must be started; `ready` while the worker can answer."""

    def __init__(
        self,
        number: int,
        queue: TaskQueue,
        registry: Registry,
        settings: ServingSettings,
        closing: threading.Event,
        tried: Callable[[], None],
    ) -> None:
        """Call `tried` whenever the worker has been started and has loaded its models, or has failed to."""
        self.number, self._queue, self._registry, self._settings = number, queue, registry, settings
        self._closing, self._tried = closing, tried
        self.ready = False
        self._process: WorkerProcess | None = None
        self._held: list[Model] = []
        self._version = -1
        # Starts that failed before the first one that did not; None once there was one.
        self._failures: int | None = 0
        # Only the first worker measures, and only at its first start: then the others are not computing yet.
        self._measures = number == 0 and settings.lone_threads > settings.compute_threads
        self.thread = threading.Thread(target=self._run, name=f"worker-{number}", daemon=True)

    def _run(self) -> None:
        while not self._closing.is_set():
            booted = False
            try:
                process = self._start()
                booted, self._failures = True, None
                self._tried()
                while not self._closing.is_set():
                    self._feed(process)
            except WorkerLost as error:
                if not self._closing.is_set():
                    logger.error("Worker %d is lost and is replaced: %s", self.number, error)
                    metrics.WORKERS_LOST.inc()
                lost = WorkerLost("A worker was lost while the model was loaded", str(error))
                for model in self._held:
                    self._registry.failed(model, lost)
            finally:
                self.ready = False
                self._end()
            if not booted:
                self._tried()
                self._count_failure()
                self._closing.wait(_RESTART_SECONDS)

    def _count_failure(self) -> None:
        """End the server if the worker has never started and will not: a server that cannot answer must not stay."""
        if self._failures is None or self._closing.is_set():
            return
        self._failures += 1
        if self._failures == _FIRST_STARTS:
            what = f"Worker {self.number} could not be started {_FIRST_STARTS} times in a row"
            _end_server(ClientError(what, "The lines above say why"))

    def _start(self) -> WorkerProcess:
        """Start a worker and have it load what the registry holds. Raises WorkerLost."""
        gpu = self._settings.gpu(self.number)
        threads, decoders = self._settings.compute_threads, self._settings.compute_threads * self._settings.workers
        process = WorkerProcess(WorkerSettings(threads, self._settings.precision, gpu, decoders))
        self._process = process
        process.call(Ping(), self._settings.startup_seconds)
        self._follow(process)
        self.ready = True
        fields = {"lone_threads": self._lone_threads(self._held[0])} if self._held else {}
        logger.info("Worker %d is ready, pid %d", self.number, process.pid, extra={"fields": fields})
        return process

    def kill(self) -> None:
        """Kill the worker if it is still there, whatever it does."""
        if process := self._process:
            process.kill()

    def _end(self) -> None:
        if self._process:
            self._process.end(_END_SECONDS if self._closing.is_set() else 0)
            self._process = None
        # Only now is their memory free.
        while self._held:
            self._registry.left(self._held.pop(), self.number)

    def _feed(self, process: WorkerProcess) -> None:
        """Do what is next: follow the registry, compute a batch, or ask whether the worker is still there."""
        if self._version != self._registry.version:
            self._follow(process)
        elif batch := self._queue.take(_HEARTBEAT_SECONDS, self._is_called):
            try:
                self._compute(process, batch.tasks, batch.alone)
            finally:
                self._queue.done()
        elif not self._is_called():
            process.call(Ping(), min(_PATIENCE_SECONDS, self._settings.timeout_seconds))

    def _is_called(self) -> bool:
        return self._version != self._registry.version or self._closing.is_set()

    def _follow(self, process: WorkerProcess) -> None:
        """Unload and load models until the worker holds those of the registry."""
        while not self._closing.is_set():
            # Before the list is read: a change that comes meanwhile is seen the next time.
            self._version = self._registry.version
            wanted = self._registry.wanted()
            if extra := [model for model in self._held if model not in wanted]:
                process.call(Unload(extra[0].name), self._settings.startup_seconds)
                self._left(extra[0])
            elif missing := [model for model in wanted if model not in self._held]:
                self._load(process, missing[0])
            else:
                return

    def _load(self, process: WorkerProcess, model: Model) -> None:
        if not self._registry.begin(model, self.number):
            return
        self._held.append(model)
        measure, self._measures = self._measures, False
        lone_threads = self._settings.lone_threads if measure else self._lone_threads(model)
        try:
            command = Load(model.name, model.url, self._settings.preprocessing, lone_threads, measure)
            self._registry.done(model, self.number, process.call(command, self._settings.startup_seconds))
        except WorkerLost:
            raise
        except ContainerError as error:
            self._registry.failed(model, error)
            self._left(model)
            if model.ready:
                self._give_up(error)

    def _lone_threads(self, model: Model) -> int:
        return model.lone_threads or self._settings.compute_threads

    def _left(self, model: Model) -> None:
        self._held.remove(model)
        self._registry.left(model, self.number)

    def _give_up(self, error: ContainerError) -> None:
        """React to a model that must be there and cannot be loaded. Raises WorkerLost, or ends the server."""
        if self._settings.multi_model:
            raise WorkerLost("A model could not be loaded again", str(error))
        # A restart would not help.
        _end_server(error)

    def _compute(self, process: WorkerProcess, tasks: list[Task], alone: bool) -> None:
        started = time.monotonic()
        command = Predict(tasks[0].model, [task.picture for task in tasks], alone)
        try:
            predictions = process.call(command, self._settings.timeout_seconds)
        except WorkerLost as error:
            for task in tasks:
                task.answer.set_exception(error)
            raise
        metrics.BATCH_SIZE.observe(len(tasks))
        for task, result in zip(tasks, predictions.results, strict=True):
            if isinstance(result, ContainerError):
                task.answer.set_exception(result)
                continue
            queued = started - task.created
            timing = queued, predictions.decode_seconds, predictions.compute_seconds
            task.answer.set_result(Answer(result, *timing, len(tasks)))


def _end_server(error: ContainerError) -> NoReturn:
    logger.error("%s: %s", ClientError.__name__, error)
    os._exit(_APP_LOAD_ERROR)
