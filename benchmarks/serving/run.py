"""Our server beside its peers, in one run: the same model, the same pictures, the same cores.

    make bench-serving
    PYTHONPATH=local_test .venv/bin/python benchmarks/serving/run.py [--seconds 10] [--rounds 1] [--markdown FILE]

Each peer gets a virtual environment of its own (kept in benchmarks/serving/work), is checked to give the right
answers, is tried with several workers x threads, and is then measured with the best: closed loop at 1, 8 and 64
clients, and at a constant rate that the slowest can take. Two of them need Java. docs/benchmarks.md says how to read
the tables.
"""

import argparse
import json
import math
import random
import socket
import statistics
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import asdict, astuple, fields, replace
from pathlib import Path

import alone
import environments
import load
import measure
import model
import report
import requests
from measure import Timing
from peers import Peer, Server, Setting
from peers.flask_mxnet import FlaskMXNet
from peers.litserve import LitServe
from peers.multi_model_server import MultiModelServer
from peers.ours import OurImage, Ours
from peers.torchserve import TorchServe
from report import Result

ROOT = Path(__file__).resolve().parents[2]
GRID = "1x1,1x2,2x1,2x2,4x1"
# Of what the slowest peer can take in a closed loop.
RATE_SHARE = 0.6
TUNING_CLIENTS, TUNING_SECONDS = 8, 3.0
PICTURES = 32
# int8 is another net: its probabilities may differ as much as its accuracy allows.
INT8_TOLERANCE = 0.15
# Errors after which one peer is left out and the others are still measured.
FAILURES = (RuntimeError, ValueError, OSError, requests.RequestException, subprocess.SubprocessError)


# oneDNN's names of instruction sets, by what remains; older versions read DNNL_MAX_CPU_ISA.
ISAS = {"without VNNI and AMX": "AVX512_CORE", "AVX2 only": "AVX2"}


def limited(isa: str) -> dict[str, str]:
    """Return the variables that keep oneDNN from newer instructions."""
    return {"ONEDNN_MAX_CPU_ISA": isa, "DNNL_MAX_CPU_ISA": isa}


def all_peers(image: str | None) -> list[Peer]:
    """Return ours, first, and the peers."""
    ours: list[Peer] = [
        Ours("ours", "auto", INT8_TOLERANCE),
        Ours("ours, float32", "float32", 0.001),
        *(Ours(f"ours, {what}", "auto", INT8_TOLERANCE, **limited(isa)) for what, isa in ISAS.items()),
    ]
    if image:
        ours.append(OurImage(f"ours, {image}", "auto", INT8_TOLERANCE, image))
    # With fewer instructions too, so that ours is compared with a peer that has the same ones.
    old = MultiModelServer("AVX2 only", **limited(ISAS["AVX2 only"]))
    return [*ours, MultiModelServer(), old, LitServe(), TorchServe(), FlaskMXNet()]


