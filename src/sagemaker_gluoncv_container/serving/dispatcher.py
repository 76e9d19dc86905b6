"""Brings waiting pictures and free worker processes together: the queue, the batches, the workers' health.

A thread a worker takes what waits, up to a batch, whenever its worker is free: an idle server adds no delay, and a busy
one computes together what came in meanwhile. There is one queue for all workers, so none idles while another has a
backlog, as it happens to servers whose workers each accept connections of their own.
"""

import logging
import os
import select
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contract import child_environment
from ..errors import ContainerError, Overloaded, TimeIsOver, WorkerLost
from . import metrics
from .protocol import Loaded
from .settings import ServingSettings

logger = logging.getLogger(__name__)

# A worker that cannot even start is not started more often than this.
_RESTART_SECONDS = 1.0
# An idle worker is asked that often whether it is still there, and may take that long to say so.
_HEARTBEAT_SECONDS, _PATIENCE_SECONDS = 1.0, 10
_APP_LOAD_ERROR = 4
# With a fixed threshold glibc gives large arrays back to the system when they are freed. MXNet keeps scratch memory of
# the largest layer's size for good: once will do for one pass at a time, and not four times, its default.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "65536", "MXNET_CPU_TEMP_COPY": "1"}


@dataclass(frozen=True)
class Answer:
    """The probabilities of one picture, float32 (classes,), and where its time went, in seconds."""

    probabilities: NDArray[np.float32]
    queued: float
    decoding: float
    computing: float
    batch: int


@dataclass
class Task:
    """One picture to be computed. Dropped if, when its turn comes, its time is over or its client gone."""

    model: str
    picture: bytes
    deadline: float
    is_wanted: Callable[[], bool]
    created: float = field(default_factory=time.monotonic)
    answer: "Future[Answer]" = field(default_factory=Future)


