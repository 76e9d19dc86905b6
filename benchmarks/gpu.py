"""What this host's GPUs are worth beside its CPUs, in the GPU image: training in float32 and float16, and an endpoint.

    make gpu-check
    PYTHONPATH=tests:local_test .venv-client/bin/python benchmarks/gpu.py [--image sagemaker-gluoncv:gpu] [--layers 50]

Prints a table for docs/gpu.md. A job's speed includes decoding, which the CPUs do; a step's does not.
"""

import argparse
import os
import re
import statistics
import tempfile
import time
from pathlib import Path

from draw_pictures import draw, write_channel

from support.containers import GPUS, USER, docker, serving, train

ROOT = Path(__file__).resolve().parent.parent
WARM_UP, REQUESTS = 20, 200
# A photo's size; the pictures that tests draw are smaller.
WIDTH, HEIGHT = 640, 480


def step_speed(arguments: argparse.Namespace, where: str, precision: str) -> float:
    """Return images/s of training steps, the batch in memory."""
    code = (ROOT / "benchmarks" / "training_steps.py").read_text()
    steps = arguments.steps if where == "gpu" else str(max(1, int(arguments.steps) // 10))
    flags = GPUS if where == "gpu" else ()
    given = [where, precision, arguments.layers, arguments.images, steps]
    printed = docker("run", "--rm", "--interactive", *flags, arguments.image, "python3", "-", *given, stdin=code)
    return float(printed.splitlines()[-1])


def gpu_names(image: str) -> list[str]:
    """Return what a container sees."""
    code = "from sagemaker_gluoncv_container import devices; print(*devices.gpus(), sep='\\n')"
    return docker("run", "--rm", *GPUS, image, "python3", "-c", code).split("\n")[:-1]


def job_speed(
    arguments: argparse.Namespace, base: Path, where: str, precision: str, channels: dict[str, Path], batch: int
) -> float:
    """Train for two epochs under `base`; return images/s of the second one, without validation."""
    given = {"num_layers": arguments.layers, "epochs": "2", "mini_batch_size": str(batch)}
    settings = {**given, "use_pretrained_model": "0", "precision_dtype": precision, "learning_rate": "0.01"}
    flags = (*USER, *(GPUS if where == "gpu" else ()))
    done = train(base, settings, channels, flags, seconds=3600, image=arguments.image)
    assert done.exit_code == 0, done.log
    pictures = re.search(r"(\d+) training and", done.log)
    seconds = re.search(r"Epoch\[1\] Time cost=([0-9.]+)", done.log)
    assert pictures, done.log
    assert seconds, done.log
    return int(pictures[1]) / float(seconds[1])


def latencies(image: str, model: Path, where: str) -> list[float]:
    """Return how long each of REQUESTS requests took, one after the other, in ms."""
    picture = draw("car", 10_000, WIDTH, HEIGHT)
    with serving(model, *(GPUS if where == "gpu" else ()), image=image) as server:
        times = []
        for _ in range(WARM_UP + REQUESTS):
            began = time.perf_counter()
            server.ask(picture).raise_for_status()
            times.append(1000 * (time.perf_counter() - began))
    return times[WARM_UP:]


def parse() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="sagemaker-gluoncv:gpu")
    parser.add_argument("--layers", default="50", help="of the ResNet")
    parser.add_argument("--images", default="64", help="per step, on each device")
    parser.add_argument("--steps", default="50", help="on GPUs; on CPUs a tenth of that")
    parser.add_argument("--cpu-only", action="store_true", help="leave out the GPUs, to try this program itself")
    return parser.parse_args()


def main() -> None:
    """Measure, and print the table."""
    arguments = parse()
    gpus = [] if arguments.cpu_only else gpu_names(arguments.image)
    kinds = [("cpu", "float32")] + ([("gpu", "float32"), ("gpu", "float16")] if gpus else [])
    print(f"{os.cpu_count()} CPUs; {', '.join(gpus) or 'no GPU'}")
    print(f"ResNet-{arguments.layers}, 224 x 224, {arguments.images} images per step and device\n")
    print("| | training steps, images/s | job, images/s | request, ms | 95th percentile |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="sagemaker-gluoncv-") as folder:
        base = Path(folder)
        write_channel(base / "validation", 10, 10_000)
        for where, count in (("cpu", 1), ("gpu", 10 * len(gpus))):
            write_channel(base / where, 16 * count, 0)
        for where, precision in kinds:
            tree = base / f"{where}-{precision}"
            steps = step_speed(arguments, where, precision)
            batch = int(arguments.images) * (len(gpus) if where == "gpu" else 1)
            channels = {"train": base / where, "validation": base / "validation"}
            whole = job_speed(arguments, tree, where, precision, channels, batch)
            times = latencies(arguments.image, tree / "model", where)
            tail = statistics.quantiles(times, n=20)[-1]
            print(f"| {where}, {precision} | {steps:.1f} | {whole:.1f} | {statistics.median(times):.1f} | {tail:.1f} |")


if __name__ == "__main__":
    main()
