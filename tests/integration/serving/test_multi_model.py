"""Promise: the whole /models API, with names as opaque as the platform's, and memory that is free after DELETE."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from support.model_server import Reply, Server, write_model
from support.processes import wait_until

NAMES = ("plain", "a/b", "a//b", "café & co?#.tar.gz", "100%/ü +")
# 12 MB of parameters in 5 layers of 2.4: five such models take as much as the server does without.
LARGE = {"side": 8, "channels": 512, "layers": 5}
GROWTH = 1.1


@pytest.fixture(scope="module")
def server(start: Callable[..., Server]) -> Server:
    """Return a multi-model server with two workers, so that each model is in both."""
    return start(2, SAGEMAKER_MULTI_MODEL="true", OMP_NUM_THREADS="1")


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a model directory for each name; each model answers with another number of classes."""
    root = tmp_path_factory.mktemp("models")
    names = [f"class {number}" for number in range(20)]
    return {name: write_model(root / str(number), tuple(names[: number + 2])) for number, name in enumerate(NAMES)}


def path_of(name: str, rest: str = "") -> str:
    """Return the path of a model, its name encoded as the platform does."""
    return f"/models/{quote(name, safe='')}{rest}"


def load(server: Server, name: str, directory: Path) -> Reply:
    """Load a model."""
    body = json.dumps({"model_name": name, "url": str(directory)})
    return server.ask("POST", "/models", body, {"Content-Type": "application/json"})


def names_of(reply: Reply) -> list[str]:
    """Return the names in a list of models."""
    return [model["modelName"] for model in reply.json["models"]]


@pytest.fixture
def loaded(server: Server, directories: dict[str, Path]) -> dict[str, Path]:
    """Load all five; unload what is left of them afterwards."""
    for name, directory in directories.items():
        assert load(server, name, directory).status == 200
    return directories


@pytest.fixture(autouse=True)
def empty(server: Server) -> Iterator[None]:
    """Leave no model loaded."""
    yield
    for name in names_of(server.ask("GET", "/models")):
        assert server.ask("DELETE", path_of(name)).status == 200


def test_memory(server: Server, tmp_path: Path, flower: bytes) -> None:
    """Five models loaded, invoked and deleted: the server's processes together are back within 10 % of the start."""
    directories = {f"large {number}": write_model(tmp_path / str(number), **LARGE) for number in range(5)}
    before = server.resident_bytes()
    for name, directory in directories.items():
        assert load(server, name, directory).status == 200
    for name in directories:
        for _ in range(8):
            assert server.invoke(flower, path=path_of(name, "/invoke")).status == 200
    full = server.resident_bytes()
    for name in directories:
        assert server.ask("DELETE", path_of(name)).status == 200
    after = server.resident_bytes()
    assert full > 1.5 * before
    assert after < GROWTH * before


def test_ping_of_an_empty_server(server: Server) -> None:
    """With no model loaded the server is healthy, and lists none."""
    assert server.ping() == 200
    assert server.ask("GET", "/models").json == {"models": []}


def test_invoke(server: Server, loaded: dict[str, Path], flower: bytes) -> None:
    """Each name reaches its own model, whatever characters it holds."""
    for number, name in enumerate(loaded):
        reply = server.invoke(flower, path=path_of(name, "/invoke"))
        assert reply.status == 200
        assert len(reply.json) == number + 2
    assert server.metrics()["models_loaded"] == len(loaded)


def test_list_and_pages(server: Server, loaded: dict[str, Path]) -> None:
    """GET /models lists all, or page by page up to `limit`, each once."""
    everything = server.ask("GET", "/models")
    assert {model["modelName"]: model["modelUrl"] for model in everything.json["models"]} == {
        name: str(directory) for name, directory in loaded.items()
    }
    assert "nextPageToken" not in everything.json
    listed, token, pages = [], "", 0
    while token or not pages:
        page = server.ask("GET", f"/models?limit=2&next_page_token={token}")
        listed += names_of(page)
        token, pages = page.json.get("nextPageToken", ""), pages + 1
    assert pages == 3
    assert sorted(listed) == sorted(loaded)


