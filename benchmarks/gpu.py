"""What this host's GPUs are worth beside its CPUs, in the GPU image: training in float32 and float16, and an endpoint.

    make gpu-check      # or: .venv-client/bin/python benchmarks/gpu.py [--image sagemaker-gluoncv:gpu] [--layers 50]

Prints a table for docs/gpu.md. A job's speed has decoding in it, which the CPUs do; a step's has not.
"""

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "container"), str(ROOT / "local_test")]

PARSER = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
PARSER.add_argument("--image", default="sagemaker-gluoncv:gpu")
PARSER.add_argument("--layers", default="50", help="of the ResNet")
PARSER.add_argument("--images", default="64", help="a step, on each device")
PARSER.add_argument("--steps", default="50", help="on GPUs; a tenth on CPUs")
PARSER.add_argument("--cpu-only", action="store_true", help="leave out the GPUs, to try this program itself")
ARGUMENTS = PARSER.parse_args()
# Before containers.py is imported, which reads it.
os.environ["IMAGE"] = ARGUMENTS.image

from containers import GPUS, USER, docker, serving, train  # noqa: E402
from draw_pictures import draw, write_channel  # noqa: E402

WARM_UP, REQUESTS = 20, 200
# A photo's size; the pictures that tests draw are smaller.
WIDTH, HEIGHT = 640, 480


def step_speed(where: str, precision: str) -> float:
    """Return images/s of training steps, the batch in memory."""
    code = (ROOT / "benchmarks" / "training_steps.py").read_text()
    steps = ARGUMENTS.steps if where == "gpu" else str(max(1, int(ARGUMENTS.steps) // 10))
    flags = GPUS if where == "gpu" else ()
    given = [where, precision, ARGUMENTS.layers, ARGUMENTS.images, steps]
    printed = docker("run", "--rm", "--interactive", *flags, ARGUMENTS.image, "python3", "-", *given, stdin=code)
    return float(printed.splitlines()[-1])


def gpu_names() -> list[str]:
    """Return what a container sees."""
    code = "from sagemaker_gluoncv_container import devices; print(*devices.gpus(), sep='\\n')"
    return docker("run", "--rm", *GPUS, ARGUMENTS.image, "python3", "-c", code).split("\n")[:-1]


def job_speed(base: Path, where: str, precision: str, channels: dict[str, Path], batch: int) -> float:
    """Train for two epochs under `base`; return images/s of the second one, validation not counted."""
    given = {"num_layers": ARGUMENTS.layers, "epochs": "2", "mini_batch_size": str(batch)}
    settings = {**given, "use_pretrained_model": "0", "precision_dtype": precision, "learning_rate": "0.01"}
    done = train(base, settings, channels, (*USER, *(GPUS if where == "gpu" else ())), seconds=3600)
    assert done.exit_code == 0, done.log
    pictures = re.search(r"(\d+) training and", done.log)
    seconds = re.search(r"Epoch\[1\] Time cost=([0-9.]+)", done.log)
    assert pictures, done.log
    assert seconds, done.log
    return int(pictures[1]) / float(seconds[1])


def latencies(model: Path, where: str) -> list[float]:
    """Return how long each of REQUESTS requests took, one after the other, in ms."""
    picture = draw("car", 10_000, WIDTH, HEIGHT)
    with serving(model, *(GPUS if where == "gpu" else ())) as server:
        times = []
        for _ in range(WARM_UP + REQUESTS):
            began = time.perf_counter()
            server.ask(picture).raise_for_status()
            times.append(1000 * (time.perf_counter() - began))
    return times[WARM_UP:]


def main() -> None:
    """Measure, and print the table."""
    gpus = [] if ARGUMENTS.cpu_only else gpu_names()
    kinds = [("cpu", "float32")] + ([("gpu", "float32"), ("gpu", "float16")] if gpus else [])
    print(f"{os.cpu_count()} CPUs; {', '.join(gpus) or 'no GPU'}")
    print(f"ResNet-{ARGUMENTS.layers}, 224 x 224, {ARGUMENTS.images} images a step and device\n")
    print("| | training steps, images/s | job, images/s | request, ms | 95th percentile |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="sagemaker-gluoncv-") as folder:
        base = Path(folder)
        write_channel(base / "validation", 10, 10_000)
        for where, count in (("cpu", 1), ("gpu", 10 * len(gpus))):
            write_channel(base / where, 16 * count, 0)
        for where, precision in kinds:
            tree = base / f"{where}-{precision}"
            steps = step_speed(where, precision)
            batch = int(ARGUMENTS.images) * (len(gpus) if where == "gpu" else 1)
            channels = {"train": base / where, "validation": base / "validation"}
            whole = job_speed(tree, where, precision, channels, batch)
            times = latencies(tree / "model", where)
            tail = statistics.quantiles(times, n=20)[-1]
            print(f"| {where}, {precision} | {steps:.1f} | {whole:.1f} | {statistics.median(times):.1f} | {tail:.1f} |")


if __name__ == "__main__":
    main()
