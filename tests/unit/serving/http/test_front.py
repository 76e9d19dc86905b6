"""front: connections that wait, that are slow, too large, too many or not HTTP, over an app that computes nothing."""

import hashlib
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from support import raw_http
from support.processes import ROOT, Process, environment, free_port, wait_until
from support.raw_http import Answer, SlowConnections, ask, chunked, connect, post, read

PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\n"
HEADER_SECONDS = 2
LIMIT = 2 << 20


class Front:
    """The front with the plain app, and what it logs."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.port = free_port()
        given = {
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "SAGEMAKER_GLUONCV_HEADER_TIMEOUT": str(HEADER_SECONDS),
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(LIMIT >> 20),
            "PYTHONPATH": f"{ROOT / 'tests'}:{os.environ.get('PYTHONPATH', '')}",
            **variables,
        }
        config = str(ROOT / "serve" / "gunicorn.conf.py")
        command = [sys.executable, "-m", "gunicorn", "--config", config, "support.plain_app:app"]
        self.process = Process(command, folder / "log", environment(folder, **given))
        wait_until(self.pings, 60, lambda: self.process.output)

    def pings(self) -> bool:
        """Return whether it answers."""
        try:
            return ask(self.port, PING).status == 200
        except OSError:
            return False

    def log(self) -> list[dict[str, Any]]:
        """Return the log's lines; each must be JSON."""
        return [json.loads(line) for line in self.process.output.splitlines()]

    def worker(self) -> psutil.Process:
        """Return the process that serves."""
        return psutil.Process(self.process.process.pid).children()[0]

    def end(self) -> None:
        """End it, and fail if it does not end by itself."""
        if self.process.process.poll() is None:
            self.process.process.send_signal(signal.SIGTERM)
        assert self.process.process.wait(25) == 0, self.process.output


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Return a front that all tests here share."""
    front = Front(tmp_path_factory.mktemp("front"))
    yield front
    front.end()


def answered(body: bytes) -> dict[str, object]:
    """Return what the app says of a body."""
    return {"length": len(body), "digest": hashlib.sha256(body).hexdigest()}


@pytest.mark.parametrize("size", [0, 1, 8191, 100_000, LIMIT])
def test_bodies_come_whole(front: Front, size: int) -> None:
    """A body arrives as it was sent, with a length and in chunks."""
    body = os.urandom(size)
    pieces = [body[start : start + 30_000] for start in range(0, size, 30_000)]
    assert json.loads(ask(front.port, post(body)).body) == answered(body)
    assert json.loads(ask(front.port, chunked(*pieces)).body) == answered(body)


def test_a_connection_is_kept(front: Front) -> None:
    """Requests follow each other on one connection, also when they come at once."""
    with connect(front.port) as connection:
        for body in (b"one", b"two"):
            connection.sendall(post(body))
            assert json.loads(read(connection).body) == answered(body)
        connection.sendall(PING + b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n")
        data = b"".join(iter(lambda: connection.recv(1000), b""))
    assert data.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize(
    ("request_bytes", "status", "text"),
    [
        (b"nonsense\r\n\r\n", 400, "request line"),
        (b"GET\x00 / HTTP/1.1\r\n\r\n", 400, "."),
        (b"G{T / HTTP/1.1\r\n\r\n", 400, "method"),
        (b"GET / HTTP/9.9\r\n\r\n", 505, "HTTP version"),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", 414, "too long"),
        (PING[:-2] + b"".join(b"X-%d: 1\r\n" % number for number in range(200)) + b"\r\n", 431, "headers"),
        (PING[:-2] + b"X: " + b"a" * 20_000 + b"\r\n\r\n", 431, "headers"),
        (PING[:-2] + b"no colon\r\n\r\n", 400, "header"),
        (PING[:-2] + b"bad name: 1\r\n\r\n", 400, "header's name"),
        (PING[:-2] + b"A: 1\r\n folded\r\n\r\n", 400, "several lines"),
        (HEAD + b"Expect: magic\r\nContent-Length: 1\r\n\r\nx", 417, "Expect"),
        (HEAD + b"Transfer-Encoding: magic\r\n\r\n", 501, "Transfer-Encoding"),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 400, "header"),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400, "twice"),
        (HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx", 400, "header"),
        (HEAD + b"Content-Length: -5\r\n\r\n", 400, "CONTENT-LENGTH"),
        (HEAD + b"Content-Length: zz\r\n\r\n", 400, "CONTENT-LENGTH"),
        *(
            (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk, 400, "chunk")
            for chunk in (
                b"zz\r\n",
                b"-5\r\nabc",
                b"\r\n",
                b" \r\n",
                b"0x5\r\nabcde\r\n",
                b"3\r\nabcdef\r\n",
                b"3;=;\r\nabc",
            )
        ),
        (HEAD + b"Content-Length: 99999999\r\n\r\n", 413, "over 2 MiB"),
        (HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n", 413, "over 2 MiB"),
        (chunked(*[bytes(1 << 20)] * 3), 413, "over 2 MiB"),
        (post(bytes(LIMIT + 1), path="/nowhere"), 404, "not found"),
        (post(bytes(LIMIT + 1), path="/ping"), 405, "not allowed"),
    ],
)
def test_refusals(front: Front, request_bytes: bytes, status: int, text: str) -> None:
    """Whatever is wrong with a request, the answer is JSON with the right status, and the log has no traceback."""
    answer = ask(front.port, request_bytes)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert answer.headers["connection"] == "close"
    assert text in answer.error
    assert answer.error[0].isupper()
    assert answer.error.endswith(".")
    assert front.pings()
    assert not [line for line in front.log() if "traceback" in line or line["level"] != "INFO"]
    assert any(line.get("status") == status and line.get("error") == answer.error for line in front.log())


def test_a_body_that_ends_early(front: Front) -> None:
    """A client that closes its side in the middle of its body is told so."""
    with connect(front.port) as connection:
        connection.sendall(HEAD + b"Content-Length: 10\r\n\r\nabc")
        connection.shutdown(socket.SHUT_WR)
        answer = read(connection)
    assert answer.status == 400
    assert "ended too early" in answer.error


@pytest.mark.parametrize(
    ("length", "statuses"), [(b"10", [100, 200]), (b"99999999", [413])], ids=["in the limit", "over it"]
)
def test_expectations(front: Front, length: bytes, statuses: list[int]) -> None:
    """A client that waits for a 100 gets one if its body will be read, and else the refusal alone."""
    seen = []
    with connect(front.port) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: " + length + b"\r\n\r\n")
        seen.append(read(connection).status)
        if seen == [100]:
            connection.sendall(b"0123456789")
            seen.append(read(connection).status)
    assert seen == statuses


def test_an_upload_that_is_too_large_is_refused_while_it_is_sent(front: Front) -> None:
    """A client that sends everything before it looks reads the answer, not a reset connection."""
    connection = HTTPConnection("127.0.0.1", front.port, timeout=60)
    connection.request("POST", "/invocations", bytes(30 << 20))
    answer = connection.getresponse()
    assert answer.status == 413
    assert "2 MiB" in json.loads(answer.read())["error"]
    connection.close()


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (b"GET /pi", "headers did not come"),
        (PING[:-2], "headers did not come"),
        (HEAD + b"Content-Length: 1000\r\n\r\nabc", "The body came at less than"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", "The body came at less than"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", "The body came at less than"),
    ],
)
def test_deadlines(front: Front, start: bytes, text: str) -> None:
    """A request that does not come on in time is ended with 408 and why, and not before its time."""
    began = time.monotonic()
    answer = ask(front.port, start)
    assert answer.status == 408
    assert text in answer.error
    assert HEADER_SECONDS - 0.5 < time.monotonic() - began < HEADER_SECONDS + 5


def test_trickling_buys_no_time(front: Front) -> None:
    """A byte now and then does not extend the deadline, in headers or in a body."""
    starts = [b"GET /ping HTTP/1.1\r\nX: ", HEAD + b"Content-Length: 100000\r\n\r\n"]
    with SlowConnections(front.port, 4, starts) as slow:
        seen: list[int] = []

        def ended() -> bool:
            slow.trickle()
            seen.extend(slow.statuses())
            return len(seen) == 4

        wait_until(ended, HEADER_SECONDS + 10, "all are ended")
    assert set(seen) == {408}


def test_a_slow_but_steady_upload(front: Front) -> None:
    """An upload that takes longer than the deadline, but keeps the rate, is answered."""
    body = bytes(40_000)
    pieces = [body[start : start + 4000] for start in range(0, len(body), 4000)]
    head, whole = post(body)[: -len(body)], b"".join(pieces)
    assert json.loads(ask(front.port, head, *pieces, pause=0.3).body) == answered(whole)


def test_pings_beside_many_slow_connections(front: Front) -> None:
    """2,000 unfinished requests hold no thread, and pings come through."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    threads = front.worker().num_threads()
    starts = [b"GET /ping HTTP/1.1\r\nX: ", HEAD + b"Content-Length: 1000\r\n\r\nabc", b""]
    try:
        with SlowConnections(front.port, 2000, starts) as slow:
            waits = []
            for _ in range(20):
                slow.trickle()
                began = time.monotonic()
                assert ask(front.port, PING).status == 200
                waits.append(time.monotonic() - began)
            assert front.worker().num_threads() == threads < 10
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
    assert sorted(waits)[len(waits) // 2] < 0.2


def test_too_many_connections(tmp_path: Path) -> None:
    """At the limit the connection that waits the longest makes room; if all are busy, the new one is told so."""
    front = Front(tmp_path, SAGEMAKER_GLUONCV_MAX_CONNECTIONS="16", SAGEMAKER_GLUONCV_HEADER_TIMEOUT="60")
    try:
        with SlowConnections(front.port, 40, [b"GET /ping HTTP/1.1\r\n"]):
            assert ask(front.port, PING).status == 200
        busy = [connect(front.port) for _ in range(16)]
        for each in busy:
            each.sendall(post(b"x", path="/invocations?wait=3"))
        time.sleep(0.5)
        answer = ask(front.port, PING)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "16 connections already" in answer.error
        assert [read(each).status for each in busy] == [200] * 16
        for each in busy:
            each.close()
    finally:
        front.end()


def test_lines_come_as_they_are_ready(front: Front) -> None:
    """An answer in parts is not held back until its end."""
    with connect(front.port) as connection:
        connection.sendall(b"GET /lines HTTP/1.1\r\nHost: x\r\n\r\n")
        times = []
        data = b""
        while b"0\r\n\r\n" not in data:
            data += connection.recv(1000)
            times.append(time.monotonic())
    assert all(b"%d\n" % number in data for number in range(3))
    assert max(after - before for before, after in pairwise(times)) > 0.2


def test_an_answer_that_fails_half_way(front: Front) -> None:
    """The connection ends, so that nobody takes the part for the whole; the log says why."""
    with connect(front.port) as connection:
        connection.sendall(b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b"".join(iter(lambda: connection.recv(1000), b""))
    assert b"part" in data
    assert b"0\r\n\r\n" not in data
    assert b"500" not in data
    wait_until(lambda: "ZeroDivisionError" in front.process.output, 5, "the log says why")


def test_stopping_loses_nothing(tmp_path: Path) -> None:
    """After SIGTERM what was asked is answered, also on connections that the kernel has only just taken.

    Every answer from then on ends its connection: a client that kept it would send its next request to nobody.
    """
    front = Front(tmp_path)
    answers: list[Answer] = []
    with ExitStack() as connections:
        before = [connections.enter_context(connect(front.port)) for _ in range(8)]
        for each in before:
            each.sendall(post(b"x", path="/invocations?wait=1"))
        idle = connections.enter_context(connect(front.port))
        idle.sendall(PING)
        assert read(idle).status == 200
        time.sleep(0.3)
        front.process.process.send_signal(signal.SIGTERM)
        threads = [threading.Thread(target=lambda each=each: answers.append(read(each))) for each in before]
        for thread in threads:
            thread.start()
        idle.sendall(PING)
        last = read(idle)
        for thread in threads:
            thread.join()
    assert (last.status, last.headers["connection"]) == (200, "close")
    assert [(answer.status, answer.headers["connection"]) for answer in answers] == [(200, "close")] * 8
    front.end()
    assert front.log()[-1]["message"] == "Shutting down: Master"


def test_stopping_does_not_wait_for_the_idle(tmp_path: Path) -> None:
    """Connections on which nobody asks do not hold up the end."""
    front = Front(tmp_path)
    with SlowConnections(front.port, 5, [b""]):
        began = time.monotonic()
        front.end()
    assert time.monotonic() - began < 8


def test_harness() -> None:
    """The harness's requests are what HTTP says they are."""
    assert post(b"ab", "A: b").endswith(b"Content-Length: 2\r\nA: b\r\n\r\nab")
    assert chunked(b"abc").endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert raw_http.Answer(400, {}, b'{"error": "x"}').error == "x"
