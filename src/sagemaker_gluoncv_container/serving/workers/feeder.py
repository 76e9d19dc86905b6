"""A worker process from the server's side: the thread that starts it, feeds it from the queue and replaces it."""

import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from io import BufferedRWPair
from pathlib import Path
from typing import Any, Protocol

from ...contract import child_environment
from ...errors import ContainerError, WorkerLost
from ...inference.answers import Measured
from .. import metrics
from ..settings import ServingSettings
from .protocol import Loaded
from .queue import Answer, Task, TaskQueue

logger = logging.getLogger(__name__)

# A worker that cannot even start is not started more often than this.
_RESTART_SECONDS = 1.0
# An idle worker is asked that often whether it is still there, and may take that long to say so.
_HEARTBEAT_SECONDS, _PATIENCE_SECONDS = 1.0, 10
_APP_LOAD_ERROR = 4
_MIB = 1 << 20
# glibc gives arrays over the first size back to the system when they are freed, as those of a net that is unloaded. A
# picture's are smaller: to ask the system for them again each time would cost 0.4 ms a picture. MXNet keeps scratch
# memory of the largest layer's size for good: once will do for one pass at a time, and not four times.
_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(4 * _MIB),
    "MALLOC_TRIM_THRESHOLD_": str(32 * _MIB),
    "MXNET_CPU_TEMP_COPY": "1",
}


class Owner(Protocol):
    """What the feeders share; the dispatcher has it."""

    queue: TaskQueue
    models: dict[str, Path]
    closing: threading.Event
    measured: threading.Event
    lone_threads: int

    def note(self, name: str, loaded: Loaded | None) -> None:
        """Take down what a model is computed with."""


class Feeder:
    """A worker process and the thread that feeds it. `commands`, with their answers to come, go before pictures."""

    def __init__(self, number: int, owner: Owner, settings: ServingSettings) -> None:
        self.number, self._owner, self._settings = number, owner, settings
        self.ready = False
        self.commands: deque[tuple[tuple[Any, ...], Future[Any]]] = deque()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._stream: BufferedRWPair | None = None
        self.thread = threading.Thread(target=self._run, name=f"worker-{number}", daemon=True)

    def _run(self) -> None:
        if self.number:
            self._owner.measured.wait()
        while not self._owner.closing.is_set():
            booted = False
            try:
                self._start()
                booted = True
                self._feed()
            except WorkerLost as error:
                if not self._owner.closing.is_set():
                    logger.error("Worker %d is lost and is replaced: %s", self.number, error)
                    metrics.WORKERS_LOST.inc()
            finally:
                self.ready = False
                self._owner.measured.set()
                self._end()
            if not booted:
                self._owner.closing.wait(_RESTART_SECONDS)
        while self.commands:
            self.commands.popleft()[1].set_exception(WorkerLost("the server is stopping"))

    def _start(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._stream = self._socket.makefile("rwb")
        gpu = self._settings.gpu(self.number)
        threads = self._settings.compute_threads
        given = theirs.fileno(), threads, self._owner.lone_threads, self._settings.precision
        arguments = [*map(str, given), *([] if gpu is None else [str(gpu)])]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.worker", *arguments],
                pass_fds=[theirs.fileno()],
                env=child_environment(OMP_NUM_THREADS=str(threads), **_MEMORY),
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerLost(f"its process could not be started: {error}") from error
        finally:
            theirs.close()
        self._call(("ping", ""), self._settings.startup_seconds)
        # A copy: models come and go meanwhile.
        for name, directory in list(self._owner.models.items()):
            command = "load", name, str(directory), self._settings.preprocessing
            loaded = self._call(command, self._settings.startup_seconds)
            if isinstance(loaded, Loaded):
                self._owner.note(name, loaded)
            elif self._settings.multi_model:
                raise WorkerLost(f"it could not load a model again: {loaded}")
            else:
                # A restart would not mend it. This is gunicorn's exit code for "the app cannot be loaded", which
                # ends its master too.
                logger.error("ClientError: %s", loaded)
                os._exit(_APP_LOAD_ERROR)
        self.ready = True
        logger.info("Worker %d is ready, pid %d", self.number, self._process.pid)
        if not self._owner.measured.is_set():
            self._measure()

    def _measure(self) -> None:
        """Have the first worker find out, while it has the cores to itself, on how many a lone picture is computed."""
        measured = self._call(("measure", "", self._settings.lone_threads), self._settings.startup_seconds)
        if isinstance(measured, Measured):
            self._owner.lone_threads = measured.threads
            logger.info("Threads for a picture that comes alone: %s", measured)
        self._owner.measured.set()

    def _feed(self) -> None:
        while not self._owner.closing.is_set():
            if self.commands:
                command, done = self.commands.popleft()
                try:
                    done.set_result(self._call(command, self._settings.startup_seconds))
                except WorkerLost as error:
                    done.set_exception(error)
                    raise
            elif batch := self._owner.queue.take(_HEARTBEAT_SECONDS, self._is_called):
                try:
                    self._compute(batch.tasks, batch.alone)
                finally:
                    self._owner.queue.done()
            elif not self._is_called():
                self._call(("ping", ""), min(_PATIENCE_SECONDS, self._settings.timeout_seconds))

    def _is_called(self) -> bool:
        return bool(self.commands) or self._owner.closing.is_set()

    def _compute(self, tasks: list[Task], alone: bool) -> None:
        started = time.monotonic()
        command = "predict", tasks[0].model, [task.picture for task in tasks], alone
        try:
            answers = self._call(command, self._settings.timeout_seconds)
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
        """Return the worker's answer. Raises WorkerLost if its process ends, or stands still for so long."""
        assert self._socket
        assert self._stream
        assert self._process
        self._socket.settimeout(seconds)
        try:
            pickle.dump(command, self._stream, pickle.HIGHEST_PROTOCOL)
            self._stream.flush()
            return pickle.load(self._stream)
        except TimeoutError:
            what = f"it did not answer a {command[0]} within {seconds} s"
            raise WorkerLost(what, "the picture was not computed") from None
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            what = f"its process ended with {self._process.wait()}"
            raise WorkerLost(what, "the picture was not computed") from error

    def _end(self) -> None:
        if self._socket and self._stream:
            # What the stream still holds, if the worker hung, has nowhere to go: to write it is not waited for again.
            self._socket.settimeout(0)
            with suppress(OSError):
                self._stream.close()
            self._socket.close()
        if self._process:
            try:
                # At a regular end it sees its connection close; a lost one may hang.
                self._process.wait(2 if self._owner.closing.is_set() else 0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
