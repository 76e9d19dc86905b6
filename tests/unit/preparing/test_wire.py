"""Lines between hosts: any value survives, and whatever goes wrong is said in words that name the other host."""

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagemaker_gluoncv_container.errors import AlgorithmError
from sagemaker_gluoncv_container.preparing import wire
from sagemaker_gluoncv_container.preparing.wire import Connection

VALUES = st.none() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text() | st.binary() | st.booleans()


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    """Return a connection that waits half a second at most, and what the other host holds of it."""
    one, other = socket.socketpair()
    with other, Connection(one, "algo-2", 0.5) as connection:
        yield connection, other


@given(st.dictionaries(st.text(), VALUES))
def test_any_message_survives(message: wire.Message) -> None:
    """A message is one line, and comes out as it went in."""
    line = wire.encode(message)
    assert line.count(b"\n") == 1
    assert wire.decode(line) == message


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00",
        b"\xff\xfe",
        b"[1]\n",
        b"null\n",
        b"1" * 5000,
        b'{"a": {"b": "not base64!"}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda line: repr(line[:12]),
)
def test_what_is_not_a_message(line: bytes) -> None:
    """Strangers' bytes are a ValueError and nothing else."""
    with pytest.raises(ValueError):
        wire.decode(line)


def test_messages_wait_for_the_flush(pair: tuple[Connection, socket.socket]) -> None:
    """Many short lines go out together; what comes is read line by line."""
    connection, other = pair
    connection.send({"n": 1})
    connection.send({"n": b"2"})
    connection.flush()
    assert other.recv(1000) == b'{"n": 1}\n{"n": {"b": "Mg=="}}\n'
    other.sendall(b'{"n": 1}\n{"n": {"b": "Mg=="}}\n')
    assert [connection.receive(), connection.receive()] == [{"n": 1}, {"n": b"2"}]


@pytest.mark.parametrize(
    ("sent", "closes", "words"),
    [
        (b"", True, "algo-2 closed the connection too early"),
        (b"", False, "algo-2 has been silent for 0 s"),
        (b'{"n": ', False, "algo-2 has been silent for 0 s"),
        (b'{"n": 1}', True, "breaks off in the middle"),
        (b"HTTP/1.1 400 Bad Request\r\n", False, "A line from algo-2 cannot be understood"),
        (b'{"n": {"b": "!"}}\n', False, "A line from algo-2 cannot be understood"),
    ],
)
def test_failures_are_said(pair: tuple[Connection, socket.socket], sent: bytes, closes: bool, words: str) -> None:
    """What was sent is not a message, or nothing comes: an AlgorithmError that names the host and its log."""
    connection, other = pair
    other.sendall(sent)
    if closes:
        other.close()
    with pytest.raises(AlgorithmError, match=words) as raised:
        connection.receive()
    assert "log of algo-2" in str(raised.value)


def test_an_endless_line_is_cut(pair: tuple[Connection, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    """A line without an end does not fill the memory."""
    connection, other = pair
    monkeypatch.setattr(wire, "LONGEST", 1000)
    other.sendall(b"x" * 5000)
    with pytest.raises(AlgorithmError, match="longer than any should be"):
        connection.receive()


def test_sending_to_a_host_that_is_gone(pair: tuple[Connection, socket.socket]) -> None:
    """A broken pipe is an AlgorithmError too, and closing afterwards hides nothing."""
    connection, other = pair
    other.close()
    connection.send({"text": "x"})
    with pytest.raises(AlgorithmError, match="The connection to algo-2 broke"):
        connection.flush()
