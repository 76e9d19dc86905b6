"""Who takes part in the exchange between hosts: each side proves to the other that it knows the job's secret.

The first host listens on the one address by which the others know it. Whoever connects gets a challenge and must answer
in time with a proof, an HMAC-SHA256 over both sides' challenges; the first host then proves itself in the same way. The
secret is made of what all hosts of a job are told, and of SAGEMAKER_GLUONCV_HOST_SECRET if that is set.

This keeps out port scanners, other jobs and misdirected connections. The job's name and hosts are no secret to everyone
in an account, so against somebody inside the network only the variable helps. Nothing is encrypted: that is
SageMaker's EnableInterContainerTrafficEncryption.
"""

import hashlib
import hmac
import json
import logging
import secrets
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..contract import HOST_SECRET
from ..errors import AlgorithmError, ClientError
from . import wire
from .processing import ProcessingJob

logger = logging.getLogger(__name__)

# What a connection may take to say who it is: some milliseconds, if it is a host of ours.
GREETING_SECONDS = 10.0
_GREETING_BYTES = 4096
# Connections that have yet to say who they are; beyond that the oldest is closed.
_MOST_WAITING = 256


@dataclass(frozen=True)
class Greeting:
    """What a host says of itself: its rank, the digest of its settings, and its challenge."""

    rank: int
    settings: str
    challenge: str


def secret_of(job: ProcessingJob, variable: str) -> bytes:
    """Return the secret that the hosts of a job share; `variable` is what the user added to it."""
    known = [job.name, *job.hosts.names, variable]
    return hashlib.sha256(json.dumps(known).encode()).digest()


def proof(secret: bytes, *said: object) -> str:
    """Return what only somebody who knows the secret can say about the values."""
    return hmac.new(secret, json.dumps(said).encode(), hashlib.sha256).hexdigest()


def _is_proof(given: object, *expected: Any) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(errors="replace"), proof(*expected).encode())


def introduce(connection: wire.Connection, secret: bytes, rank: int, settings: str) -> None:
    """Say who this host is to the first one, and check that it is the first one.

    Raises ClientError if it refuses this host, AlgorithmError if it is not of this job, or breaks off.
    """
    challenge = connection.receive().get("challenge")
    if not isinstance(challenge, str):
        raise connection.misunderstood("It should be a challenge")
    own = secrets.token_hex(16)
    said = {"rank": rank, "settings": settings, "challenge": own}
    connection.send({**said, "proof": proof(secret, challenge, rank, settings, own)})
    connection.flush()
    answer = connection.receive()
    if "refused" in answer:
        do = "Start every host with the same image, command and environment"
        raise ClientError(f"{connection.peer} refused this host", str(answer["refused"]), do)
    if not _is_proof(answer.get("proof"), secret, "first", own):
        do = f"Set the same {HOST_SECRET.name} on every host, or choose another --host-port"
        raise AlgorithmError(f"{connection.peer} did not prove that it is of this job", do=do)


def welcome(connection: wire.Connection, secret: bytes, greeting: Greeting) -> None:
    """Prove to a host that this is the first one. Raises AlgorithmError."""
    connection.send({"proof": proof(secret, "first", greeting.challenge)})
    connection.flush()


def refuse(connection: wire.Connection, why: str) -> None:
    """Tell a host that it cannot take part. Raises AlgorithmError."""
    connection.send({"refused": why})
    connection.flush()


@dataclass(eq=False)
class _Visitor:
    """A connection that has yet to say who it is."""

    connected: socket.socket
    address: str
    deadline: float
    challenge: str = field(default_factory=lambda: secrets.token_hex(16))
    received: bytearray = field(default_factory=bytearray)

    def read(self) -> bool | None:
        """Read what has come; return whether it is a whole line, None if there will be none."""
        try:
            data = self.connected.recv(_GREETING_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            return None
        self.received += data
        if self.received.endswith(b"\n"):
            return True
        return False if data and len(self.received) < _GREETING_BYTES else None

    def greeting(self, secret: bytes) -> Greeting | None:
        """Return what it says of itself, None if it cannot prove that it is of this job."""
        try:
            said = wire.decode(bytes(self.received))
        except ValueError:
            return None
        rank, settings, challenge = (said.get(name) for name in ("rank", "settings", "challenge"))
        if not isinstance(rank, int) or not isinstance(settings, str) or not isinstance(challenge, str):
            return None
        proven = _is_proof(said.get("proof"), secret, self.challenge, rank, settings, challenge)
        return Greeting(rank, settings, challenge) if proven else None


class Reception:
    """Accepts connections, and yields those that prove to be hosts of this job. The others never hold it up."""

    def __init__(self, server: socket.socket, secret: bytes, greeting_seconds: float = GREETING_SECONDS) -> None:
        server.setblocking(False)
        self._server, self._secret, self._seconds = server, secret, greeting_seconds
        self._visitors: list[_Visitor] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(server, selectors.EVENT_READ)

    def hosts(self, until: float) -> Iterator[tuple[socket.socket, Greeting]]:
        """Yield connections, which block again, with their greetings. Raises TimeoutError at `until`, monotonic()."""
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            # First what has come, then who is late: this may return long after a greeting arrived.
            for ready, _ in self._selector.select(min(left, self._seconds, 1.0)):
                if ready.fileobj is self._server:
                    self._accept()
                elif greeting := self._hear(ready.data):
                    self._forget(ready.data)
                    ready.data.connected.setblocking(True)
                    yield ready.data.connected, greeting
            for visitor in [each for each in self._visitors if each.deadline < time.monotonic()]:
                self._turn_away(visitor, f"said nothing for {self._seconds:.0f} s")

    def _accept(self) -> None:
        try:
            connected, address = self._server.accept()
        except OSError:
            return
        connected.setblocking(False)
        visitor = _Visitor(connected, str(address[0]), time.monotonic() + self._seconds)
        self._visitors.append(visitor)
        self._selector.register(connected, selectors.EVENT_READ, visitor)
        self._say(visitor, {"challenge": visitor.challenge})
        if len(self._visitors) > _MOST_WAITING:
            self._turn_away(self._visitors[0], "was one of too many")

    def _hear(self, visitor: _Visitor) -> Greeting | None:
        if visitor not in self._visitors:
            return None
        complete = visitor.read()
        if complete is None:
            self._turn_away(visitor, "did not say who it is")
        elif complete:
            greeting = visitor.greeting(self._secret)
            if greeting is not None:
                return greeting
            self._say(visitor, {"refused": "It does not know the secret of this job."})
            self._turn_away(visitor, "does not know the secret of this job")
        return None

    def _say(self, visitor: _Visitor, message: wire.Message) -> None:
        try:
            # A short line fits into the buffer of a new connection.
            visitor.connected.send(wire.encode(message))
        except OSError:
            logger.debug("%s went away", visitor.address)

    def _turn_away(self, visitor: _Visitor, why: str) -> None:
        logger.warning("A connection from %s was closed: it %s.", visitor.address, why)
        self._forget(visitor)
        visitor.connected.close()

    def _forget(self, visitor: _Visitor) -> None:
        self._visitors.remove(visitor)
        self._selector.unregister(visitor.connected)

    def close(self) -> None:
        """Close what has yet to say who it is. The server and the hosts' connections stay open."""
        for visitor in list(self._visitors):
            self._forget(visitor)
            visitor.connected.close()
        self._selector.close()
