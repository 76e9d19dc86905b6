"""dispatcher: the queue and its batches. It has no workers here: what they do is shown on the running server."""

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from sagemaker_gluoncv_container.errors import Overloaded, TimeIsOver
from sagemaker_gluoncv_container.serving.dispatcher import Dispatcher, Task
from sagemaker_gluoncv_container.serving.settings import ServingSettings

QUEUE_SIZE = 6
BATCH_SIZE = 3


@pytest.fixture
def dispatcher(settings: Callable[..., ServingSettings]) -> Iterator[Dispatcher]:
    """Return a dispatcher without workers: the queue of a server whose workers are all busy."""
    given = settings(SAGEMAKER_MODEL_JOB_QUEUE_SIZE=str(QUEUE_SIZE), SAGEMAKER_GLUONCV_BATCH_SIZE=str(BATCH_SIZE))
    dispatcher = Dispatcher(replace(given, workers=0), {})
    yield dispatcher
    dispatcher.close()


def task(picture: str, model: str = "", seconds: float = 60, is_wanted: bool = True) -> Task:
    """Return a task with so much time left."""
    return Task(model, picture.encode(), time.monotonic() + seconds, lambda: is_wanted)


def take(dispatcher: Dispatcher, commands: tuple[Any, ...] = ()) -> str:
    """Return the pictures of the next batch, one letter each, as a worker would be given them."""
    worker: Any = SimpleNamespace(commands=deque(commands))
    return b"".join(each.picture for each in dispatcher.take(worker)).decode()


def test_batches(dispatcher: Dispatcher) -> None:
    """What waits is taken in order, up to a batch at a time."""
    dispatcher.submit([task(letter) for letter in "abcde"])
    assert [take(dispatcher), take(dispatcher)] == ["abc", "de"]


def test_a_batch_is_for_one_model(dispatcher: Dispatcher) -> None:
    """A batch is for one model; what is for others keeps its place."""
    dispatcher.submit([task(letter, model) for letter, model in zip("abcdef", "xyxzxy", strict=True)])
    assert [take(dispatcher) for _ in range(3)] == ["ace", "bf", "d"]


def test_a_full_queue(dispatcher: Dispatcher) -> None:
    """Tasks for which there is no room are refused, all of them, and what waits stays."""
    dispatcher.submit([task(letter) for letter in "abcd"])
    with pytest.raises(Overloaded, match="4 pictures wait already. the queue holds 6"):
        dispatcher.submit([task(letter) for letter in "xyz"])
    dispatcher.submit([task(letter) for letter in "ef"])
    assert take(dispatcher) + take(dispatcher) == "abcdef"


def test_what_nobody_wants_is_dropped(dispatcher: Dispatcher) -> None:
    """A task whose time is over or whose client is gone is not computed, and takes no place in a batch."""
    late, gone = task("l", seconds=-1), task("g", is_wanted=False)
    dispatcher.submit([late, task("a"), gone, task("b"), task("c")])
    assert take(dispatcher) == "abc"
    assert isinstance(late.answer.exception(0), TimeIsOver)
    assert gone.answer.cancelled()


def test_an_idle_worker_is_let_go_now_and_then(dispatcher: Dispatcher) -> None:
    """With nothing to do take() returns, so that the worker can be asked whether it lives; with a command at once."""
    assert take(dispatcher) == ""
    began = time.monotonic()
    assert take(dispatcher, commands=("unload",)) == ""
    assert time.monotonic() < began + 0.5


def test_stopping(dispatcher: Dispatcher) -> None:
    """When the time to finish is over, what waits is refused with 503, and so is what comes."""
    waiting = task("a")
    dispatcher.submit([waiting])
    dispatcher.finish(0.05)
    error = waiting.answer.exception(10)
    assert isinstance(error, Overloaded)
    assert error.status == 503
    with pytest.raises(Overloaded, match="the server is stopping"):
        dispatcher.submit([task("b")])


def test_not_ready(dispatcher: Dispatcher) -> None:
    """Without a worker that can answer the dispatcher is not ready."""
    assert not dispatcher.ready


def started_with(monkeypatch: pytest.MonkeyPatch, settings: ServingSettings) -> dict[str, list[str]]:
    """Return what each worker is started with after its connection, by the worker's thread."""
    seen: dict[str, list[str]] = {}

    def popen(command: list[str], **_: Any) -> None:
        assert command[:3] == [sys.executable, "-m", "sagemaker_gluoncv_container.serving.worker"]
        seen[threading.current_thread().name] = command[4:]
        raise OSError("no process is started here")

    monkeypatch.setattr(subprocess, "Popen", popen)
    dispatcher = Dispatcher(settings, {})
    deadline = time.monotonic() + 30
    while len(seen) < settings.workers and time.monotonic() < deadline:
        time.sleep(0.01)
    dispatcher.close()
    return seen


def test_each_worker_is_told_its_gpu(settings: Callable[..., ServingSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker process is given the number of one GPU, in turn; without GPUs it is given none."""
    given = replace(settings(), workers=3, compute_threads=2)
    names = [f"worker-{number}" for number in range(3)]
    assert started_with(monkeypatch, replace(given, gpus=2)) == dict(
        zip(names, (["2", "auto", "0"], ["2", "auto", "1"], ["2", "auto", "0"]), strict=True)
    )
    assert started_with(monkeypatch, given) == dict.fromkeys(names, ["2", "auto"])
