"""Promise: a picture is taken in every form whose meaning is plain; otherwise the answer shows what to send."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from sagemaker_gluoncv_container.data import recordio
from sagemaker_gluoncv_container.data.recordio import ImageRecord
from support.model_server import Server

JSON_LINES = [
    f"application/{name}"
    for name in ("jsonlines", "x-jsonlines", "json-lines", "x-json-lines", "jsonl", "ndjson", "x-ndjson")
]
PICTURES = ["image/jpg", "Image/JPG; charset=binary", "image/pjpeg", "IMAGE/*", "binary/octet-stream", "text/plain"]


@pytest.fixture(scope="module")
def server(start: Callable[..., Server]) -> Server:
    """Return a server in real time."""
    return start(1, OMP_NUM_THREADS="1")


@pytest.fixture(scope="module")
def expected(server: Server, flower: bytes) -> list[float]:
    """Return the answer to the picture."""
    answer: list[float] = server.invoke(flower).json
    return answer


@pytest.fixture(scope="module")
def b64(flower: bytes) -> str:
    """Return the picture in base64."""
    return base64.b64encode(flower).decode()


def answered(server: Server, body: Any, content_type: str, **headers: str) -> Any:
    """Return the answer, read as JSON or as lines of it; the status must be 200."""
    reply = server.invoke(body, content_type, headers=headers)
    assert reply.status == 200, reply.body
    if "json" in reply.headers["Content-Type"] and reply.headers["Content-Type"] != "application/json":
        return [json.loads(line) for line in reply.body.splitlines()]
    return reply.json


@pytest.mark.parametrize("content_type", PICTURES)
def test_types_of_pictures(server: Server, flower: bytes, expected: list[float], content_type: str) -> None:
    """A picture's bytes are taken under each name that clients give them."""
    assert answered(server, flower, content_type) == expected


@pytest.mark.parametrize(
    "content_type", ["image/jpeg", "application/x-image", "text/plain", "application/octet-stream"]
)
def test_base64(server: Server, b64: str, flower: bytes, expected: list[float], content_type: str) -> None:
    """Base64 is taken in each of its forms, also as a data URI."""
    wrapped = base64.encodebytes(flower).decode()
    url_safe = base64.urlsafe_b64encode(flower).decode().rstrip("=")
    for text in (b64, wrapped, wrapped.replace("\n", "\r\n"), url_safe, f"data:image/jpeg;base64,{b64}", f'"{b64}"'):
        assert answered(server, text, content_type) == expected


@pytest.mark.parametrize("content_type", ["application/json", "Application/Json; charset=utf-8"])
def test_json(server: Server, b64: str, expected: list[float], content_type: str) -> None:
    """One JSON value: an object, a text, a list, or TensorFlow Serving's instances, each answered in its own form."""
    for value in ({"image": b64}, {"b64": b64}, {"image": {"b64": b64}}, {"image": f"data:;base64,{b64}"}, b64):
        assert answered(server, json.dumps(value), content_type) == expected
    assert answered(server, json.dumps([{"image": b64}, b64]), content_type) == [expected, expected]
    instances = json.dumps({"instances": [{"b64": b64}, {"b64": "%"}, {"image": {"b64": b64}}]}, indent=1)
    first, error, last = answered(server, instances, content_type)["predictions"]
    assert first == last == expected
    assert list(error) == ["error"]
    lines = answered(server, instances, content_type, Accept="application/jsonlines")
    assert [list(line) for line in lines] == [["prediction"], ["error"], ["prediction"]]


def test_options_of_json(server: Server, b64: str) -> None:
    """The options of an answer hold for every form of request."""
    named = {"Accept": "application/json;classes=true;top_k=1"}
    (best,) = answered(server, json.dumps({"image": b64}), "application/json", **named)
    body = json.dumps({"instances": [{"b64": b64}]})
    assert answered(server, body, "application/json", **named) == {"predictions": [[best]]}
    assert set(best) == {"label", "class", "probability"}


@pytest.mark.parametrize("content_type", JSON_LINES)
def test_names_of_json_lines(server: Server, b64: str, expected: list[float], content_type: str) -> None:
    """JSON Lines are taken under each of their names, and given under the one that Accept has."""
    line = json.dumps({"image": b64})
    assert answered(server, f"{line}\n{line}\n", content_type) == [{"prediction": expected}] * 2
    reply = server.invoke(line, content_type, headers={"Accept": content_type})
    assert (reply.status, reply.headers["Content-Type"]) == (200, content_type)


def test_a_deep_line(server: Server, b64: str, expected: list[float]) -> None:
    """A line nested beyond measure is an error in its place; the good lines around it are answered."""
    line = json.dumps({"image": b64})
    deep = ("[" * 100_000, '{"image":' * 100_000, '{"image": ' + "[" * 50_000 + "]" * 50_000 + "}")
    first, *errors, last = answered(server, "\n".join((line, *deep, line)), "application/jsonlines")
    assert first == last == {"prediction": expected}
    assert [list(each) for each in errors] == [["error"]] * len(deep)


def test_forms(server: Server, flower: bytes, expected: list[float]) -> None:
    """What `curl -F` and browsers send is taken: one file, whatever its field, name and type are."""
    url = f"http://127.0.0.1:{server.port}/invocations"
    for file in (("a.jpg", flower), ("a.jpg", flower, "image/jpeg"), ("\u00fc b.bin", flower, "text/csv"), flower):
        reply = requests.post(url, files={"anything": file}, data={"id": "7"}, timeout=60)
        assert (reply.status_code, reply.json()) == (200, expected)
    record = recordio.frame(recordio.pack(ImageRecord((1.0,), 0, flower)))
    reply = requests.post(url, files={"file": ("a.rec", record)}, timeout=60)
    assert json.loads(reply.text) == {"prediction": expected}
    reply = requests.post(url, files=[("file", ("a.jpg", flower)), ("file", ("b.jpg", b"no picture"))], timeout=60)
    assert [list(json.loads(line)) for line in reply.text.splitlines()] == [["prediction"], ["error"]]
    assert (
        requests.post(url, data={"image": base64.b64encode(flower)}, files={"none": b""}, timeout=60).json() == expected
    )


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"\xff\xd8\xff", "text/csv", 415),
        (b"\xff\xd8\xff", "application/x-www-form-urlencoded", 415),
        (b"\xff\xd8\xff", "application/x-npy", 415),
        (b"{}", "application/json", 415),
        (b'{"instances": [[0.1, 0.2]]}', "application/json", 200),
        (b'{"inputs": [[0.1, 0.2]]}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"no JSON", "application/json", 400),
        (b"no base64!", "text/plain", 400),
        (b"--b\r\n", "multipart/form-data; boundary=b", 400),
        (b"--b\r\n", "multipart/form-data", 400),
        (b"iVBORw0KGgo=", "image/png", 415),
    ],
)
def test_what_is_not_plain(server: Server, body: bytes, content_type: str, status: int) -> None:
    """Everything else is a client's mistake, and the answer says what to send."""
    reply = server.invoke(body, content_type)
    assert reply.status == status
    assert "error" in reply.body.decode()
    if status == 415 and content_type not in ("application/json", "image/png"):
        assert 'curl --data-binary @picture.jpg -H "Content-Type: application/x-image"' in reply.json["error"]
    assert not any("traceback" in line for line in server.log())
