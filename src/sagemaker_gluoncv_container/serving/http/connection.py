"""A client's connection, as gunicorn's parser reads from it and its responses write to it, with deadlines for both."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

# Under these keys of its environment the app finds a request's whole body, as bytes, and when its first byte came, in
# seconds of time.monotonic().
BODY, BEGAN = "sagemaker_gluoncv.body", "sagemaker_gluoncv.began"
# A client that does not take its answer for so long is given up.
_SEND_SECONDS = 30
# No more than this is read before others get their turn.
_READ_BYTES = 1 << 16
# A client that was refused may still send. What it sends is thrown away now and then, until it has read why; one that
# is silent for a while has read it.
_LINGER_PAUSE_SECONDS, _SILENT_SECONDS, _LINGER_SECONDS = 0.05, 2.0, 30.0
# Never written to: MSG_TRUNC has the kernel drop what has come instead of copying it here (man 7 tcp).
_WASTE = bytearray(1 << 20)


class TooSlow(Exception):  # noqa: N818
    """A request did not come in time. The message says which part of it, as a sentence."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a client: idle between requests, for a request's head, and for a body."""

    idle_seconds: float
    head_seconds: float
    bytes_per_second: int


class Connection:
    """A socket whose waits are bounded. `pause` lets others run.

    It is idle while no request has begun, and busy from when a request's head has come until it is answered. `began` is
    when the request's first byte came; `has_sent` tells whether a part of the answer is on its way.
    """

    def __init__(
        self, client: socket.socket, patience: Patience, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._socket, self._patience, self._pause = client, patience, pause
        self._out: list[bytes] = []
        self._deadline = 0.0
        self._in_body, self._read = False, 0
        self.is_idle, self.is_busy, self.has_sent = True, False, False
        self.began = 0.0

    def expect_request(self) -> None:
        """Wait for the next request, for as long as a connection may be idle."""
        self.is_idle, self.is_busy, self.has_sent, self._in_body = True, False, False, False

    def expect_body(self) -> None:
        """Wait for a body from now on: a stretch of `head_seconds` must bring it the rate that is asked for."""
        now = time.monotonic()
        if self.is_idle:
            # The whole request came along with the one before.
            self.began = now
        self.is_idle, self.is_busy, self._in_body = False, True, True
        self._deadline = now + self._patience.head_seconds

    def recv(self, size: int) -> bytes:
        """Return what has come, empty at the end or when nobody asked for too long. Raises TooSlow, OSError."""
        size = min(size, _READ_BYTES)
        if self.is_idle:
            self._socket.settimeout(self._patience.idle_seconds)
            try:
                data = self._socket.recv(size)
            except TimeoutError:
                return b""
            self.is_idle, self.began = False, time.monotonic()
            self._deadline = self.began + self._patience.head_seconds
            return data
        data = self._next(size)
        if self._in_body and data:
            latest = time.monotonic() + self._patience.head_seconds
            self._deadline = min(latest, self._deadline + len(data) / self._patience.bytes_per_second)
            self._read += len(data)
            if self._read >= _READ_BYTES:
                self._read = 0
                self._pause(0)
        return data

    def _next(self, size: int) -> bytes:
        left = self._deadline - time.monotonic()
        if left > 0:
            self._socket.settimeout(left)
            with suppress(TimeoutError):
                return self._socket.recv(size)
        if self._in_body:
            raise TooSlow(f"The body came at less than {self._patience.bytes_per_second} bytes per second")
        raise TooSlow(f"The request's headers did not come within {self._patience.head_seconds:g} s")

    def send(self, data: bytes) -> int:
        """Send at once, as gunicorn does `100 Continue`."""
        self._write(data)
        return len(data)

    def sendall(self, data: bytes) -> None:
        """Keep data to be sent with what follows: an answer's head and body make one packet."""
        self._out.append(data)

    def flush(self) -> None:
        """Send what was kept. Raises OSError if the client does not take it."""
        if self._out:
            data, self._out = b"".join(self._out), []
            self.has_sent = True
            self._write(data)

    def _write(self, data: bytes) -> None:
        self._socket.settimeout(_SEND_SECONDS)
        self._socket.sendall(data)

    def is_open(self) -> bool:
        """Return whether the client is still there: a connection that it has closed reads as empty."""
        try:
            self._socket.settimeout(0)
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def linger(self) -> None:
        """Say that nothing more will be sent, and let the client finish: closed at once, it might see no answer.

        What it still sends is thrown away. Source: RFC 9112, section 9.6.
        """
        self.is_busy = False
        ends = time.monotonic() + _LINGER_SECONDS
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            while (left := ends - time.monotonic()) > 0:
                self._socket.settimeout(min(left, _SILENT_SECONDS))
                if not self._socket.recv_into(_WASTE, len(_WASTE), socket.MSG_TRUNC):
                    return
                self._pause(_LINGER_PAUSE_SECONDS)

    def close(self) -> None:
        """Close the connection; whoever waits for it gets an OSError."""
        with suppress(OSError):
            self._socket.close()
