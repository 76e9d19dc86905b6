"""registry: the one list of models; who holds them, and what becomes of a load. The workers are played by the tests."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.artifact import Artifact, Description
from sagemaker_gluoncv_container.errors import ContainerError, ModelNotFound, Overloaded, WorkerLost
from sagemaker_gluoncv_container.images import Preprocessing
from sagemaker_gluoncv_container.inference.answers import Measured
from sagemaker_gluoncv_container.serving import metrics
from sagemaker_gluoncv_container.serving.workers.protocol import Loaded
from sagemaker_gluoncv_container.serving.workers.registry import Model, Registry
from support.model_server import wait_until

LOADED = Loaded("OpenVINO", "float32", "as asked for")
ARTIFACT = Artifact(Path("symbol"), Path("params"), Description(1, 2, Preprocessing(8, 8, 9)))
SECONDS = 20


def model(name: str) -> Model:
    """Return a model that nobody holds."""
    return Model(name, f"/models/{name}", ARTIFACT, 1000)


@pytest.fixture
def woken() -> list[int]:
    """Return a list that gets an entry whenever the workers are woken."""
    return []


@pytest.fixture
def registry(woken: list[int]) -> Registry:
    """Return the registry of two workers."""
    return Registry(2, lambda: woken.append(1))


@pytest.fixture
def background() -> Iterator[Callable[..., "Future[None]"]]:
    """Return a function that runs another one beside the test."""
    pool = ThreadPoolExecutor(2)
    yield pool.submit
    pool.shutdown()


def engines() -> set[str]:
    """Return the names of models that the metric shows."""
    return {sample.labels["model"] for metric in metrics.ENGINE.collect() for sample in metric.samples}


def test_a_load(registry: Registry, woken: list[int], background: Callable[..., "Future[None]"]) -> None:
    """A model is wanted at once, and can be invoked when both workers have loaded it."""
    one = model("one")
    version = registry.version
    done = background(registry.load, one, SECONDS)
    wait_until(lambda: registry.wanted() == [one], 5, "it is wanted")
    wait_until(lambda: woken, 5, "the workers are woken")
    assert registry.version > version
    for worker in (0, 1):
        assert registry.begin(one, worker)
        with pytest.raises(ModelNotFound):
            registry.get("one")
        assert registry.ready() == []
        registry.done(one, worker, LOADED)
    assert done.result(SECONDS) is None
    assert registry.get("one") is one
    assert registry.ready() == [one]
    assert "one" in engines()
    registry.left(one, 0)
    registry.left(one, 1)
    registry.unload(one, SECONDS)
    assert "one" not in engines()


def test_a_failed_load(registry: Registry, background: Callable[..., "Future[None]"]) -> None:
    """When one worker fails the model is no longer wanted, and the error comes when the other has let it go, too."""
    one = model("one")
    done = background(registry.load, one, SECONDS)
    wait_until(registry.wanted, 5, "it is wanted")
    registry.begin(one, 0)
    registry.done(one, 0, LOADED)
    registry.begin(one, 1)
    registry.failed(one, ContainerError("It is broken"))
    registry.left(one, 1)
    assert registry.wanted() == []
    assert not done.done()
    assert not registry.begin(one, 1)
    registry.left(one, 0)
    assert str(done.exception(SECONDS)) == "It is broken."
    assert registry.ready() == []
    assert "one" not in engines()


def test_a_worker_lost_while_another_loads(registry: Registry, background: Callable[..., "Future[None]"]) -> None:
    """A worker that had loaded and is replaced must load again before the load is over."""
    one = model("one")
    done = background(registry.load, one, SECONDS)
    wait_until(registry.wanted, 5, "it is wanted")
    for worker in (0, 1):
        registry.begin(one, worker)
    registry.done(one, 0, LOADED)
    registry.left(one, 0)
    registry.done(one, 1, LOADED)
    assert registry.wanted() == [one]
    assert not done.done()
    registry.begin(one, 0)
    registry.done(one, 0, LOADED)
    assert done.result(SECONDS) is None


def test_too_late(registry: Registry) -> None:
    """A load or an unload that not every worker has done in time is an error, and a load that failed leaves nothing."""
    with pytest.raises(WorkerLost, match=r"within 0\.05 s"):
        registry.load(model("one"), 0.05)
    assert registry.wanted() == []
    held = model("held")
    registry.put(held)
    registry.begin(held, 0)
    with pytest.raises(WorkerLost, match=r"within 0\.05 s"):
        registry.unload(held, 0.05)


def test_closing(registry: Registry, background: Callable[..., "Future[None]"]) -> None:
    """Nobody waits for workers that end."""
    done = background(registry.load, model("one"), SECONDS)
    wait_until(registry.wanted, 5, "it is wanted")
    registry.close()
    assert isinstance(done.exception(5), Overloaded)


def test_the_least_recently_used_is_first(registry: Registry) -> None:
    """ready() is in the order of use; only a use counts."""
    for name in "abc":
        registry.put(model(name))
    registry.get("a", use=True)
    registry.get("b")
    assert [each.name for each in registry.ready()] == ["b", "c", "a"]


def test_the_same_name_again(registry: Registry) -> None:
    """A model that was unloaded is not the one that has its name now."""
    old, new = model("one"), model("one")
    registry.put(old)
    registry.unload(old, SECONDS)
    registry.put(new)
    assert registry.get("one") is new
    assert not registry.begin(old, 0)
    assert old not in registry.wanted()


def test_what_was_measured_stays(registry: Registry) -> None:
    """The first worker's measurement holds for those that load later and measure nothing."""
    one = model("one")
    assert one.lone_threads is None
    registry.put(one)
    registry.done(one, 0, Loaded("OpenVINO", "int8", "it passed", Measured({1: 0.5, 2: 0.2}, 2)))
    registry.done(one, 1, Loaded("OpenVINO", "int8", "it passed"))
    assert one.lone_threads == 2
    for worker in (0, 1):
        registry.left(one, worker)
    registry.unload(one, SECONDS)