class Worker:
    """A worker process and the thread that feeds it."""

    def __init__(self, number: int, dispatcher: "Dispatcher", settings: ServingSettings) -> None:
        self.number, self._dispatcher, self._settings = number, dispatcher, settings
        self.ready = False
        self.commands: deque[tuple[tuple[Any, ...], Future[Any]]] = deque()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._answers = select.poll()
        self.thread = threading.Thread(target=self._run, name=f"worker-{number}", daemon=True)

    def _run(self) -> None:
        while not self._dispatcher.closed:
            booted = False
            try:
                self._start()
                booted = True
                self._feed()
            except WorkerLost as error:
                if not self._dispatcher.closed:
                    logger.error("Worker %d is lost and is replaced: %s", self.number, error)
                    metrics.WORKERS_LOST.inc()
            finally:
                self.ready = False
                self._end()
            if not booted:
                self._dispatcher.closing.wait(_RESTART_SECONDS)
        while self.commands:
            self.commands.popleft()[1].set_exception(WorkerLost("the server is stopping"))

    def _start(self) -> None:
        ours, theirs = Pipe()
        gpu = self._settings.gpu(self.number)
        given = theirs.fileno(), self._settings.compute_threads, self._settings.precision
        arguments = [*map(str, given), *([] if gpu is None else [str(gpu)])]
        self._connection = ours
        # Not the connection's own poll(), which makes a selector each time.
        self._answers = select.poll()
        self._answers.register(ours, select.POLLIN)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.worker", *arguments],
                pass_fds=[theirs.fileno()],
                env=child_environment(OMP_NUM_THREADS=str(self._settings.compute_threads), **_MEMORY),
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerLost(f"its process could not be started: {error}") from error
        finally:
            theirs.close()
        self._call(("ping", ""), self._settings.startup_seconds)
        # A copy: models come and go meanwhile.
        for name, directory in list(self._dispatcher.models.items()):
            command = "load", name, str(directory), self._settings.preprocessing
            loaded = self._call(command, self._settings.startup_seconds)
            if isinstance(loaded, Loaded):
                self._dispatcher.note(name, loaded)
            elif self._settings.multi_model:
                raise WorkerLost(f"it could not load a model again: {loaded}")
            else:
                # A restart would not mend it. This is gunicorn's exit code for "the app cannot be loaded", which
                # ends its master too.
                logger.error("ClientError: %s", loaded)
                os._exit(_APP_LOAD_ERROR)
        self.ready = True
        logger.info("Worker %d is ready, pid %d", self.number, self._process.pid)

    def _feed(self) -> None:
        while not self._dispatcher.closed:
            if self.commands:
                command, done = self.commands.popleft()
                try:
                    done.set_result(self._call(command, self._settings.startup_seconds))
                except WorkerLost as error:
                    done.set_exception(error)
                    raise
            elif tasks := self._dispatcher.take(self):
                self._compute(tasks)
            elif not self._dispatcher.closed:
                self._call(("ping", ""), min(_PATIENCE_SECONDS, self._settings.timeout_seconds))

    def _compute(self, tasks: list[Task]) -> None:
        started = time.monotonic()
        try:
            answers = self._call(
                ("predict", tasks[0].model, [task.picture for task in tasks]), self._settings.timeout_seconds
            )
        except WorkerLost as error:
            for task in tasks:
                task.answer.set_exception(error)
            raise
        metrics.BATCH_SIZE.observe(len(tasks))
        for task, each in zip(tasks, answers.each, strict=True):
            if isinstance(each, ContainerError):
                task.answer.set_exception(each)
                continue
            queued = started - task.created
            timing = queued, answers.decode_seconds, answers.compute_seconds
            task.answer.set_result(Answer(each, *timing, len(tasks)))

    def _call(self, command: tuple[Any, ...], seconds: float) -> Any:
        assert self._connection
        assert self._process
        try:
            self._connection.send(command)
            if self._answers.poll(1000 * seconds):
                return self._connection.recv()
        except (EOFError, OSError) as error:
            raise WorkerLost(
                f"its process ended with {self._process.wait()}", "the picture was not computed"
            ) from error
        raise WorkerLost(f"it did not answer a {command[0]} within {seconds} s", "the picture was not computed")

    def _end(self) -> None:
        if self._connection:
            self._connection.close()
        if self._process:
            try:
                # At a regular end it sees its connection close; a lost one may hang.
                self._process.wait(2 if self._dispatcher.closed else 0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Dispatcher:
    """The queue and the workers. `models` maps each loaded model's name to its directory."""

    def __init__(self, settings: ServingSettings, models: dict[str, Path]) -> None:
        self.models = models
        self.closing = threading.Event()
        self._settings = settings
        self._waiting: deque[Task] = deque()
        self._stopping = False
        # Two conditions of one lock: those who wait for room must not be woken in place of a worker.
        lock = threading.RLock()
        self._changed, self._room = threading.Condition(lock), threading.Condition(lock)
        self._noted: dict[str, Loaded] = {}
        self._workers = [Worker(number, self, settings) for number in range(settings.workers)]
        metrics.QUEUE.set_function(lambda: len(self._waiting))
        metrics.WORKERS_READY.set_function(lambda: sum(worker.ready for worker in self._workers))
        for worker in self._workers:
            worker.thread.start()

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self.closing.is_set()

    @property
    def ready(self) -> bool:
        """Whether some worker can answer."""
        return any(worker.ready for worker in self._workers)

    def note(self, name: str, loaded: Loaded | None) -> None:
        """Log what a model is computed with, once, and show it as a metric; None: it is unloaded."""
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

    def submit(self, tasks: list[Task], deadline: float | None = None) -> None:
        """Queue tasks, all or none; until the deadline (of time.monotonic) wait for room, without one not at all.

        Raises Overloaded if there is no room for them all.
        """
        with self._changed:
            if deadline is not None:
                self._room.wait_for(lambda: self._stopping or self._has_room(tasks), deadline - time.monotonic())
            if self._stopping:
                raise _stopping()
            if not self._has_room(tasks):
                raise Overloaded(
                    f"{len(self._waiting)} pictures wait already",
                    f"the queue holds {self._settings.queue_size}",
                    "Ask again a little later, or give the endpoint more instances",
                )
            self._waiting.extend(tasks)
            self._changed.notify(len(tasks))

    def _has_room(self, tasks: list[Task]) -> bool:
        return len(self._waiting) + len(tasks) <= self._settings.queue_size

    def take(self, worker: Worker) -> list[Task]:
        """Return the next batch, all for one model; none if the worker has something else to see to."""
        with self._changed:
            while True:
                batch: list[Task] = []
                later: deque[Task] = deque()
                while self._waiting and len(batch) < self._settings.batch_size:
                    task = self._waiting.popleft()
                    if not _still_wanted(task):
                        continue
                    (batch if not batch or task.model == batch[0].model else later).append(task)
                self._waiting.extendleft(reversed(later))
                self._room.notify_all()
                if batch:
                    return batch
                if worker.commands or self.closed or not self._changed.wait(_HEARTBEAT_SECONDS):
                    return batch

    def broadcast(self, *command: Any) -> list[Any]:
        """Have every worker see to a command and return their answers. Raises WorkerLost."""
        with self._changed:
            futures = []
            for worker in self._workers:
                future: Future[Any] = Future()
                worker.commands.append((command, future))
                futures.append(future)
            self._changed.notify_all()
        return [future.result() for future in futures]

    def finish(self, seconds: float) -> None:
        """Have what waits answered within that time; what then still waits is refused."""
        timer = threading.Timer(seconds, self._refuse_waiting)
        timer.daemon = True
        timer.start()

    def _refuse_waiting(self) -> None:
        with self._changed:
            self._stopping = True
            while self._waiting:
                self._waiting.popleft().answer.set_exception(_stopping())
            self._room.notify_all()

    def close(self) -> None:
        """End the workers; called when no request is left."""
        self.closing.set()
        with self._changed:
            self._changed.notify_all()
        for worker in self._workers:
            worker.thread.join(5)


def _stopping() -> Overloaded:
    return Overloaded("the server is stopping", "there is no time left to answer", "Ask again")


def _still_wanted(task: Task) -> bool:
    if time.monotonic() > task.deadline:
        task.answer.set_exception(TimeIsOver("the request waited too long", "its time was over before its turn came"))
    elif not task.is_wanted():
        task.answer.cancel()
    else:
        return True
    metrics.DROPPED.inc()
    return False
