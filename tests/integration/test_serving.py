"""A model server, as the platform starts it and over HTTP."""

import json
import re
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from draw_pictures import draw

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.inference.predictor import Predictor

StartServer = Callable[..., Any]
Pictures = list[tuple[int, bytes]]
PICTURE = draw("plane", 77)
TYPE = "application/x-image"


def invoke(server: Any, data: Any, content_type: str | None = TYPE, **headers: str) -> requests.Response:
    """Return the answer to an invocation."""
    sent = {**({"Content-Type": content_type} if content_type else {}), **headers}
    return requests.post(f"{server.url}/invocations", data, headers=sent, timeout=60)


def test_ping(server: Any) -> None:
    """A ping gets 200 and an empty body within the platform's two seconds."""
    answer = requests.get(f"{server.url}/ping", timeout=2)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("content_type", ["application/x-image", "image/jpeg", "image/png"])
def test_content_types(server: Any, trained: Any, content_type: str) -> None:
    """Under each of the three types the answer is the predictor's, to the last digit."""
    answer = invoke(server, PICTURE, content_type)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    predictor = Predictor(artifact.load(trained.base / "model"), threads=1)
    assert answer.json() == pytest.approx(predictor.predict([PICTURE]).results[0].tolist(), abs=1e-6)


def test_accepts(server: Any) -> None:
    """JSON is a bare array, JSON Lines an object, and what cannot be given is 406."""
    bare = invoke(server, PICTURE, Accept="application/json")
    lines = invoke(server, PICTURE, Accept="application/jsonlines")
    refused = invoke(server, PICTURE, Accept="text/csv")
    assert lines.headers["Content-Type"] == "application/jsonlines"
    assert lines.text == f'{{"prediction": {bare.text}}}'
    assert (refused.status_code, list(refused.json())) == (406, ["error"])


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [(b"", TYPE, 400), (b"no picture", TYPE, 415), (PICTURE[:1000], TYPE, 415), (PICTURE, "text/csv", 415)],
    ids=["empty", "no picture", "cut", "content type"],
)
def test_errors(server: Any, data: bytes, content_type: str, status: int) -> None:
    """A request that cannot be answered gets a status and a reason, as JSON, and the server goes on."""
    answer = invoke(server, data, content_type)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
    assert list(answer.json()) == ["error"]
    assert invoke(server, PICTURE).status_code == 200


def test_unknown_path(server: Any) -> None:
    """Also a path that does not exist is answered in JSON."""
    answer = requests.get(f"{server.url}/models", timeout=10)
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_chunked_body(server: Any) -> None:
    """A body of unannounced length, as batch transform sends when its payload limit is 0, is read whole."""

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(PICTURE), 500):
            yield PICTURE[start : start + 500]

    assert invoke(server, chunks()).json() == invoke(server, PICTURE).json()


def test_large_body(server: Any) -> None:
    """A picture of 6 MB, the least that endpoints must take, is taken: here one with a long comment."""
    comment = b"\xff\xfe" + (65_535).to_bytes(2, "big") + bytes(65_533)
    assert invoke(server, PICTURE[:2] + comment * 95 + PICTURE[2:]).json() == invoke(server, PICTURE).json()


def test_connection_is_kept(server: Any) -> None:
    """Several requests go over one connection, after an error too."""
    with requests.Session() as session:
        for data in (PICTURE, b"no picture", PICTURE):
            answer = session.post(f"{server.url}/invocations", data, headers={"Content-Type": TYPE}, timeout=60)
            assert answer.headers.get("Connection") == "keep-alive"


def test_validation_accuracy_over_http(server: Any, trained: Any, validation_pictures: Pictures) -> None:
    """The accuracy that clients measure is the one that the job logged, exactly: 37 pictures, each counted once."""
    (figure,) = re.findall(r"Kept the model of epoch \d+\. Its validation accuracy is ([0-9.]+)", trained.log)
    answers = [invoke(server, data).json() for _, data in validation_pictures]
    right = sum(
        answer.index(max(answer)) == label for answer, (label, _) in zip(answers, validation_pictures, strict=True)
    )
    assert len(validation_pictures) == 37
    assert f"{right / 37:f}" == figure


def test_requests_at_the_same_time(server: Any, validation_pictures: Pictures) -> None:
    """Answers do not get mixed up, and pings are answered in time meanwhile."""
    data = [each for _, each in validation_pictures[:12]]
    expected = [invoke(server, each).json() for each in data]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda each: invoke(server, each).json(), data * 4)
        pings = [requests.get(f"{server.url}/ping", timeout=2).status_code for _ in range(5)]
        # Another batch size adds up in another order.
        assert list(found) == [pytest.approx(each, abs=1e-6) for each in expected * 4]
    assert pings == [200] * 5


def test_broken_connections(server: Any) -> None:
    """Clients that say nothing, nonsense or half a request, and leave, do no harm."""
    host, port = server.url.removeprefix("http://").split(":")
    for data in (b"", b"\0\1\2\r\n\r\n", b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nhalf"):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(data)
    assert invoke(server, PICTURE).status_code == 200
    assert "Traceback" not in server.output


def test_batch_transform_and_stop(trained: Any, tmp_path: Path, start_server: StartServer) -> None:
    """In batch transform an answer is an object; and SIGTERM ends the server and its workers well."""
    with start_server(
        trained.base, tmp_path / "log", SAGEMAKER_BATCH="true", SAGEMAKER_MODEL_SERVER_WORKERS="2"
    ) as server:
        server.wait_until_ready()
        answer = invoke(server, PICTURE)
        assert list(json.loads(answer.text)) == ["prediction"]
        workers = psutil.Process(server.process.pid).children(recursive=True)
        # The front, which speaks HTTP, and two that compute.
        assert len(workers) == 3
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert not any(worker.is_running() for worker in workers)
        assert "Traceback" not in server.output


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, "ClientError: {base}/model holds no model. Found: nothing. Expected: "),
        (
            {"SAGEMAKER_MODEL_SERVER_WORKERS": "0", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "soon"},
            "ClientError: 2 faults. (1) SAGEMAKER_MODEL_SERVER_WORKERS is '0'",
        ),
    ],
    ids=["no model", "wrong settings"],
)
def test_refusal_to_start(tmp_path: Path, start_server: StartServer, variables: dict[str, str], reason: str) -> None:
    """A server that cannot serve ends with 2 before it listens, and says why."""
    (tmp_path / "model").mkdir()
    with start_server(tmp_path, tmp_path / "log", **variables) as server:
        assert server.process.wait(60) == 2
        assert reason.format(base=tmp_path) in server.output
        assert "Traceback" not in server.output


def test_weights_that_cannot_be_loaded(trained: Any, tmp_path: Path, start_server: StartServer) -> None:
    """A model that looks right and is broken ends the server, instead of workers dying for ever."""
    model = tmp_path / "model"
    model.mkdir()
    for path in (trained.base / "model").iterdir():
        content = path.read_bytes()
        (model / path.name).write_bytes(content[: len(content) // 2] if path.suffix == ".params" else content)
    with start_server(tmp_path, tmp_path / "log") as server:
        assert server.process.wait(60) not in (0, None)
        assert f"{next(model.glob('*.params'))} cannot be loaded" in server.output
        assert "Traceback" not in server.output
