"""HTTP by hand, so that a test can send what no client would: byte by byte, wrong, or never to its end.

Only the standard library is imported: the container tests use it, too.
"""

import json
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """An answer as it came: status, headers in lower case, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """Why a request was refused. Raises if the body is not an error in JSON, and nothing else."""
        content = json.loads(self.body)
        assert list(content) == ["error"], content
        return str(content["error"])


def connect(port: int, seconds: float = 30) -> socket.socket:
    """Return a connection."""
    return socket.create_connection(("127.0.0.1", port), seconds)


def read(connection: socket.socket) -> Answer:
    """Return the next answer, that of a request after `100 Continue`. Raises EOFError if the connection ends before."""
    stream = connection.makefile("rb")
    status_line = stream.readline()
    if not status_line:
        raise EOFError
    headers = {}
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(": ")
        headers[name.lower()] = value
    status = int(status_line.split()[1])
    body = stream.read(int(headers.get("content-length", 0))) if status >= 200 else b""
    return Answer(status, headers, body)


def ask(port: int, *parts: bytes, pause: float = 0, seconds: float = 30) -> Answer:
    """Send parts of a request on a new connection, and return the answer."""
    with connect(port, seconds) as connection:
        for part in parts:
            # An answer may come, and the connection end, before all is sent.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(part)
            time.sleep(pause)
        return read(connection)


def post(body: bytes, *headers: str, path: str = "/invocations") -> bytes:
    """Return a request whose body is announced by its length."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def chunked(*chunks: bytes, path: str = "/invocations", headers: Sequence[str] = ()) -> bytes:
    """Return a request whose body comes in chunks."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", *headers, "", ""]
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return "\r\n".join(lines).encode("latin-1") + body + b"0\r\n\r\n"


class SlowConnections:
    """Connections that never come to the end of a request; each sends a byte when told to."""

    def __init__(self, port: int, count: int, starts: Sequence[bytes]) -> None:
        """Open them; each begins with one of the `starts`, in turn."""
        self._all = ExitStack()
        self._sockets = [self._all.enter_context(connect(port)) for _ in range(count)]
        for number, each in enumerate(self._sockets):
            each.sendall(starts[number % len(starts)])
            each.setblocking(False)

    def trickle(self) -> None:
        """Send one byte on each that is still open."""
        for each in self._sockets:
            with suppress(OSError):
                each.send(b"x")

    def statuses(self) -> list[int]:
        """Return the statuses of the answers that have come by now."""
        found = []
        for each in self._sockets:
            with suppress(BlockingIOError, ConnectionResetError, EOFError):
                if each.recv(1, socket.MSG_PEEK):
                    each.setblocking(True)
                    found.append(read(each).status)
        return found

    def __enter__(self) -> "SlowConnections":
        return self

    def __exit__(self, *error: Any) -> None:
        self._all.close()
