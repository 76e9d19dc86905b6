"""feeder: a worker's thread keeps it in step with the registry, feeds it and replaces it. The workers are real."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.errors import ModelNotFound, UnreadablePicture, WorkerLost
from sagemaker_gluoncv_container.serving.settings import ServingSettings
from sagemaker_gluoncv_container.serving.workers.feeder import Feeder
from sagemaker_gluoncv_container.serving.workers.queue import Task, TaskQueue
from sagemaker_gluoncv_container.serving.workers.registry import Model, Registry
from support.model_server import wait_until

SECONDS = 60


class Rig:
    """One feeder with what it needs, in a server of several models or of one."""

    def __init__(self, settings: ServingSettings) -> None:
        self.queue = TaskQueue(16, 8, 1)
        self.registry = Registry(1, self.queue.wake)
        self.closing = threading.Event()
        self.tried: list[bool] = []
        arguments = self.queue, self.registry, settings, self.closing
        self.feeder = Feeder(0, *arguments, lambda: self.tried.append(self.feeder.ready))

    def start(self) -> None:
        """Start the feeder and wait for its worker."""
        self.feeder.thread.start()
        wait_until(lambda: self.feeder.ready, SECONDS, "the worker is ready")

    @property
    def pid(self) -> int:
        """The process id of the worker."""
        assert self.feeder._process
        return self.feeder._process.pid

    def ask(self, picture: bytes, name: str = "") -> Task:
        """Queue a picture."""
        task = Task(name, picture, time.monotonic() + SECONDS, lambda: True)
        self.queue.submit([task])
        return task

    def end(self) -> None:
        """End the worker and its thread."""
        self.closing.set()
        self.registry.close()
        self.queue.wake()
        if self.feeder.thread.ident:
            self.feeder.thread.join(SECONDS)
            assert not self.feeder.thread.is_alive()


@pytest.fixture
def settings_of_several(settings: Callable[..., ServingSettings]) -> ServingSettings:
    """Return the settings of a multi-model server with one worker."""
    return replace(settings(SAGEMAKER_MULTI_MODEL="true"), workers=1)


@pytest.fixture
def rig(settings_of_several: ServingSettings) -> Iterator[Rig]:
    """Return a feeder of a multi-model server that is not started."""
    rig = Rig(settings_of_several)
    yield rig
    rig.end()


@pytest.fixture
def model(base: Path) -> Model:
    """Return a model that can be loaded."""
    return Model("a", str(base / "model"), artifact.load(base / "model"), 1)


def test_it_follows_the_registry(rig: Rig, model: Model, picture: bytes) -> None:
    """What the registry holds is loaded and answers, what it no longer holds is unloaded, and the worker stays."""
    rig.start()
    assert rig.tried == [True]
    pid = rig.pid
    rig.registry.load(model, SECONDS)
    assert model.workers == {0: True}
    answer = rig.ask(picture, "a").answer.result(SECONDS)
    assert answer.probabilities.shape == (5,)
    assert answer.batch == 1
    assert answer.queued >= 0
    assert min(answer.decoding, answer.computing) > 0
    rig.registry.unload(model, SECONDS)
    assert model.workers == {}
    assert isinstance(rig.ask(picture, "a").answer.exception(SECONDS), ModelNotFound)
    assert rig.pid == pid


def test_a_bad_picture_fails_alone(rig: Rig, model: Model, picture: bytes) -> None:
    """Of a batch each picture has its own result or error."""
    rig.registry.put(model)
    tasks = [rig.ask(data, "a") for data in (picture, b"no picture", picture)]
    rig.start()
    first, error, last = tasks[0].answer.result(SECONDS), tasks[1].answer.exception(SECONDS), tasks[2].answer.result(1)
    assert (first.probabilities == last.probabilities).all()
    assert first.batch == 3
    assert isinstance(error, UnreadablePicture)


def test_a_lost_worker_is_replaced(rig: Rig, model: Model, picture: bytes) -> None:
    """A worker that dies fails what it has at hand; the next one holds the same models."""
    rig.registry.put(model)
    rig.start()
    old = rig.pid
    os.kill(old, signal.SIGSTOP)
    task = rig.ask(picture, "a")
    wait_until(lambda: not rig.queue._waiting, SECONDS, "the task is taken")
    os.kill(old, signal.SIGKILL)
    assert isinstance(task.answer.exception(SECONDS), WorkerLost)
    assert rig.ask(picture, "a").answer.result(SECONDS).probabilities.shape == (5,)
    assert rig.pid != old
    assert model.workers == {0: True}


def test_an_idle_worker_that_hangs_is_found(settings_of_several: ServingSettings) -> None:
    """A worker that stands still while nobody asks is replaced after the time that it may take."""
    rig = Rig(replace(settings_of_several, timeout_seconds=1))
    try:
        rig.start()
        old = rig.pid
        os.kill(old, signal.SIGSTOP)
        wait_until(lambda: not psutil.pid_exists(old), 20, "it is ended")
        wait_until(lambda: rig.feeder.ready, SECONDS, "another is ready")
        assert rig.pid != old
    finally:
        rig.end()


def test_a_model_that_cannot_be_loaded(rig: Rig, model: Model, tmp_path: Path) -> None:
    """It fails the load and costs no worker."""
    rig.start()
    pid = rig.pid
    broken = Model("broken", str(tmp_path), model.artifact, 1)
    with pytest.raises(Exception, match="holds no model"):
        rig.registry.load(broken, SECONDS)
    assert broken.workers == {}
    assert rig.pid == pid


def test_measuring(settings: Callable[..., ServingSettings], model: Model) -> None:
    """The first worker measures as it loads; the one that replaces it takes what was found."""
    rig = Rig(replace(settings(), workers=1, compute_threads=1, lone_threads=2))
    rig.registry.put(model)
    try:
        rig.start()
        assert model.loaded
        assert model.loaded.measured
        first = model.loaded.measured
        os.kill(rig.pid, signal.SIGKILL)
        wait_until(lambda: len(rig.tried) == 2 and rig.feeder.ready, SECONDS, "it is replaced")
        assert model.loaded.measured is first
        assert model.lone_threads == first.threads
    finally:
        rig.end()
