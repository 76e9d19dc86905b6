"""What two hosts say to each other: lines of JSON, bounded in length and in time.

Bytes travel as {"b": base64}. Whatever goes wrong with a line is an AlgorithmError that names the other host and says
where to look: the user of one host cannot know what the other one's connection did.
"""

import base64
import json
import socket
from types import TracebackType
from typing import Any

from ..errors import AlgorithmError

# The longest line: the names of some 100,000 classes.
LONGEST = 16 << 20
Message = dict[str, Any]


def encode(message: Message) -> bytes:
    """Return a message as a line."""
    packed = {name: _packed(value) for name, value in message.items()}
    return json.dumps(packed).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Return the message in a line. Raises ValueError if it is not one."""
    try:
        value = json.loads(line)
    except RecursionError as error:
        raise ValueError("It is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("It is not a JSON object")
    return {name: _unpacked(each) for name, each in value.items()}


def _packed(value: Any) -> Any:
    return {"b": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(packed := value.get("b"), str):
        return base64.b64decode(packed, validate=True)
    return value


class Connection:
    """A connection to another host, which messages call `peer`."""

    def __init__(self, connected: socket.socket, peer: str, seconds: float) -> None:
        """A read or write that makes no progress for `seconds` is an error."""
        connected.settimeout(seconds)
        # A host that vanishes without a word is found out in the end.
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.peer, self._seconds, self._socket = peer, seconds, connected
        self._reader, self._writer = connected.makefile("rb"), connected.makefile("wb")

    def send(self, message: Message) -> None:
        """Send a message, at the latest with the next `flush`. Raises AlgorithmError."""
        try:
            self._writer.write(encode(message))
        except OSError as error:
            raise self._failed(error) from error

    def flush(self) -> None:
        """Send what waits. Raises AlgorithmError."""
        try:
            self._writer.flush()
        except OSError as error:
            raise self._failed(error) from error

    def receive(self) -> Message:
        """Return the next message. Raises AlgorithmError if there is none, or if it is not a message."""
        try:
            line = self._reader.readline(LONGEST + 1)
        except OSError as error:
            raise self._failed(error) from error
        if not line:
            raise AlgorithmError(f"{self.peer} closed the connection too early", self._cause, self._do)
        if not line.endswith(b"\n"):
            what = "is longer than any should be" if len(line) > LONGEST else "breaks off in the middle"
            raise self.misunderstood(f"It {what}")
        try:
            return decode(line)
        except ValueError as error:
            raise self.misunderstood(str(error)) from error

    def misunderstood(self, why: str) -> AlgorithmError:
        """Return the error for a message that does not belong to the exchange."""
        do = f"Run the same image on every host, and see the log of {self.peer}"
        return AlgorithmError(f"A line from {self.peer} cannot be understood", why, do)

    def _failed(self, error: OSError) -> AlgorithmError:
        if isinstance(error, TimeoutError):
            return AlgorithmError(f"{self.peer} has been silent for {self._seconds:.0f} s", self._cause, self._do)
        why = f"{error.strerror or error}. {self._cause}"
        return AlgorithmError(f"The connection to {self.peer} broke", why, self._do)

    @property
    def _cause(self) -> str:
        return "Probably its own preparation failed, or was stopped"

    @property
    def _do(self) -> str:
        return f"See the log of {self.peer}"

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # Closing flushes, which must not hide the error that led here.
        for file in (self._writer, self._reader):
            try:
                file.close()
            except OSError:
                continue
        self._socket.close()