class Benchmark:
    """What all servers are measured with."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._seconds, self._grid, work = arguments.seconds, arguments.grid, arguments.work.resolve()
        directory = (arguments.model or model.train(arguments.shared, work / "model")).resolve()
        validation = arguments.shared / "data" / "clothing-small" / "validation"
        self.pictures = model.pictures(arguments.pictures or validation, PICTURES)
        served = model.as_model_channel(directory, work)
        self.setting = Setting(free_port(), 0, 0, served, model.convert(directory, work), work)
        with self.server(Ours("reference", "float32", 0), self.setting) as server:
            self._reference = [server.ask(picture) for picture in self.pictures]

    def server(self, peer: Peer, setting: Setting) -> Server:
        """Return the peer, to be entered."""
        return Server(peer, setting, self.pictures[0])

    def difference(self, peer: Peer, server: Server) -> float:
        """Return the largest difference of a probability. Raises ValueError if it, or a clear first place, is wrong."""
        largest = 0.0
        for picture, expected in zip(self.pictures, self._reference, strict=True):
            answer = server.ask(picture)
            largest = max(largest, *(abs(one - other) for one, other in zip(answer, expected, strict=True)))
            second, first = sorted(expected)[-2:]
            clear = first - second > 2 * peer.tolerance
            if largest > peer.tolerance or (clear and answer.index(max(answer)) != expected.index(first)):
                raise ValueError(f"its answers are wrong: a probability differs by {largest:.2g}")
        return largest

    def time(self, server: Server, clients: int, seconds: float, rate: float | None = None) -> Timing:
        """Return the figures of one load."""
        sent = tuple(server.request(picture) for picture in self.pictures)
        before = server.tree.cpu_seconds()
        outcome = load.generate(load.Job(self.setting.port, sent, clients, seconds, rate=rate))
        cpu = server.tree.cpu_seconds() - before
        failures = sum(outcome.failures.values())
        return Timing.of(outcome.latencies, outcome.window, outcome.answered, failures, cpu, outcome.cpu_seconds)

    def tune(self, peer: Peer) -> tuple[Setting, float]:
        """Return the workers x threads with the most requests/s at 8 clients, and these."""
        peer.prepare(self.setting)
        tried: list[tuple[float, Setting]] = []
        for workers, threads in self._grid if peer.tuned else [(0, 0)]:
            setting = replace(self.setting, workers=workers, threads=threads)
            with self.server(peer, setting) as server:
                self.difference(peer, server)
                timing = self.time(server, TUNING_CLIENTS, TUNING_SECONDS)
            print(f"  {peer.name}, {setting.shape}: {timing.requests_per_second:.1f} requests/s", flush=True)
            tried.append((timing.requests_per_second, setting))
        capacity, best = max(tried, key=lambda each: each[0])
        return best, capacity

    def measure(self, peer: Peer, setting: Setting, rate: float) -> Result:
        """Return everything that is measured of a server, of one start."""
        result = Result(peer.name, isinstance(peer, Ours), setting.shape)
        loads = {f"{clients} client{'s' * (clients > 1)}": (clients, None) for clients in (1, 8, 64)}
        loads[f"{rate:.1f} requests/s"] = (64, rate)
        with self.server(peer, setting) as server:
            result.ready, result.first_answer = server.ready, server.first_answer
            result.difference = self.difference(peer, server)
            for name, (clients, constant) in loads.items():
                timing = result.loads[name] = self.time(server, clients, self._seconds, constant)
                print(f"  {peer.name}, {name}: {timing}", flush=True)
        with self.server(peer, replace(setting, workers=2, threads=1)) as server:
            self.time(server, TUNING_CLIENTS, TUNING_SECONDS)
            result.memory = server.tree.memory()
        return result


def median(results: list[Result]) -> Result:
    """Return the medians of the rounds' figures; of failures the sum."""

    def middle(name: str) -> float:
        return statistics.median(getattr(result, name) for result in results)

    loads = {}
    for name in results[0].loads:
        columns = zip(*(astuple(result.loads[name]) for result in results), strict=True)
        sums = [field.name in ("failures", "requests") for field in fields(Timing)]
        loads[name] = Timing(*(sum(c) if add else statistics.median(c) for c, add in zip(columns, sums, strict=True)))
    medians = {name: middle(name) for name in ("ready", "first_answer", "memory", "difference")}
    return replace(results[0], loads=loads, **medians)


