"""app: the routes, the answers to errors and the log line of a request, over one real worker."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from sagemaker_gluoncv_container.serving.http import app as module
from support.model_server import wait_until

HEADERS = {"X-Amzn-SageMaker-Custom-Attributes": "top_k=1", "X-Amzn-SageMaker-Inference-Id": "id-7"}


@pytest.fixture(scope="module")
def app(base: Path) -> Iterator[Flask]:
    """Return the app of a multi-model endpoint with one worker, and its model `a/b` loaded."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "SAGEMAKER_BASE_DIR": str(base),
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
            "SAGEMAKER_MULTI_MODEL": "true",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1",
        }.items():
            patch.setenv(name, value)
        app = module.create_app()
    client = app.test_client()
    wait_until(lambda: client.get("/ping").status_code == 200, 60, "the worker is ready")
    assert client.post("/models", json={"model_name": "a/b", "url": str(base / "model")}).status_code == 200
    yield app
    app.extensions["dispatcher"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a client of the app."""
    return app.test_client()


def picture() -> bytes:
    """Return a picture, as a PNG file."""
    buffer = io.BytesIO()
    Image.new("RGB", (48, 32), "red").save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture_is_answered(client: FlaskClient) -> None:
    """A model of a name with a slash answers with its probabilities, and headers come back as they were sent."""
    answer = client.post("/models/a/b/invoke", data=picture(), content_type="image/png", headers=HEADERS)
    assert answer.status_code == 200
    assert answer.json[0]["probability"] <= 1
    assert HEADERS.items() <= dict(answer.headers).items()


def test_platform_routes(client: FlaskClient) -> None:
    """A ping has an empty body; batch transform is told how to call; Prometheus gets our names."""
    ping = client.get("/ping")
    assert (ping.status_code, ping.data) == (200, b"")
    assert client.get("/execution-parameters").json == {
        "MaxConcurrentTransforms": 2,
        "BatchStrategy": "SINGLE_RECORD",
        "MaxPayloadInMB": 1,
    }
    assert "sagemaker_gluoncv_workers_ready 1.0" in client.get("/metrics").text


def test_models_are_listed(client: FlaskClient, base: Path) -> None:
    """Models are shown in the platform's words, alone and in pages."""
    shown = {"modelName": "a/b", "modelUrl": str(base / "model")}
    assert client.get("/models").json == {"models": [shown]}
    assert client.get("/models/a/b").json == shown
    assert client.get("/models?limit=x&next_page_token=y").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "error"),
    [
        ("get", "/nowhere", {}, 404, "not found"),
        ("put", "/ping", {}, 405, "not allowed"),
        ("get", "/models/none", {}, 404, "'none' is not loaded"),
        ("post", "/models/none/invoke", {"data": b"x"}, 404, "'none' is not loaded"),
        ("post", "/models", {"json": []}, 400, "."),
        ("post", "/models/a/b/invoke", {"data": bytes(2 << 20)}, 413, "over 1 MiB"),
        ("post", "/models/a/b/invoke", {"data": b"x", "content_type": "text/html"}, 415, "."),
        ("post", "/models/a/b/invoke", {"data": b"x", "headers": {"Accept": "text/html"}}, 406, "."),
    ],
)
def test_errors_are_json(
    client: FlaskClient, method: str, path: str, options: dict[str, object], status: int, error: str
) -> None:
    """Whoever refuses a request, the router or our own code, says why in JSON and with the right status."""
    options.setdefault("content_type", "image/png") if "data" in options else None
    answer = getattr(client, method)(path, **options)
    assert answer.status_code == status
    assert list(answer.json) == ["error"]
    assert error in answer.json["error"]


def test_a_failure_of_ours(app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody expected is a 500 that tells the client nothing of the code, and the log everything."""

    def broken() -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setitem(app.view_functions, "execution_parameters", broken)
    answer = app.test_client().get("/execution-parameters")
    assert answer.status_code == 500
    assert answer.json == {"error": "The server failed on this request. Its log says why."}
    assert "ZeroDivisionError: secret" in caplog.text


def test_the_log_line(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """A request leaves one line with its id, status and times; a ping leaves none."""
    caplog.set_level(logging.INFO)
    client.get("/ping")
    assert not caplog.records
    client.post("/models/a/b/invoke", data=picture(), content_type="image/png", headers=HEADERS)
    (record,) = [each for each in caplog.records if hasattr(each, "fields")]
    fields = record.fields
    assert record.message == "POST /models/a/b/invoke"
    assert (fields["request_id"], fields["model"], fields["status"], fields["bytes"]) == (
        "id-7",
        "a/b",
        200,
        len(picture()),
    )
    assert 0 < fields["compute_ms"] < fields["ms"]


def test_no_worker(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """While no worker can answer, a ping says so with 503 and when to ask again."""
    monkeypatch.setattr(type(app.extensions["dispatcher"]), "ready", False)
    answer = app.test_client().get("/ping")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json["error"].startswith("No worker can answer yet.")