def test_show(server: Server, loaded: dict[str, Path]) -> None:
    """GET /models/{name} shows name and directory."""
    for name, directory in loaded.items():
        assert server.ask("GET", path_of(name)).json == {"modelName": name, "modelUrl": str(directory)}


def test_loading_twice(server: Server, loaded: dict[str, Path]) -> None:
    """A name that is loaded cannot be loaded again: 409."""
    assert load(server, "a/b", loaded["plain"]).status == 409


@pytest.mark.parametrize("name", ["unknown", "a/b/c", "unknown/invoke"])
def test_unknown(server: Server, flower: bytes, name: str) -> None:
    """A name that is not loaded is 404, to show, to invoke, to delete."""
    assert server.ask("GET", path_of(name)).status == 404
    assert server.ask("DELETE", path_of(name)).status == 404
    assert server.invoke(flower, path=path_of(name, "/invoke")).status == 404


def test_delete(server: Server, loaded: dict[str, Path], flower: bytes) -> None:
    """A deleted model is gone, the others answer, and its name can be loaded again."""
    assert server.ask("DELETE", path_of("a/b")).status == 200
    assert server.ask("GET", path_of("a/b")).status == 404
    assert server.invoke(flower, path=path_of("a/b", "/invoke")).status == 404
    assert server.invoke(flower, path=path_of("a//b", "/invoke")).status == 200
    assert load(server, "a/b", loaded["a/b"]).status == 200


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"model_name": "a"}', '{"url": "/tmp"}', "no JSON"])
def test_a_wrong_body(server: Server, body: str) -> None:
    """POST /models without name and url is 400, and says what to send."""
    reply = server.ask("POST", "/models", body, {"Content-Type": "application/json"})
    assert reply.status == 400
    assert "model_name" in reply.json["error"]


def test_a_directory_without_a_model(server: Server, tmp_path: Path) -> None:
    """A directory that holds no model is a 500 that says what was found and expected; the server goes on."""
    reply = load(server, "none", tmp_path)
    assert reply.status == 500
    assert "Found: nothing. Expected:" in reply.json["error"]
    assert server.ping() == 200


def test_a_model_that_cannot_be_loaded(server: Server, directories: dict[str, Path], tmp_path: Path) -> None:
    """Files that are no model are a 500 with the reason, and no worker is lost."""
    for file in directories["plain"].iterdir():
        (tmp_path / file.name).write_bytes(b"nonsense" if file.suffix == ".params" else file.read_bytes())
    reply = load(server, "broken", tmp_path)
    assert reply.status == 500
    assert "cannot be loaded" in reply.json["error"]
    assert server.metrics()["workers_lost_total"] == 0
    assert server.ask("GET", path_of("broken")).status == 404


def test_one_that_does_not_fit(server: Server, loaded: dict[str, Path], tmp_path: Path) -> None:
    """A model that no memory could hold is 507, and none of the others is unloaded for it."""
    for file in loaded["plain"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with next(tmp_path.glob("*.params")).open("r+b") as params:
        # A hole: it takes no room on the disk.
        params.truncate(1 << 40)
    reply = load(server, "huge", tmp_path)
    assert reply.status == 507
    assert "Use an instance with more memory" in reply.json["error"]
    assert sorted(names_of(server.ask("GET", "/models"))) == sorted(loaded)


def test_a_lost_worker_has_its_models_back(server: Server, loaded: dict[str, Path], flower: bytes) -> None:
    """A worker that takes the place of a lost one holds the loaded models before it is called ready."""
    lost = server.metrics()["workers_lost_total"]
    for pid in server.worker_pids():
        os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: (found := server.metrics())["workers_lost_total"] == lost + 2 and found["workers_ready"] == 2,
        30,
        "both workers are replaced",
    )
    for name in loaded:
        assert server.invoke(flower, path=path_of(name, "/invoke")).status == 200