def compare(benchmark: Benchmark, peers: list[Peer], rounds: int) -> tuple[list[Result], float]:
    """Return what was measured of each, in order, and the constant rate. A peer that fails is named with the reason."""
    tuned: dict[str, tuple[Setting, float]] = {}
    measured: dict[str, list[Result]] = {peer.name: [] for peer in peers}
    reasons: dict[str, str] = {}

    def attempt(peer: Peer, action: str) -> None:
        print(f"{action} {peer.name}", flush=True)
        try:
            if action == "Tuning":
                tuned[peer.name] = benchmark.tune(peer)
            else:
                measured[peer.name].append(benchmark.measure(peer, tuned[peer.name][0], rate))
        except FAILURES as error:
            reasons[peer.name] = str(error)
            print(f"  left out: {error}", flush=True)

    for peer in peers:
        attempt(peer, "Tuning")
    rate = RATE_SHARE * min((capacity for _, capacity in tuned.values()), default=math.nan)
    for _ in range(rounds):
        for peer in peers:
            if peer.name not in reasons:
                attempt(peer, "Measuring")
    found = [
        Result(peer.name, isinstance(peer, Ours), reason=reasons[peer.name])
        if peer.name in reasons
        else median(measured[peer.name])
        for peer in peers
    ]
    return found, rate


def free_port() -> int:
    """Return the first of four ports in a row that nothing listens on. Java servers take none from 49152 on."""
    while True:
        first = random.randrange(20_000, 30_000)
        with ExitStack() as stack, suppress(OSError):
            for port in range(first, first + 4):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first


def parse() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="of each load")
    parser.add_argument(
        "--rounds", type=int, default=1, help="how often all servers are measured in turn; medians are shown"
    )
    parser.add_argument("--grid", default=GRID, help="workers x threads to try for each peer")
    parser.add_argument("--only", help="measure only ours and the peers whose names contain this")
    parser.add_argument("--image", help="measure this Docker image of ours too")
    parser.add_argument("--model", type=Path, help="a model directory; without it one is trained and kept")
    parser.add_argument("--pictures", type=Path, help="a folder of JPEG files of 400 x 533")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="holds data and base weights")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work", help="what is kept between runs")
    parser.add_argument("--markdown", type=Path, help="a document into which the tables go, between its two marks")
    parser.add_argument("--plot", type=Path, help="where the plot goes (.svg or .png)")
    arguments = parser.parse_args()
    if arguments.markdown:
        # Now, and not when all is measured.
        report.split(arguments.markdown)
    arguments.work.mkdir(parents=True, exist_ok=True)
    arguments.plot = arguments.plot or arguments.work / "serving.svg"
    arguments.grid = [tuple(map(int, each.split("x"))) for each in arguments.grid.split(",")]
    return arguments


def main() -> None:
    """Measure, print, draw."""
    arguments = parse()
    peers = all_peers(arguments.image)
    if arguments.only:
        peers = [each for each in peers if isinstance(each, Ours) or arguments.only.lower() in each.name.lower()]
    benchmark = Benchmark(arguments)
    results, rate = compare(benchmark, peers, arguments.rounds)
    if results[0].reason:
        sys.exit(f"Ours cannot be measured: {results[0].reason}")
    costs = {}
    for peer, result in zip(peers[:2], results, strict=False):
        if result.reason or not isinstance(peer, Ours):
            continue
        variables = peer.variables(benchmark.setting)
        costs[peer.name] = alone.measure(benchmark.setting.model, benchmark.pictures, 1, variables)
    tried = ", ".join(f"{workers} x {threads}" for workers, threads in arguments.grid)
    about = f"Loads of {arguments.seconds:g} s, {arguments.rounds} round(s); constant rate {rate:.1f} requests/s."
    about = f"{about} Peers' workers x threads: the best of {tried}."
    text = report.markdown(measure.machine(), about, results, costs)
    print(f"\n{text}")
    content = {"machine": measure.machine(), "results": [asdict(each) for each in results], "alone": costs}
    (arguments.work / "results.json").write_text(json.dumps(content, indent=1))
    if arguments.markdown:
        report.insert(arguments.markdown, text)
    environments.run("plot", arguments.work, "plot.py", str(arguments.work / "results.json"), str(arguments.plot))
    print(f"\nPlot: {arguments.plot}")


if __name__ == "__main__":
    main()
