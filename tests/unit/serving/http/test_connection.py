"""connection: deadlines of a real socket, from both of its ends."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from sagemaker_gluoncv_container.serving.http.connection import Connection, Patience, TooSlow

PATIENCE = Patience(idle_seconds=0.3, head_seconds=0.2, bytes_per_second=1000)


@pytest.fixture
def ends() -> Iterator[tuple[Connection, socket.socket]]:
    """Return a connection and its client's socket."""
    ours, theirs = socket.socketpair()
    connection = Connection(ours, PATIENCE)
    with theirs:
        yield connection, theirs
        connection.close()


def test_a_request_comes(ends: tuple[Connection, socket.socket]) -> None:
    """What a client sends is read; its end is empty; the first byte begins the request."""
    connection, client = ends
    before = time.monotonic()
    client.sendall(b"GET")
    assert connection.is_idle
    assert connection.recv(2) == b"GE"
    assert (connection.is_idle, connection.is_busy) == (False, False)
    assert before <= connection.began <= time.monotonic()
    assert connection.recv(10) == b"T"
    client.close()
    assert connection.recv(10) == b""


def test_an_idle_connection_ends(ends: tuple[Connection, socket.socket]) -> None:
    """A connection on which nobody asks ends like one that its client has closed."""
    connection, _ = ends
    began = time.monotonic()
    assert connection.recv(10) == b""
    assert 0.25 < time.monotonic() - began < 2


@pytest.mark.parametrize("every", [0.05, 10])
def test_slow_headers(ends: tuple[Connection, socket.socket], every: float) -> None:
    """Headers have one deadline, however many bytes of them come."""
    connection, client = ends
    client.sendall(b"G")
    enough = threading.Event()

    def trickle() -> None:
        while not enough.wait(every):
            client.sendall(b"x")

    thread = threading.Thread(target=trickle)
    thread.start()
    began = time.monotonic()
    with pytest.raises(TooSlow, match=r"headers did not come within 0\.2 s"):
        list(iter(lambda: connection.recv(1), b""))
    enough.set()
    assert 0.15 < time.monotonic() - began < 2
    thread.join()


def test_a_slow_body(ends: tuple[Connection, socket.socket]) -> None:
    """A body that stands still is given up, although its first part came fast: that earns it no more time."""
    connection, client = ends
    client.sendall(bytes(50_000))
    connection.expect_body()
    began, read = time.monotonic(), list[int]()
    with pytest.raises(TooSlow, match="less than 1000 bytes per second"):
        read.extend(map(len, iter(lambda: connection.recv(10_000), b"")))
    assert sum(read) == 50_000
    assert 0.15 < time.monotonic() - began < 2


def test_a_body_that_keeps_its_rate(ends: tuple[Connection, socket.socket]) -> None:
    """A body may take longer than any deadline as long as it comes at the rate."""
    connection, client = ends
    connection.expect_body()
    for _ in range(8):
        client.sendall(bytes(200))
        time.sleep(0.05)
        assert len(connection.recv(1000)) == 200


def test_head_and_body_are_one_packet(ends: tuple[Connection, socket.socket]) -> None:
    """What is written waits for what belongs to it; what has to go at once goes at once."""
    connection, client = ends
    connection.sendall(b"head ")
    connection.sendall(b"body")
    assert connection.send(b"100 Continue ") == 13
    assert (client.recv(100), connection.has_sent) == (b"100 Continue ", False)
    connection.flush()
    assert (client.recv(100), connection.has_sent) == (b"head body", True)


def test_who_is_there(ends: tuple[Connection, socket.socket]) -> None:
    """A client that waits, or has sent more, is there; one that has closed is not."""
    connection, client = ends
    assert connection.is_open()
    client.sendall(b"next")
    assert connection.is_open()
    connection.recv(10)
    client.close()
    assert not connection.is_open()


def test_a_client_that_still_sends_reads_its_answer(ends: tuple[Connection, socket.socket]) -> None:
    """The rest of a refused body is thrown away, so that the client comes to read why."""
    connection, client = ends
    size = 3 << 20
    seen = []

    def upload() -> None:
        client.sendall(bytes(size))
        seen.append(client.recv(100))
        client.close()

    thread = threading.Thread(target=upload)
    thread.start()
    connection.expect_body()
    connection.recv(10)
    connection.send(b"413")
    connection.linger()
    thread.join()
    assert seen == [b"413"]
    assert not connection.is_busy


def test_lingering_ends(ends: tuple[Connection, socket.socket]) -> None:
    """A client that neither reads nor sends is not waited for."""
    connection, _ = ends
    began = time.monotonic()
    connection.linger()
    assert time.monotonic() - began < 4


def test_a_pipelined_request_begins_where_it_is_parsed(ends: tuple[Connection, socket.socket]) -> None:
    """A request whose bytes came with the one before has a beginning, too."""
    connection, _ = ends
    connection.expect_request()
    connection.expect_body()
    assert time.monotonic() - connection.began < 1
    assert connection.is_busy
