"""Two checkouts beside each other in one run: the speed of training and of serving, in int8 and in float32.

    make bench-before-after BEFORE=/path/to/the/earlier/checkout BENCH_FLAGS="--rounds 5 --seconds 10"

In each round each checkout trains a model and serves it; which one goes first alternates. A model is served by the
checkout that trained it, because what is stored beside the weights may change. Prints the medians of the rounds, and
how many times better `after` is. Run it on a machine that does nothing else.
"""

import argparse
import json
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import load
import model
from draw_pictures import CLASSES, draw
from measure import Timing, machine, ratio
from peers import Launch, Server, Setting
from peers.ours import Ours

from sagemaker_gluoncv_container.data.recordio import Writer
from support.processes import ROOT, free_port

HYPERPARAMETERS = {
    "num_layers": "18",
    "learning_rate": "0.02",
    "augmentation_type": "crop",
    "mini_batch_size": "32",
    # The first epoch warms up; the second is measured.
    "epochs": "2",
    "seed": "1",
}
# What is printed: each figure's unit, and whether more of it is better.
UNITS = {"images/s": True, "requests/s": True, "CPU-ms per image": False, "CPU-ms per request": False, "p99, ms": False}
CLIENTS = 8
Figures = dict[str, float]


class Checkout(Ours):
    """Our server and our training, from the sources in any folder, under the Python that runs this."""

    def __init__(self, name: str, root: Path, precision: str) -> None:
        super().__init__(f"{name}, {precision}", precision, tolerance=1.0)
        self._root = root

    def launch(self, setting: Setting) -> Launch:
        """Return what starts it."""
        given = super().launch(setting)
        environment = {**given.environment, "PYTHONPATH": str(self._root / "src")}
        return Launch([sys.executable, str(self._root / "serve" / "serve")], environment)


def write_channels(base: Path, photos: Path | None, counts: dict[str, int]) -> None:
    """Write `counts` pictures into each channel: photos (split/class/*.jpg), or drawn ones if there are none."""
    for split, count in counts.items():
        folder = base / "input" / "data" / split
        folder.mkdir(parents=True)
        if photos:
            files = sorted((photos / split).glob("*/*.jpg"))
            random.Random(0).shuffle(files)
            classes = sorted({path.parent.name for path in files})
            content = [(classes.index(path.parent.name), path.read_bytes()) for path in files[:count]]
        else:
            classes = list(CLASSES)
            names = [classes[number % len(classes)] for number in range(count)]
            content = [
                (classes.index(name), draw(name, n + 10_000 * (split == "train"), 400, 533))
                for n, name in enumerate(names)
            ]
        with Writer(folder / "pictures.rec") as writer:
            for label, data in content:
                writer.write((float(label),), data)
        (folder / "classes.json").write_text(json.dumps(classes))


