"""The benchmark's own arithmetic: what benchmarks/serving says of a server is what the server did."""

import importlib.util
import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "serving"
# A parent and two children: one that has ended, one that lives on. Each says how much CPU time it used.
_FAMILY = """
import subprocess, sys, time
burn = "import time\\nwhile time.process_time() < {}: pass\\nprint(time.process_time(), flush=True)\\n"
ended = subprocess.run([sys.executable, "-c", burn.format(0.5)], stdout=subprocess.PIPE, text=True)
lives = [sys.executable, "-c", "block = b'x' * (64 << 20)\\n" + burn.format(0.3) + "input()"]
child = subprocess.Popen(lives, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
print(ended.stdout.strip(), child.stdout.readline().strip(), time.process_time(), flush=True)
input()
child.communicate("")
"""


def module(name: str) -> ModuleType:
    """Return a module of the benchmark, under a name that no other module has."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_serving_{name}", FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


measure, load = module("measure"), module("load")


class Answering(BaseHTTPRequestHandler):
    """Answers one request at a time, each after 50 ms, every fourth one with 503; some with the connection's end."""

    protocol_version = "HTTP/1.1"
    turn = threading.Lock()
    received: list[bytes] = []

    def do_POST(self) -> None:  # noqa: N802
        """Answer one request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.turn:
            self.received.append(body)
            number = len(self.received)
            time.sleep(0.05)
        self.send_response(503 if number % 4 == 0 else 200)
        self.send_header("Content-Length", "2")
        if number % 5 == 0:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """Yield a server that runs."""
    Answering.received = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield http
        http.shutdown()
        thread.join()


def requests_to(server: ThreadingHTTPServer) -> tuple[bytes, ...]:
    """Return two requests, the second larger than what a socket takes at once."""
    port = server.server_address[1]
    return tuple(load.request(port, "/", "image/jpeg", b"x" * size) for size in (10, 8 << 20))


@pytest.mark.parametrize("count", [1, 2, 99, 100, 101, 1234])
def test_percentiles(count: int) -> None:
    """Percentiles are NumPy's by nearest rank; of nothing there is none."""
    values = np.random.default_rng(count).exponential(size=count)
    for share in (0.5, 0.99, 1.0):
        assert measure.percentile(list(values), share) == np.percentile(values, 100 * share, method="inverted_cdf")
    assert math.isnan(measure.percentile([], 0.5))


def test_ratios() -> None:
    """A ratio says how many times better ours is, whichever way better goes."""
    assert measure.ratio(300, 100, more_is_better=True) == 3
    assert measure.ratio(20, 100, more_is_better=False) == 5
    assert math.isnan(measure.ratio(math.nan, 100, more_is_better=False))


def test_timing() -> None:
    """Requests/s are of the window; CPU time is shared by all requests, failed ones too."""
    timing = measure.Timing.of([0.010, 0.020, 0.030, 0.500], 2.0, answered=6, failures=2, cpu=0.4, generator=0.008)
    assert (timing.requests_per_second, timing.requests, timing.failures) == (2.0, 8, 2)
    assert (timing.p50, timing.p99) == (20.0, 500.0)
    assert (timing.cpu, timing.generator_cpu) == (50.0, 1.0)


def test_a_tree_is_counted_whole() -> None:
    """CPU time is that of all processes, ended ones too, each once; memory is that of all that live."""
    command = [sys.executable, "-c", _FAMILY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as family:
        assert family.stdout
        used = sum(map(float, family.stdout.readline().split()))
        tree = measure.Tree(family.pid)
        # Clock ticks are 10 ms; what a process uses after its last word is little.
        assert tree.cpu_seconds() == pytest.approx(used, abs=0.15)
        assert 64 < tree.memory() < 128
        assert len(tree.processes()) == 2
        family.communicate("\n")
    assert tree.processes() == []


def test_closed_loop(server: ThreadingHTTPServer) -> None:
    """Every request that is sent is counted, as answered or failed; latencies are of answers in the window."""
    outcome = load.generate(load.Job(server.server_address[1], requests_to(server), 4, seconds=1.0, warm_up=0.5))
    assert outcome.answered + outcome.failures.total() == len(Answering.received)
    assert +outcome.failures == {"503": len(Answering.received) // 4}
    assert 0 < len(outcome.latencies) <= 20
    # Four clients take turns of 50 ms.
    assert max(outcome.latencies) > 0.14
    assert {len(body) for body in Answering.received} == {10, 8 << 20}


def test_a_constant_rate_keeps_its_times(server: ThreadingHTTPServer) -> None:
    """At twice what a server can take, a latency holds the wait for a free client: the last one, half the time."""
    job = load.Job(server.server_address[1], requests_to(server)[:1], 2, seconds=2.0, warm_up=0.0, rate=40.0)
    outcome = load.generate(job)
    assert len(Answering.received) == 80
    assert len(outcome.latencies) == outcome.answered == 60
    assert max(outcome.latencies) > 1.9
