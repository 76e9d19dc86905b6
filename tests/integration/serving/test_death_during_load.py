"""Promise: a worker that dies while a model is loaded costs that load at most; no worker keeps or misses a model."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.errors import ModelNotFound, WorkerLost
from sagemaker_gluoncv_container.serving.settings import ServingSettings
from sagemaker_gluoncv_container.serving.workers.models import Models
from sagemaker_gluoncv_container.serving.workers.registry import Model
from support.model_server import START_SECONDS, Server, wait_until, write_model

WORKERS = 3
# 12 MB of parameters: a copy that is left in a worker shows.
LARGE = {"side": 8, "channels": 512, "layers": 5}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the directory of a model."""
    return str(write_model(tmp_path_factory.mktemp("model"), **LARGE))


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Models]:
    """Return the models of a multi-model server whose workers are processes of this one, ready."""
    variables = {"SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_MODEL_SERVER_WORKERS": str(WORKERS)}
    models = Models(ServingSettings.from_environment({"SAGEMAKER_BASE_DIR": str(tmp_path), **variables}))
    try:
        wait_until(lambda: len(pids(models)) == WORKERS, START_SECONDS, "the workers are ready")
        yield models
    finally:
        models.dispatcher.close()


def pids(models: Models) -> list[int]:
    """Return the process ids of the workers that are ready, in their order."""
    feeders = models.dispatcher._feeders
    return [process.pid for feeder in feeders if (process := feeder._process) and feeder.ready]


def begun(models: Models) -> Model | None:
    """Return the model that is in the registry, if one is."""
    found = models.dispatcher.registry.wanted()
    return found[0] if found else None


def holders(models: Models) -> list[list[str]]:
    """Return the names of the models that each worker holds."""
    return [[model.name for model in feeder._held] for feeder in models.dispatcher._feeders]


def test_a_worker_killed_before_it_has_loaded(models: Models, directory: str) -> None:
    """The load fails with a 5xx, no worker keeps the model, and the next load reaches every worker, the new one too."""
    victim = pids(models)[1]
    os.kill(victim, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(models.load, "a", directory)
        wait_until(
            lambda: (model := begun(models)) and model.workers == {0: True, 1: False, 2: True},
            START_SECONDS,
            "the others have loaded it",
        )
        with pytest.raises(ModelNotFound):
            models.get("a")
        os.kill(victim, signal.SIGKILL)
        error = load.exception(START_SECONDS)
    assert isinstance(error, WorkerLost)
    assert error.status == 500
    assert "ended with -9. The model was not loaded" in str(error)
    assert begun(models) is None
    assert models.page("", 9) == ([], None)
    assert holders(models) == [[], [], []]
    with pytest.raises(ModelNotFound):
        models.unload("a")
    models.load("a", directory)
    assert models.get("a").workers == {0: True, 1: True, 2: True}
    assert holders(models) == [["a"]] * WORKERS
    assert victim not in pids(models)
    models.unload("a")
    assert holders(models) == [[], [], []]


def test_a_worker_killed_after_it_has_loaded(models: Models, directory: str) -> None:
    """A worker that dies while another still loads fails the load, too; the next load reaches the new worker."""
    slow, victim = pids(models)[1], pids(models)[2]
    os.kill(slow, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(models.load, "a", directory)
        wait_until(
            lambda: (model := begun(models)) and model.workers == {0: True, 1: False, 2: True},
            START_SECONDS,
            "the others have loaded it",
        )
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in pids(models), START_SECONDS, "its loss is seen")
        os.kill(slow, signal.SIGCONT)
        assert isinstance(load.exception(START_SECONDS), WorkerLost)
    assert holders(models) == [[], [], []]
    models.load("a", directory)
    assert models.get("a").workers == {0: True, 1: True, 2: True}
    assert holders(models) == [["a"]] * WORKERS


def test_a_model_that_kills_workers(models: Models, directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that ends every worker that loads it is refused, and not tried again by those that take their places."""
    before = pids(models)
    stopped = threading.Event()

    def kill_loading() -> None:
        while not stopped.wait(0.001):
            for feeder in models.dispatcher._feeders:
                if feeder._held and (process := feeder._process):
                    process._process.kill()

    with ThreadPoolExecutor(1) as pool:
        killer = pool.submit(kill_loading)
        with pytest.raises(WorkerLost):
            models.load("a", directory)
        stopped.set()
        killer.result()
    assert holders(models) == [[], [], []]
    wait_until(lambda: len(pids(models)) == WORKERS, START_SECONDS, "the workers are back")
    assert set(pids(models)) != set(before)
    models.load("a", directory)
    assert holders(models) == [["a"]] * WORKERS


def test_over_http(start: Callable[..., Server], directory: str, flower: bytes) -> None:
    """As clients see it: a 5xx, 404 for what was not loaded, all memory back, then 200 from each worker alone."""
    server = start(WORKERS, SAGEMAKER_MULTI_MODEL="true", OMP_NUM_THREADS="1")
    body = f'{{"model_name": "a", "url": "{directory}"}}'
    before = server.resident_bytes()
    victim = server.worker_pids()[0]
    os.kill(victim, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(server.ask, "POST", "/models", body)
        wait_until(
            lambda: any(line["message"].startswith("Computing in") for line in server.log()), 30, "one has loaded"
        )
        assert server.ask("GET", "/models").json == {"models": []}
        os.kill(victim, signal.SIGKILL)
        reply = load.result()
    assert reply.status == 500
    assert list(reply.json) == ["error"]
    assert server.ask("GET", "/models/a").status == 404
    assert server.ask("DELETE", "/models/a").status == 404
    server.wait_until_ready(WORKERS)
    assert server.resident_bytes() < 1.1 * before
    assert server.ask("POST", "/models", body).status == 200
    workers = server.worker_pids()
    assert len(workers) == WORKERS
    for only in workers:
        others = [pid for pid in workers if pid != only]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        # Pictures that a stopped worker was given wait for it; those that come after them reach the only one that runs.
        with ThreadPoolExecutor(WORKERS + 1) as pool:
            answers = [pool.submit(server.invoke, flower, path="/models/a/invoke") for _ in range(WORKERS + 1)]
            wait_until(lambda answers=answers: any(each.done() for each in answers), 10, "one worker answers")  # type: ignore[misc]
            for pid in others:
                os.kill(pid, signal.SIGCONT)
            assert {each.result().status for each in answers} == {200}
