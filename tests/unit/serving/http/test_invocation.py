"""invocation: from a request to its answer. The workers are played by a thread that takes from the real queue."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from sagemaker_gluoncv_container.artifact import Artifact, Description
from sagemaker_gluoncv_container.data import recordio
from sagemaker_gluoncv_container.data.recordio import ImageRecord
from sagemaker_gluoncv_container.errors import (
    BadRequest,
    ContainerError,
    ModelNotFound,
    NotAcceptable,
    Overloaded,
    TimeIsOver,
    UnreadablePicture,
    UnsupportedContent,
    WorkerLost,
)
from sagemaker_gluoncv_container.images import Preprocessing
from sagemaker_gluoncv_container.serving.http.connection import Connection, Patience
from sagemaker_gluoncv_container.serving.http.invocation import ATTRIBUTES, Invocations
from sagemaker_gluoncv_container.serving.settings import ServingSettings
from sagemaker_gluoncv_container.serving.workers.queue import Answer, TaskQueue
from sagemaker_gluoncv_container.serving.workers.registry import Model, Registry
from support.model_server import wait_until

ARTIFACT = Artifact(Path("symbol"), Path("params"), Description(1, 2, Preprocessing(8, 8, 9), ("cat", "dog")))
PICTURE = b"\xff\xd8\xff picture"


class Rig:
    """Invocations of one model, and a worker of the test's that answers what it is told."""

    def __init__(self, settings: ServingSettings) -> None:
        self.queue = TaskQueue(settings.queue_size, settings.batch_size, settings.workers)
        self.registry = Registry(1, self.queue.wake)
        self.registry.put(Model("", "/model", ARTIFACT, 1))
        models = SimpleNamespace(get=self.registry.get, dispatcher=SimpleNamespace(queue=self.queue))
        self.invocations = Invocations(settings, models)  # type: ignore[arg-type]
        self.most_waiting = 0
        self.closing = threading.Event()
        self.worker = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        while not self.closing.is_set():
            self.most_waiting = max(self.most_waiting, len(self.queue._waiting))
            if batch := self.queue.take(0.05, self.closing.is_set):
                for task in batch.tasks:
                    self._answer(task.picture, task.answer)
                self.queue.done()

    def _answer(self, picture: bytes, answer: Any) -> None:
        if picture.startswith(b"bad"):
            answer.set_exception(UnreadablePicture("It is bad"))
        elif picture.startswith(b"lost"):
            answer.set_exception(WorkerLost("It is lost"))
        else:
            share = np.float32(picture[-1] / 256)
            answer.set_result(Answer(np.array([share, 1 - share], np.float32), 0.001, 0.002, 0.003, 1))

    def ask(self, body: bytes = PICTURE, kind: str = "image/jpeg", name: str = "", **headers: str) -> Any:
        """Send a request; return its answer read as JSON, or as a list of lines."""
        environ = EnvironBuilder(method="POST", data=body, content_type=kind, headers=headers).get_environ()
        if "Transfer-Encoding" in headers:
            environ = {**environ, "CONTENT_LENGTH": "", "wsgi.input_terminated": True}
        self.note: dict[str, object] = {}
        response = self.invocations.answer(Request(environ), name, self.note)
        text = response.get_data(as_text=True)
        is_lines = response.content_type == "application/jsonlines"
        return [json.loads(line) for line in text.split("\n")] if is_lines else json.loads(text)


@pytest.fixture
def start(settings: Callable[..., ServingSettings]) -> Iterator[Callable[..., Rig]]:
    """Return a function that makes a rig with settings, its worker at work unless it is told not to be."""
    rigs: list[Rig] = []

    def made(works: bool = True, **changes: Any) -> Rig:
        rig = Rig(replace(settings(), workers=1, batch_size=2, **changes))
        rigs.append(rig)
        if works:
            rig.worker.start()
        return rig

    yield made
    for rig in rigs:
        rig.closing.set()
        if rig.worker.ident:
            rig.worker.join(10)


def records(*pictures: bytes) -> bytes:
    """Return pictures as a .rec file."""
    return b"".join(recordio.frame(recordio.pack(ImageRecord((0.0,), n, each))) for n, each in enumerate(pictures))


