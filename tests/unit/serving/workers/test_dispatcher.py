"""dispatcher: when and with what workers are started. What they do is shown in test_feeder."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sagemaker_gluoncv_container.serving.settings import ServingSettings
from sagemaker_gluoncv_container.serving.workers.dispatcher import Dispatcher
from sagemaker_gluoncv_container.serving.workers.protocol import WorkerSettings
from support.model_server import wait_until


def test_not_ready(settings: Callable[..., ServingSettings]) -> None:
    """Without a worker that can answer the dispatcher is not ready."""
    dispatcher = Dispatcher(replace(settings(), workers=0))
    assert not dispatcher.ready
    dispatcher.close()


def started_with(monkeypatch: pytest.MonkeyPatch, settings: ServingSettings) -> dict[str, WorkerSettings]:
    """Return what each worker is started with after its connection, by the worker's thread."""
    seen: dict[str, WorkerSettings] = {}

    def popen(command: list[str], **_: Any) -> None:
        assert command[:3] == [sys.executable, "-m", "sagemaker_gluoncv_container.serving.workers.worker"]
        seen[threading.current_thread().name] = WorkerSettings.from_argument(command[4])
        raise OSError("no process is started here")

    monkeypatch.setattr(subprocess, "Popen", popen)
    dispatcher = Dispatcher(settings)
    deadline = time.monotonic() + 30
    while len(seen) < settings.workers and time.monotonic() < deadline:
        time.sleep(0.01)
    dispatcher.close()
    return seen


def test_each_worker_is_told_its_gpu(settings: Callable[..., ServingSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker process is given the number of one GPU, in turn; without GPUs it is given none."""
    given = replace(settings(), workers=3, compute_threads=2)
    names = [f"worker-{number}" for number in range(3)]
    on_gpus = started_with(monkeypatch, replace(given, gpus=2, lone_threads=2))
    gpus = zip(names, (0, 1, 0), strict=True)
    assert on_gpus == {name: WorkerSettings(2, "auto", gpu, decoders=6) for name, gpu in gpus}
    assert started_with(monkeypatch, given) == dict.fromkeys(names, WorkerSettings(2, "auto", None, decoders=6))


def test_the_others_wait_for_the_measurement(
    settings: Callable[..., ServingSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is a choice of threads, the first worker is alone until it has tried to start."""
    given = replace(settings(), workers=3, compute_threads=1, lone_threads=2)
    released = threading.Event()
    started: list[str] = []

    def popen(*_: Any, **__: Any) -> None:
        started.append(threading.current_thread().name)
        if not released.wait(0 if threading.current_thread().name != "worker-0" else 20):
            started.append("too early")
        raise OSError("no process is started here")

    monkeypatch.setattr(subprocess, "Popen", popen)
    dispatcher = Dispatcher(given)
    wait_until(lambda: started, 10, "the first tries")
    time.sleep(0.2)
    assert started == ["worker-0"]
    released.set()
    wait_until(lambda: len(set(started)) == 3, 10, "the others try")
    assert set(started) == {f"worker-{number}" for number in range(3)}
    dispatcher.close()


def test_closing(settings: Callable[..., ServingSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    """close() ends the threads of workers that cannot even start, and of those that were never told to."""

    def popen(*_: Any, **__: Any) -> None:
        raise OSError("no process is started here")

    monkeypatch.setattr(subprocess, "Popen", popen)
    for lone_threads in (1, 2):
        dispatcher = Dispatcher(replace(settings(), workers=2, compute_threads=1, lone_threads=lone_threads))
        dispatcher.close()
        assert not any(feeder.thread.is_alive() for feeder in dispatcher._feeders)
        assert not dispatcher.ready