def train(root: Path, base: Path, arguments: argparse.Namespace) -> Figures:
    """Train with a checkout under `base`; return images/s of the second epoch, and CPU-ms per image of the job."""
    for folder in ("model", "output", "checkpoints"):
        shutil.rmtree(base / folder, ignore_errors=True)
    weights = arguments.shared / "pretrained"
    given = {**HYPERPARAMETERS, "image_shape": f"3,{arguments.side},{arguments.side}"}
    given["use_pretrained_model"] = str(int(weights.is_dir()))
    (base / "input" / "config").mkdir(parents=True, exist_ok=True)
    (base / "input" / "config" / "hyperparameters.json").write_text(json.dumps(given))
    environment = {
        **os.environ,
        "PYTHONPATH": str(root / "src"),
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_GLUONCV_PRETRAINED_DIR": str(weights),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, str(root / "train" / "train")]
    job = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = re.search(r"Epoch\[1\] Time cost=([0-9.]+)", job.stdout)
    if job.returncode or not seconds:
        sys.exit(f"The job of {root} ended with {job.returncode}:\n{job.stdout}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    images = 2 * (arguments.train + arguments.validation)
    return {"images/s": arguments.train / float(seconds[1]), "CPU-ms per image": 1000 * cpu / images}


def serve(peer: Checkout, setting: Setting, pictures: list[bytes], seconds: float) -> Figures:
    """Return requests/s, CPU-ms per request and the 99th percentile of a server under CLIENTS clients."""
    with Server(peer, setting, pictures[0]) as server:
        sent = tuple(server.request(picture) for picture in pictures)
        before = server.tree.cpu_seconds()
        outcome = load.generate(load.Job(setting.port, sent, CLIENTS, seconds))
        cpu = server.tree.cpu_seconds() - before
    failures = sum(outcome.failures.values())
    if failures:
        sys.exit(f"{peer.name}: {failures} requests failed: {dict(outcome.failures)}")
    timing = Timing.of(outcome.latencies, outcome.window, outcome.answered, failures, cpu, outcome.cpu_seconds)
    return {"requests/s": timing.requests_per_second, "CPU-ms per request": timing.cpu, "p99, ms": timing.p99}


def measured(arguments: argparse.Namespace, work: Path) -> Iterator[tuple[str, str, Figures]]:
    """Yield (`before` or `after`, what was measured, figures) for everything in every round."""
    photos = arguments.shared / "data" / "clothing-small"
    counts = {"train": arguments.train, "validation": arguments.validation}
    roots = {"before": arguments.before.resolve(), "after": arguments.after.resolve()}
    for name in roots:
        write_channels(work / name, photos if photos.is_dir() else None, counts)
    if photos.is_dir():
        pictures = model.pictures(photos / "validation", arguments.pictures)
    else:
        pictures = [draw("car", 20_000 + number, *model.SIZE) for number in range(arguments.pictures)]
    for number in range(arguments.rounds):
        for name in list(roots) if number % 2 == 0 else reversed(roots):
            yield name, "training", train(roots[name], work / name, arguments)
            for precision in arguments.precisions:
                peer = Checkout(name, roots[name], precision)
                setting = Setting(free_port(), 0, 0, work / name / "model", work, work)
                yield name, f"serving, {precision}", serve(peer, setting, pictures, arguments.seconds)


def table(rounds: dict[tuple[str, str], dict[str, list[float]]]) -> str:
    """Return the medians as a Markdown table; `rounds` has each round's figure by (what, unit) and by checkout."""
    lines = ["| | | before | after | times better |", "|---|---|---|---|---|"]
    for (what, unit), by_name in rounds.items():
        before, after = (statistics.median(by_name[name]) for name in ("before", "after"))
        better = ratio(after, before, more_is_better=UNITS[unit])
        lines.append(f"| {what} | {unit} | {before:.2f} | {after:.2f} | {better:.3f} |")
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="the earlier checkout")
    parser.add_argument("--after", type=Path, default=ROOT, help="the later one; this checkout unless given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10, help="of load on each server")
    parser.add_argument("--train", type=int, default=512, help="training pictures")
    parser.add_argument("--validation", type=int, default=256, help="validation pictures")
    parser.add_argument("--side", type=int, default=224, help="height and width of the net's input, in pixels")
    parser.add_argument("--pictures", type=int, default=32, help="pictures that are sent in turn")
    parser.add_argument("--precisions", nargs="+", default=["int8", "float32"], help="what nets are served in")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="holds photos and base weights")
    return parser.parse_args()


def main() -> None:
    """Measure both checkouts and print the table."""
    arguments = parse()
    rounds: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="sagemaker-gluoncv-") as folder:
        for name, what, figures in measured(arguments, Path(folder)):
            print(
                f"  {name}, {what}: {', '.join(f'{value:.2f} {unit}' for unit, value in figures.items())}", flush=True
            )
            for unit, value in figures.items():
                rounds[what, unit][name].append(value)
    print(f"\n{machine()}. Medians of {arguments.rounds}; {CLIENTS} clients; {arguments.side} x {arguments.side}.\n")
    print(table(rounds))


if __name__ == "__main__":
    main()
