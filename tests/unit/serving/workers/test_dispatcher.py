"""dispatcher: what workers are started with. What they do is shown on the running server."""

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
    assert on_gpus == {name: WorkerSettings(2, "auto", gpu) for name, gpu in zip(names, (0, 1, 0), strict=True)}
    assert started_with(monkeypatch, given) == dict.fromkeys(names, WorkerSettings(2, "auto", None))
