"""serving.app: routes, statuses and bodies, with a real model behind them."""

import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from draw_pictures import draw
from flask.testing import FlaskClient

from sagemaker_gluoncv_container.artifact import Artifact
from sagemaker_gluoncv_container.serving import app as app_
from sagemaker_gluoncv_container.serving.predictor import Predictor

PICTURE = draw("bird", 0)
TYPE = "application/x-image"
_DEADLINE_SECONDS = 60


def ready(client: FlaskClient) -> FlaskClient:
    """Return the client once /ping answers 200."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while client.get("/ping").status_code != 200:
        assert time.monotonic() < deadline, "the model was not loaded in time"
        time.sleep(0.01)
    return client


@pytest.fixture(scope="module")
def client(base: Path) -> FlaskClient:
    """Return a client of an app whose model is loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAGEMAKER_BASE_DIR", str(base))
        return ready(app_.create_app().test_client())


@pytest.fixture(scope="module")
def batch_client(base: Path) -> FlaskClient:
    """Return a client of an app in batch transform."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAGEMAKER_BASE_DIR", str(base))
        patch.setenv("SAGEMAKER_BATCH", "true")
        return ready(app_.create_app().test_client())


def test_ping(client: FlaskClient) -> None:
    """A ping gets 200 and nothing else."""
    answer = client.get("/ping")
    assert (answer.status_code, answer.data) == (200, b"")


@pytest.mark.parametrize("content_type", [TYPE, "image/jpeg", "image/png", "IMAGE/JPEG", "image/jpeg; charset=binary"])
def test_invocation(client: FlaskClient, content_type: str) -> None:
    """A picture under each of the three types gets a bare array of probabilities."""
    answer = client.post("/invocations", data=PICTURE, content_type=content_type)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert len(answer.json) == 5
    assert sum(answer.json) == pytest.approx(1)


def test_answers_by_accept(client: FlaskClient, batch_client: FlaskClient) -> None:
    """Real time and batch transform give the same numbers, each in the built-in's body."""
    bare = client.post("/invocations", data=PICTURE, content_type=TYPE)
    wrapped = f'{{"prediction": {bare.text}}}'
    for each, accept, content_type, body in (
        (client, "application/json", "application/json", bare.text),
        (client, "application/jsonlines", "application/jsonlines", wrapped),
        (batch_client, None, "application/json", wrapped),
        (batch_client, "application/jsonlines", "application/jsonlines", wrapped),
    ):
        headers = {"Accept": accept} if accept else {}
        answer = each.post("/invocations", data=PICTURE, content_type=TYPE, headers=headers)
        assert (answer.status_code, answer.content_type, answer.text) == (200, content_type, body)


@pytest.mark.parametrize(
    ("data", "headers", "status", "message"),
    [
        (b"", {"Content-Type": TYPE}, 400, "the request has no body"),
        (b"no picture", {"Content-Type": TYPE}, 415, "10 bytes are not a whole picture"),
        (PICTURE[: len(PICTURE) // 2], {"Content-Type": "image/jpeg"}, 415, "are not a whole picture"),
        (PICTURE, {"Content-Type": "text/csv"}, 415, "Content-Type is text/csv"),
        (PICTURE, {}, 415, "there is no Content-Type"),
        (PICTURE, {"Content-Type": TYPE, "Accept": "text/csv"}, 406, "Accept is text/csv"),
    ],
    ids=["empty", "unreadable", "cut", "content type", "no content type", "accept"],
)
def test_refusal(client: FlaskClient, data: bytes, headers: dict[str, str], status: int, message: str) -> None:
    """A request that gets no answer gets a status and a message, as JSON."""
    answer = client.post("/invocations", data=data, headers=headers)
    assert (answer.status_code, answer.content_type) == (status, "application/json")
    assert list(answer.json) == ["error"]
    assert message in answer.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("POST", "/ping", 405), ("GET", "/invocations", 405)]
)
def test_other_paths_and_methods(client: FlaskClient, method: str, path: str, status: int) -> None:
    """Also what does not exist is said in JSON."""
    answer = client.open(path, method=method)
    assert (answer.status_code, list(answer.json)) == (status, ["error"])


def test_headers_are_judged_before_the_body(client: FlaskClient) -> None:
    """A wrong type or Accept is refused without a byte of the body being read."""

    class Watched(io.RawIOBase):
        def readinto(self, _: object) -> int:
            read.append(True)
            return 0

    read: list[bool] = []
    body = {"wsgi.input": Watched(), "CONTENT_LENGTH": "3"}
    for headers in ({"Content-Type": "text/csv"}, {"Content-Type": TYPE, "Accept": "text/csv"}):
        answer = client.post("/invocations", environ_overrides=body, headers=headers)
        assert answer.status_code in (406, 415)
    assert not read
    client.post("/invocations", environ_overrides=body, content_type=TYPE)
    assert read


class Held(Predictor):
    """A predictor that takes as long to load as the test wants."""

    release = threading.Event()

    def __init__(self, artifact: Artifact) -> None:
        assert self.release.wait(_DEADLINE_SECONDS)
        super().__init__(artifact)


@pytest.fixture
def loading(base: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    """Return a client of an app whose model is still being loaded."""
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(base))
    monkeypatch.setenv("SAGEMAKER_MODEL_SERVER_TIMEOUT", "1")
    monkeypatch.setattr(app_, "Predictor", Held)
    monkeypatch.setattr(Held, "release", threading.Event())
    client = app_.create_app().test_client()
    yield client
    Held.release.set()
    ready(client)


def test_ping_while_loading(loading: FlaskClient) -> None:
    """Until the model can answer, a ping is told so at once; then it gets 200."""
    answer = loading.get("/ping")
    assert (answer.status_code, answer.json) == (
        503,
        {"error": "the model is not loaded yet. Ask again in a second."},
    )
    Held.release.set()
    ready(loading)


def test_invocation_while_loading(loading: FlaskClient) -> None:
    """A picture waits for the model, but no longer than the timeout."""
    answer = loading.post("/invocations", data=PICTURE, content_type=TYPE)
    assert answer.status_code == 503
    threading.Timer(0.1, Held.release.set).start()
    assert loading.post("/invocations", data=PICTURE, content_type=TYPE).status_code == 200


def test_failure_of_ours(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody expects is 500, its reason in the log and not in the answer."""

    def fail(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(Predictor, "predict", fail)
    answer = client.post("/invocations", data=PICTURE, content_type=TYPE)
    assert answer.status_code == 500
    assert json.loads(answer.text) == {"error": "the server failed on this request; its log says why"}
    assert "RuntimeError: a secret" in caplog.text
