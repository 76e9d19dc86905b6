"""Who takes part: hosts that know the job's secret; strangers neither hold up the run nor learn anything."""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from sagemaker_gluoncv_container.errors import AlgorithmError, ClientError
from sagemaker_gluoncv_container.hosts import Hosts
from sagemaker_gluoncv_container.preparing import admission, wire
from sagemaker_gluoncv_container.preparing.admission import Reception, secret_of
from sagemaker_gluoncv_container.preparing.processing import ProcessingJob

JOB = ProcessingJob(Hosts(("algo-1", "algo-2", "algo-3")), (), "arn:aws:sagemaker:us-east-1:1:processing-job/heap")
SECRET = secret_of(JOB, "")
SECONDS = 20.0

Knock = Callable[[], socket.socket]


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Return a server on a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def knock(server: socket.socket) -> Iterator[Knock]:
    """Return a call that connects to the server; what it opened is closed afterwards."""
    opened = []

    def connect() -> socket.socket:
        opened.append(socket.create_connection(server.getsockname(), timeout=SECONDS))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


def come(knock: Knock, rank: int, secret: bytes = SECRET) -> threading.Thread:
    """Start a host that introduces itself; return its thread."""

    def run() -> None:
        with wire.Connection(knock(), "algo-1", SECONDS) as connection:
            admission.introduce(connection, secret, rank, "settings")

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def received(server: socket.socket, count: int, seconds: float = 0.3) -> list[int]:
    """Return the ranks of the first hosts that are admitted, welcoming each."""
    ranks = []
    reception = Reception(server, SECRET, seconds)
    for connected, greeting in reception.hosts(time.monotonic() + SECONDS):
        with wire.Connection(connected, f"host {greeting.rank}", SECONDS) as connection:
            admission.welcome(connection, SECRET, greeting)
        ranks.append(greeting.rank)
        if len(ranks) == count:
            break
    reception.close()
    return ranks


def test_the_secret_is_the_jobs() -> None:
    """Every host makes the same; another job, other hosts or another variable make another."""
    assert secret_of(replace(JOB, hosts=replace(JOB.hosts, rank=2)), "") == SECRET
    others = [replace(JOB, name="other"), replace(JOB, hosts=Hosts(("algo-1", "algo-2")))]
    assert len({SECRET, secret_of(JOB, "x"), *(secret_of(other, "") for other in others)}) == 4


def test_hosts_are_admitted(server: socket.socket, knock: Knock) -> None:
    """Those who know the secret are, with their ranks."""
    threads = [come(knock, 1), come(knock, 2)]
    assert sorted(received(server, 2)) == [1, 2]
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_silent_strangers_hold_nothing_up(
    server: socket.socket, knock: Knock, caplog: pytest.LogCaptureFixture
) -> None:
    """Half-open connections, scanners and garbage are closed in time, and a host that comes after them is admitted."""
    silent = [knock() for _ in range(20)]
    noisy = [knock() for _ in range(5)]
    for each, sent in zip(noisy, (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 9000, b"[1]\n", b"\n", b"{}\n"), strict=True):
        each.sendall(sent)
    knock().close()
    began = time.monotonic()
    thread = come(knock, 1)
    with caplog.at_level(logging.WARNING):
        assert received(server, 1) == [1]
    thread.join(SECONDS)
    assert time.monotonic() - began < SECONDS / 2
    for each in [*silent, *noisy]:
        # The challenge, then the end: a reset where bytes of ours were never read.
        try:
            while each.recv(4096):
                continue
        except ConnectionResetError:
            continue
    assert "A connection from 127.0.0.1 was closed" in caplog.text


def test_a_drip_of_bytes_has_one_deadline(server: socket.socket, knock: Knock) -> None:
    """Who sends a byte now and then is closed when the time is over, too."""
    stranger = knock()
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.05):
            try:
                stranger.sendall(b"{")
            except OSError:
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    reception = Reception(server, SECRET, 0.3)
    try:
        with pytest.raises(TimeoutError):
            list(reception.hosts(time.monotonic() + 1.5))
        assert reception._visitors == []
    finally:
        over.set()
        dripping.join(SECONDS)
        reception.close()


@pytest.mark.parametrize(
    "said",
    [
        {"rank": 1, "settings": "s", "challenge": "c", "proof": "0" * 64},
        {"rank": 1, "settings": "s", "challenge": "c"},
        {"rank": {"b": "AA=="}, "settings": "s", "challenge": "c", "proof": "0"},
        {"rank": 1, "settings": "s", "challenge": "c", "proof": "\ud800"},
        {"rank": [], "settings": {}, "challenge": None, "proof": 5},
    ],
)
def test_without_the_secret_nobody_is_admitted(server: socket.socket, knock: Knock, said: wire.Message) -> None:
    """A wrong or missing proof, or values of other types, are refused in words."""
    stranger = knock()
    stranger.sendall(json.dumps(said).encode() + b"\n")
    reception = Reception(server, SECRET, 5)
    with pytest.raises(TimeoutError):
        list(reception.hosts(time.monotonic() + 0.5))
    reception.close()
    text = b""
    while part := stranger.recv(4096):
        text += part
    assert b"refused" in text


def test_another_jobs_host_is_told(server: socket.socket, knock: Knock) -> None:
    """The host itself gets a ClientError that says what to do."""
    errors: list[BaseException] = []

    def run() -> None:
        with wire.Connection(knock(), "algo-1", SECONDS) as connection:
            try:
                admission.introduce(connection, b"other", 1, "settings")
            except ClientError as error:
                errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    reception = Reception(server, SECRET, 1.0)
    with pytest.raises(TimeoutError):
        list(reception.hosts(time.monotonic() + 1.0))
    reception.close()
    thread.join(SECONDS)
    assert "algo-1 refused this host" in str(errors)
    assert "secret" in str(errors)


def test_a_false_first_host_is_found_out() -> None:
    """Who listens there but does not know the secret gets no facts."""
    ours, theirs = socket.socketpair()
    with theirs, wire.Connection(ours, "algo-1", SECONDS) as connection:
        theirs.sendall(wire.encode({"challenge": "c"}) + wire.encode({"proof": "0" * 64}))
        with pytest.raises(AlgorithmError, match="did not prove") as raised:
            admission.introduce(connection, SECRET, 1, "settings")
    assert "SAGEMAKER_GLUONCV_HOST_SECRET" in raised.value.do


def test_another_service_on_the_port_is_found_out() -> None:
    """A web server, say."""
    ours, theirs = socket.socketpair()
    with theirs, wire.Connection(ours, "algo-1", SECONDS) as connection:
        theirs.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(AlgorithmError, match="A line from algo-1 cannot be understood"):
            admission.introduce(connection, SECRET, 1, "settings")