def test_one_picture(start: Callable[..., Rig]) -> None:
    """The answer is the built-in's array; what the log should say is noted."""
    rig = start()
    assert rig.ask(PICTURE + bytes([64])) == [0.25, 0.75]
    expected = {"bytes": len(PICTURE) + 1, "batch": 1, "queue_ms": 1.0, "decode_ms": 2.0, "compute_ms": 3.0}
    assert rig.note == expected


def test_what_is_asked_of_the_answer(start: Callable[..., Rig]) -> None:
    """Accept, the default Accept, Custom-Attributes and the model's class names shape the answer."""
    best = [{"label": 1, "class": "dog", "probability": 0.75}]
    picture = PICTURE + bytes([64])
    assert start().ask(picture, Accept="application/json;classes=true;top_k=1") == best
    assert start().ask(picture, **{ATTRIBUTES: "classes=true,top_k=1"}) == best
    lines = start(default_accept="application/jsonlines")
    assert lines.ask(picture) == lines.ask(picture, Accept=" ") == [{"prediction": [0.25, 0.75]}]
    assert lines.ask(picture, Accept="application/json") == [0.25, 0.75]
    assert start(batch_transform=True).ask(picture) == {"prediction": [0.25, 0.75]}


def test_many_pictures(start: Callable[..., Rig]) -> None:
    """Many are answered in order, a bad one in its place, and never more than a few of them wait."""
    rig = start()
    pictures = [b"bad" if number == 7 else b"picture" + bytes([number]) for number in range(100)]
    answers = rig.ask(records(*pictures), "application/x-recordio")
    assert len(answers) == 100
    assert answers[7] == {"error": "It is bad."}
    assert all(answers[n]["prediction"][0] == pytest.approx(n / 256) for n in range(100) if n != 7)
    assert 0 < rig.most_waiting <= 4


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (BadRequest, {"body": b""}),
        (UnsupportedContent, {"kind": "text/csv"}),
        (NotAcceptable, {"Accept": "text/csv"}),
        (BadRequest, {"Accept": "application/json;top_k=0"}),
        (ModelNotFound, {"name": "other"}),
    ],
)
def test_refused_before_anything_is_computed(
    start: Callable[..., Rig], error: type[ContainerError], arguments: dict[str, Any]
) -> None:
    """What cannot be answered never reaches the queue."""
    rig = start(works=False, max_payload=200)
    with pytest.raises(error):
        rig.ask(**arguments)
    assert not rig.queue._waiting


@pytest.mark.parametrize(("picture", "error"), [(b"bad", UnreadablePicture), (b"lost", WorkerLost)])
def test_errors(start: Callable[..., Rig], picture: bytes, error: type[ContainerError]) -> None:
    """The error of the only picture is the request's; a lost worker is the request's error also among many."""
    with pytest.raises(error):
        start().ask(picture)
    if error is WorkerLost:
        with pytest.raises(error):
            start().ask(records(b"picture", picture), "application/x-recordio")


def test_a_full_queue(start: Callable[..., Rig]) -> None:
    """A request that finds no room is refused at once; one that has begun waits for room."""
    rig = start(works=False, queue_size=1)
    waiting = threading.Thread(target=rig.ask, daemon=True)
    waiting.start()
    wait_until(lambda: rig.queue._waiting, 5, "one waits")
    began = time.monotonic()
    with pytest.raises(Overloaded):
        rig.ask()
    assert time.monotonic() < began + 1
    rig.worker.start()
    waiting.join(5)
    pictures = [b"picture" + bytes([number]) for number in range(20)]
    assert len(rig.ask(records(*pictures), "application/x-recordio")) == 20


def test_the_time_is_over(start: Callable[..., Rig]) -> None:
    """A picture that no worker takes in time is refused."""
    began = time.monotonic()
    with pytest.raises(TimeIsOver, match="not ready in time"):
        start(works=False, timeout_seconds=0.1).ask()
    assert 0.1 <= time.monotonic() - began < 5


def test_a_client_that_has_gone(start: Callable[..., Rig]) -> None:
    """The picture of a client that closed its connection is not computed."""
    rig = start()
    server, client = socket.socketpair()
    client.close()
    environ = EnvironBuilder(method="POST", data=PICTURE, content_type="image/png").get_environ()
    with server, pytest.raises(TimeIsOver, match="has gone"):
        rig.invocations.answer(Request({**environ, "gunicorn.socket": Connection(server, Patience(1, 1, 1))}), "", {})
