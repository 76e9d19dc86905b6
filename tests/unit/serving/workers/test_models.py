"""models: names, pages, and who has to go when memory is short. No worker holds them here."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sagemaker_gluoncv_container import machine
from sagemaker_gluoncv_container.errors import ClientError, ContainerError, ModelLoaded, ModelNotFound, NoMemory
from sagemaker_gluoncv_container.serving.settings import ServingSettings
from sagemaker_gluoncv_container.serving.workers.models import Models

PARAMS_BYTES = 1000
# As in models.py: what a model is taken to need.
NEEDED = 3 * PARAMS_BYTES


class Memory:
    """Room for a number of models, of which those that are loaded have taken their part."""

    def __init__(self, holds: int, loaded: Models) -> None:
        self.holds, self.loaded = holds, loaded

    def available(self) -> int:
        """Return what is left."""
        return (self.holds - len(names(self.loaded))) * NEEDED


@pytest.fixture
def memory(settings: Callable[..., ServingSettings], monkeypatch: pytest.MonkeyPatch) -> Memory:
    """Return a multi-model server's models in a memory that holds three of them."""
    given = settings(SAGEMAKER_MULTI_MODEL="true")
    # No process for the one worker; it counts only in what a model needs.
    models = Models(replace(given, workers=0))
    models._settings = given
    memory = Memory(3, models)
    monkeypatch.setattr(machine, "memory_available", memory.available)
    return memory


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """Return a directory with the files of a model, as far as the server itself looks at them."""
    (tmp_path / "model-symbol.json").write_text("{}")
    (tmp_path / "model-0000.params").write_bytes(bytes(PARAMS_BYTES))
    (tmp_path / "model-shapes.json").write_text('[{"name": "data", "shape": [1, 3, 32, 32]}]')
    return str(tmp_path)


def names(models: Models) -> list[str]:
    """Return the names of all loaded models."""
    return [model.name for model in models.page("", 100)[0]]


def test_the_least_recently_used_goes_first(memory: Memory, directory: str) -> None:
    """When memory is short, the model goes that was not used for longest."""
    for name in "abc":
        memory.loaded.load(name, directory)
    memory.loaded.get("a", use=True)
    memory.loaded.get("b")
    memory.loaded.load("d", directory)
    assert names(memory.loaded) == ["a", "c", "d"]
    memory.loaded.load("e", directory)
    assert names(memory.loaded) == ["a", "d", "e"]


def test_no_memory(memory: Memory, directory: str) -> None:
    """A model that would not fit alone is refused, and the others stay."""
    memory.loaded.load("a", directory)
    memory.loaded.load("b", directory)
    Path(directory, "model-0000.params").write_bytes(bytes(3 * PARAMS_BYTES + 1))
    with pytest.raises(NoMemory, match="The model needs about"):
        memory.loaded.load("large", directory)
    assert names(memory.loaded) == ["a", "b"]


def test_pages(memory: Memory, directory: str) -> None:
    """Pages follow each other by their tokens, in the order of names; a strange token is the first page."""
    memory.holds = 10
    for name in "ebdac":
        memory.loaded.load(name, directory)
    first, token = memory.loaded.page("", 2)
    second, following = memory.loaded.page(token or "", 2)
    last, end = memory.loaded.page(following or "", 2)
    assert ["".join(model.name for model in page) for page in (first, second, last)] == ["ab", "cd", "e"]
    assert end is None
    assert memory.loaded.page("nonsense", 2) == (first, token)


def test_names(memory: Memory, directory: str) -> None:
    """A name is loaded once, found until it is unloaded, and not after."""
    memory.loaded.load("a/b", directory)
    assert memory.loaded.get("a/b").url == directory
    with pytest.raises(ModelLoaded):
        memory.loaded.load("a/b", directory)
    memory.loaded.unload("a/b")
    for ask in (memory.loaded.get, memory.loaded.unload):
        with pytest.raises(ModelNotFound, match="'a/b' is not loaded"):
            ask("a/b")


def test_a_directory_without_a_model(memory: Memory, tmp_path: Path) -> None:
    """What is no model is refused before anything is unloaded for it."""
    with pytest.raises(ClientError, match="Found: nothing"):
        memory.loaded.load("a", str(tmp_path))


def test_a_directory_that_cannot_be_read(memory: Memory, tmp_path: Path) -> None:
    """What the system refuses to open is an error that gives its reason, and nothing is loaded."""
    with pytest.raises(ContainerError, match="cannot be read.*name too long"):
        memory.loaded.load("a", str(tmp_path / ("x" * 300)))
    assert names(memory.loaded) == []


@pytest.mark.parametrize("token", ["9" * 5000, "\u0661", "-1", "1.5", "\ud800", "999999999"])
def test_strange_tokens(memory: Memory, directory: str, token: str) -> None:
    """No token makes anything but a page."""
    memory.loaded.load("a", directory)
    page, following = memory.loaded.page(token, 5)
    assert len(page) <= 1
    assert following is None
