"""Everything at once against a server, for some time: slow connections, large uploads, honest clients and pings.

    python soak.py PORT PICTURE --seconds 60

Each kind is a process of its own, so that they do not wait for each other. Prints what they saw as one JSON object.
Only the standard library is imported: the container tests use it.
"""

import argparse
import asyncio
import contextlib
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

_HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
_STARTS = (
    b"GET /ping HTTP/1.1\r\nX: ",
    _HEAD + b"Content-Length: 1000\r\n\r\nabc",
    _HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
)
_TRICKLE_SECONDS, _PING_SECONDS = 2.0, 0.1
_UPLOAD_BYTES = 24_900_000
_LENGTH = b"content-length: "


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return the status of the next answer, and its head in lower case."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if _LENGTH in head:
        await reader.readexactly(int(head.partition(_LENGTH)[2].split(b"\r\n")[0]))
    return int(head.split()[1]), head


async def slow(port: int, until: float, number: int, seen: Counter[str]) -> None:
    """Keep one connection that never comes to the end of a request; open another when the server ends it."""
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            seen["opened"] += 1
            writer.write(_STARTS[number % len(_STARTS)])
            while time.monotonic() < until:
                with contextlib.suppress(TimeoutError):
                    status, _ = await asyncio.wait_for(answer(reader), _TRICKLE_SECONDS)
                    seen[str(status)] += 1
                    break
                writer.write(b"x")
        except (OSError, asyncio.IncompleteReadError):
            seen["ended"] += 1
            await asyncio.sleep(0.1)
        finally:
            with contextlib.suppress(UnboundLocalError):
                writer.close()


async def upload(port: int, until: float, body: bytes, seen: Counter[str]) -> None:
    """Send large bodies, one after the other; a refusal is waited out, as it asks for."""
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            answering = asyncio.ensure_future(answer(reader))
            writer.write(_HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
            for start in range(0, len(body), 1 << 16):
                writer.write(body[start : start + (1 << 16)])
                await writer.drain()
                if answering.done():
                    break
            status, head = await answering
            seen[str(status)] += 1
            seen["503 without Retry-After"] += status == 503 and b"retry-after" not in head
            await asyncio.sleep(1 if status == 503 else 0)
        except (OSError, asyncio.IncompleteReadError) as error:
            seen[type(error).__name__] += 1
            with contextlib.suppress(Exception):
                await answering
        finally:
            writer.close()


async def pings(port: int, until: float, seen: Counter[str], waits: list[float]) -> None:
    """Ask /ping on a new connection each time."""
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            status, _ = await asyncio.wait_for(answer(reader), 30)
            seen[str(status)] += 1
            writer.close()
        except (OSError, asyncio.IncompleteReadError) as error:
            seen[type(error).__name__] += 1
        waits.append(time.monotonic() - began)
        await asyncio.sleep(_PING_SECONDS)


async def play(role: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what one kind of client saw."""
    until, seen, waits = time.monotonic() + arguments.seconds, Counter[str](), list[float]()
    picture = arguments.picture.read_bytes()
    # A decoder stops at a picture's end: what follows is only there to be carried.
    body = picture + bytes(max(0, _UPLOAD_BYTES - len(picture)))
    each = {
        "slow": lambda number: slow(arguments.port, until, number, seen),
        "uploads": lambda _: upload(arguments.port, until, body, seen),
        "pings": lambda _: pings(arguments.port, until, seen, waits),
    }[role]
    await asyncio.gather(*(each(number) for number in range(getattr(arguments, role))))
    waits.sort()
    shown = (
        {"slowest": waits[-1], "p99": waits[int(0.99 * len(waits))], "median": waits[len(waits) // 2]} if waits else {}
    )
    return {**seen, **shown}


def run(port: int, picture: Path, **options: object) -> dict[str, Any]:
    """Run all kinds at once, and return what each saw; options are those of the command line."""
    flags = [f"--{name}={value}" for name, value in options.items()]
    roles = ("slow", "uploads", "pings")
    commands = {role: [sys.executable, __file__, str(port), str(picture), "--role", role, *flags] for role in roles}
    seconds, clients = options.get("seconds", 60), options.get("clients", 64)
    load = [sys.executable, str(Path(__file__).with_name("load.py")), str(port), str(picture)]
    commands["clients"] = [*load, f"--clients={clients}", f"--seconds={seconds}"]
    running = {role: subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for role, command in commands.items()}
    outputs = {role: process.communicate()[0] for role, process in running.items()}
    assert not any(process.returncode for process in running.values()), outputs
    return {role: json.loads(output) for role, output in outputs.items()}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--role", choices=("slow", "uploads", "pings"))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--slow", type=int, default=2000)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--pings", type=int, default=1)
    arguments = parser.parse_args()
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, max(limit, 65_536)), most))
    if arguments.role:
        found = asyncio.run(play(arguments.role, arguments))
    else:
        given = {name: getattr(arguments, name) for name in ("seconds", "slow", "uploads", "clients", "pings")}
        found = run(arguments.port, arguments.picture, **given)
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main()
