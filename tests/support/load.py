"""Many clients at once, in a process of their own; prints what became of their requests as one JSON object.

    python load.py PORT PICTURES --clients 200 --seconds 60     each asks again when it has its answer
    python load.py PORT PICTURES --clients 8 --requests 2000    the same, for so many requests in all
    python load.py PORT PICTURES --rate 400 --seconds 10        asks at that rate, whatever is answered

Speaks HTTP over raw sockets, so that on a machine of two cores the clients do not starve the server. Connections are
kept and used again. Nothing is repeated: a request counts once, with its answer or with why there is none.
"""

import argparse
import asyncio
import json
import math
import re
import sys
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import Any

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_PATIENCE_SECONDS = 70


class Clients:
    """Sends requests and counts what becomes of them."""

    def __init__(self, port: int, pictures: list[bytes], requests: float) -> None:
        self._port = port
        head = "POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-image\r\n"
        self._requests = cycle(f"{head}Content-Length: {len(each)}\r\n\r\n".encode() + each for each in pictures)
        self._left = requests
        self.statuses: Counter[int] = Counter()
        self.slowest: dict[int, float] = {}
        self.seconds: list[float] = []
        self.bodies: Counter[str] = Counter()
        self.without_retry_after = 0
        self.unanswered: list[dict[str, Any]] = []
        self.idle: list[Connection] = []

    async def open(self) -> "Connection | None":
        """Return a new connection, None if the server takes no more."""
        began = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError as error:
            self.unanswered.append({"opened": began, "failed": time.monotonic(), "why": repr(error)})
            return None
        return Connection(began, reader, writer)

    async def ask(self, connection: "Connection") -> bool:
        """Send one request; return whether the connection can be used again."""
        began = time.monotonic()
        try:
            head, body = await asyncio.wait_for(connection.exchange(next(self._requests)), _PATIENCE_SECONDS)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            failure = {"opened": connection.opened, "sent": began, "failed": time.monotonic(), "why": repr(error)}
            self.unanswered.append(failure)
            connection.writer.close()
            return False
        status, seconds = int(head[9:12]), time.monotonic() - began
        self.statuses[status] += 1
        self.slowest[status] = max(seconds, self.slowest.get(status, 0))
        if status == 200:
            self.seconds.append(seconds)
        else:
            self.bodies[f"{status} {body.decode()}"[:200]] += 1
        self.without_retry_after += status == 503 and b"retry-after" not in head.lower()
        if b"connection: close" in head.lower():
            connection.writer.close()
            return False
        return True

    async def again_and_again(self, until: float) -> None:
        """Ask, wait for the answer, ask again; stop when no connection can be had."""
        connection = None
        while time.monotonic() < until and self._left > 0:
            self._left -= 1
            connection = connection or await self.open()
            if not connection:
                return
            if not await self.ask(connection):
                connection = None
        if connection:
            connection.writer.close()

    async def once(self) -> None:
        """Ask once, on a connection that is idle or new."""
        connection = self.idle.pop() if self.idle else await self.open()
        if connection and await self.ask(connection):
            self.idle.append(connection)

    async def at_rate(self, rate: float, until: float) -> None:
        """Ask at a rate, in bursts of what is due."""
        began, asked = time.monotonic(), 0
        tasks = set()
        while (now := time.monotonic()) < until:
            while asked < (now - began) * rate:
                asked += 1
                task = asyncio.create_task(self.once())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(0.01)
        if tasks:
            await asyncio.wait(tasks)
        for connection in self.idle:
            connection.writer.close()


class Connection:
    """One connection and when it was opened."""

    def __init__(self, opened: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened, self._reader, self.writer = opened, reader, writer

    async def exchange(self, request: bytes) -> tuple[bytes, bytes]:
        """Send a request, and return head and body of its answer."""
        self.writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        return head, await self._reader.readexactly(int(length[1]) if length else 0)


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the clients saw."""
    clients = Clients(arguments.port, [path.read_bytes() for path in arguments.pictures], arguments.requests)
    began = time.monotonic()
    until = began + arguments.seconds
    if arguments.rate:
        await clients.at_rate(arguments.rate, until)
    else:
        await asyncio.gather(*(clients.again_and_again(until) for _ in range(arguments.clients)))
    elapsed = time.monotonic() - began
    return {
        "statuses": clients.statuses,
        "slowest": clients.slowest,
        "median": sorted(clients.seconds)[len(clients.seconds) // 2] if clients.seconds else None,
        "refusals": clients.bodies,
        "without_retry_after": clients.without_retry_after,
        "unanswered": clients.unanswered,
        "per_second": clients.statuses[200] / elapsed,
    }


def main() -> None:
    """Run the clients and print what they saw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--requests", type=float, default=math.inf)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0)
    json.dump(asyncio.run(run(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
