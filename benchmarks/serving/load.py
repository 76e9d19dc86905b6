"""A load generator that leaves the cores to the server: one thread, epoll, bytes that were made before.

Closed loop: each client sends its next request when it has its answer. Constant rate: requests are due at even times
whether or not earlier ones are answered, and a latency counts from when its request was due, not from when a client
came free to send it; else a server that stalls would look well ("coordinated omission").

Run as a program it reads a pickled Job from standard input and writes a pickled Outcome to standard output.
"""

import pickle
import re
import select
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field

# How long answers are waited for after the last request was sent.
DRAIN_SECONDS = 60
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_READ = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR


@dataclass(frozen=True)
class Job:
    """What to send: whole HTTP requests, in turn. `rate` is requests a second, None for a closed loop."""

    port: int
    requests: tuple[bytes, ...]
    clients: int
    seconds: float
    warm_up: float = 1.0
    rate: float | None = None


@dataclass
class Outcome:
    """Latencies, in seconds, of the 200s in the measured window, and what the load came to as a whole."""

    latencies: list[float] = field(default_factory=list)
    window: float = 0.0
    # With those of the warm-up and of the drain: what a server's CPU time was spent on.
    answered: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    cpu_seconds: float = 0.0


def request(port: int, path: str, content_type: str, body: bytes) -> bytes:
    """Return the bytes of a POST."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def status_of(answer: bytes) -> tuple[int, bool] | None:
    """Return the status of a whole answer, and whether the connection ends with it; None if there is more to come."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = answer[: end + 2]
    length = _LENGTH.search(head)
    whole = len(answer) >= end + 4 + int(length[1]) if length else answer.endswith(b"0\r\n\r\n")
    return (int(answer[9:12]), bool(_CLOSE.search(head))) if whole else None


class Client:
    """One connection, with at most one request under way."""

    def __init__(self, port: int, poll: select.epoll) -> None:
        self._port, self._poll = port, poll
        self._socket: socket.socket | None = None
        self._left: memoryview | None = None
        self.due: float | None = None

    def _connect(self) -> socket.socket:
        one = socket.create_connection(("127.0.0.1", self._port), timeout=10)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.setblocking(False)
        self._poll.register(one, _READ)
        return one

    def file(self) -> int:
        """Return the descriptor of the open connection."""
        assert self._socket is not None
        return self._socket.fileno()

    def send(self, data: bytes, due: float) -> None:
        """Begin a request that was due at a time of time.monotonic()."""
        self.due, self._answer, self._left = due, b"", memoryview(data)
        self._socket = self._socket or self._connect()
        self.write()

    def write(self) -> None:
        """Send as much as the connection takes."""
        assert self._socket is not None
        if self._left:
            with suppress(BlockingIOError):
                self._left = self._left[self._socket.send(self._left) :]
            self._poll.modify(self._socket, _READ | select.EPOLLOUT if self._left else _READ)

    def read(self) -> str | None:
        """Return what came of the request, a status or what went wrong; None if that is not known yet."""
        assert self._socket is not None
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return None
        except OSError as error:
            return self._ended(type(error).__name__)
        self._answer += data
        if not data:
            return self._ended("closed")
        if (found := status_of(self._answer)) is None:
            return None
        status, closes = found
        if closes:
            self.close()
        return self._ended(str(status), keep=True)

    def _ended(self, what: str, keep: bool = False) -> str | None:
        """Forget the request. Where there was none, the server ended an idle connection: nothing came of nothing."""
        if not keep:
            self.close()
        return what if self.due is not None else None

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._poll.unregister(self._socket)
            self._socket.close()
            self._socket = None


class Generator:
    """Runs a job."""

    def __init__(self, job: Job) -> None:
        self._job, self._poll, self._outcome = job, select.epoll(), Outcome(window=job.seconds)
        self._idle = deque(Client(job.port, self._poll) for _ in range(job.clients))
        self._busy: set[Client] = set()
        self._open: dict[int, Client] = {}
        self._sent = 0

    def run(self) -> Outcome:
        """Send for the warm-up and the window, wait for what is under way; return what came of it."""
        cpu, self._began = time.process_time(), time.monotonic()
        self._from = self._began + self._job.warm_up
        self._end = self._from + self._job.seconds
        while True:
            now = time.monotonic()
            self._begin_due(now)
            due = self._next_due(now)
            if not self._busy and due is None or now > self._end + DRAIN_SECONDS:
                break
            self._wait(0.5 if due is None or not self._idle else max(0.0, due - now))
        self._outcome.failures["no answer"] += len(self._busy)
        self._outcome.cpu_seconds = time.process_time() - cpu
        return self._outcome

    def _next_due(self, now: float) -> float | None:
        """Return when the next request is due, None if there is none any more."""
        due = now if self._job.rate is None else self._began + self._sent / self._job.rate
        return due if due < self._end else None

    def _begin_due(self, now: float) -> None:
        while self._idle and (due := self._next_due(now)) is not None and due <= now:
            client = self._idle.pop()
            client.send(self._job.requests[self._sent % len(self._job.requests)], due)
            self._busy.add(client)
            self._open[client.file()] = client
            self._sent += 1

    def _wait(self, seconds: float) -> None:
        for file, event in self._poll.poll(seconds):
            client = self._open[file]
            if event & select.EPOLLOUT:
                client.write()
            if event & _READ and (what := client.read()) is not None:
                self._count(client, what)
                self._busy.remove(client)
                self._idle.append(client)

    def _count(self, client: Client, what: str) -> None:
        now, due = time.monotonic(), client.due
        assert due is not None
        client.due = None
        if what != "200":
            self._outcome.failures[what] += 1
            return
        self._outcome.answered += 1
        # Of a closed loop, what is answered in the window; of a constant rate, what was due in it, however late.
        if self._from <= (now if self._job.rate is None else due) < self._end:
            self._outcome.latencies.append(now - due)


def generate(job: Job) -> Outcome:
    """Run a job in a process of its own. Raises CalledProcessError if it cannot be run."""
    run = subprocess.run([sys.executable, __file__], input=pickle.dumps(vars(job)), stdout=subprocess.PIPE, check=True)
    return Outcome(**pickle.loads(run.stdout))


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(vars(Generator(Job(**pickle.load(sys.stdin.buffer))).run())))
