"""int8 beside float32 on pictures that it was neither calibrated nor judged on: 20 nets, of four sizes of data.

Each net is a ResNet-18 of 6 epochs at 128 x 128 on some of clothing-small's training photos, trained by this checkout
and kept under --work; the other training photos are held out. For each net this makes the int8 form again, as a job
does at its end, and prints a row of the table in docs/benchmarks.md. A form ruined on purpose is judged beside it.
"""

import argparse
import collections
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagemaker_gluoncv_container import artifact, images
from sagemaker_gluoncv_container.arrays import Pixels
from sagemaker_gluoncv_container.artifact import Artifact, Quantization
from sagemaker_gluoncv_container.decoding.picture import decode
from sagemaker_gluoncv_container.inference import engine, judging
from sagemaker_gluoncv_container.inference.calibration import Calibration
from sagemaker_gluoncv_container.machine import cpu_count
from sagemaker_gluoncv_container.training import channels
from sagemaker_gluoncv_container.training.results import quantizing

ROOT = Path(__file__).resolve().parents[1]
SIZES, SEEDS = (300, 600, 1200, 2400), 5
HYPERPARAMETERS = {
    "epochs": "6",
    "learning_rate": "0.01",
    "image_shape": "3,128,128",
    "augmentation_type": "crop",
    "use_pretrained_model": "1",
}
# Ranges of this share cut off what a ruined form would need.
NARROW = 0.3
COLUMNS = (
    "photos, seed", "float32", "int8", "points", "the same", "held out", "judged on 341: float32, int8", "verdict",
    "calibrated in", "ms a picture: float32, int8", "worse form: points, verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """What came of one net."""

    kept: bool
    points: float
    seconds: float
    milliseconds: tuple[float, float]
    ruined_is_refused: bool
    cells: Sequence[str]


def net(shared: Path, work: Path, size: int, seed: int) -> Path:
    """Return the folder of a net, trained if it is not there; held_out.txt has the photos that it has not seen."""
    base, photos = work / f"{size}-{seed}", sorted((shared / "data/clothing-small/train").glob("*/*.jpg"))
    if (base / "done").exists():
        return base
    shutil.rmtree(base, ignore_errors=True)
    drawn, chosen = random.Random(seed * 100003 + size), []
    classes = collections.defaultdict(list)
    for photo in photos:
        classes[photo.parent.name].append(photo)
    for _, some in sorted(classes.items()):
        drawn.shuffle(some)
        chosen += some[: max(2, round(size * len(some) / len(photos)))]
    for photo in chosen:
        link = base / "input/data/train" / photo.parent.name / photo.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(photo)
    (base / "input/data/validation").symlink_to(shared / "data/clothing-small/validation")
    (base / "held_out.txt").write_text("\n".join(map(str, sorted(set(photos) - set(chosen)))))
    (base / "input/config").mkdir()
    (base / "input/config/hyperparameters.json").write_text(json.dumps({**HYPERPARAMETERS, "seed": str(seed)}))
    environment = {
        **os.environ,
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_GLUONCV_PRETRAINED_DIR": str(shared / "pretrained"),
    }
    with (base / "log").open("w") as log:
        subprocess.run([sys.executable, ROOT / "train/train"], env=environment, stdout=log, stderr=log, check=True)
    (base / "done").touch()
    return base


def pixels_of(path: Path, found: Artifact) -> Pixels:
    """Return a photo as the net gets it when it is validated or served."""
    preprocessing = found.description.preprocessing
    return images.for_evaluation(decode(path.read_bytes(), preprocessing.decoded_side), preprocessing)


def calibrated(base: Path, folder: Path) -> tuple[Artifact, Quantization, float]:
    """Return a copy of a net's model with its int8 form, and the seconds that it took."""
    shutil.copytree(base / "model", folder)
    names = artifact.load(folder).description.classes
    train, validation = (
        channels.in_folder(base / "input/data" / name, len(names), names) for name in ("train", "validation")
    )
    began = time.perf_counter()
    made = quantizing.from_channels(folder, train, validation, max(1, round(cpu_count())))
    return artifact.load(folder), made, time.perf_counter() - began


def answered(model: Any, pictures: Sequence[Pixels], seconds: list[float]) -> Any:
    """Return the answers of a net to pictures, and add how long each took."""
    answers = []
    for each in pictures:
        began = time.perf_counter()
        answers.append(model(each))
        seconds.append(time.perf_counter() - began)
    return np.stack(answers)


def ruined(found: Artifact, made: Quantization, validation: Sequence[tuple[Pixels, int]]) -> judging.Comparison:
    """Compare with float32 a form whose ranges are far too narrow."""
    calibration = Calibration(found, 1)
    narrow = {name: (NARROW * low, NARROW * high) for name, (low, high) in made.ranges.items()}
    nets = [calibration.net(), calibration.net(narrow)]
    answers = [np.stack([each(pixels)[0] for pixels, _ in validation]) for each in nets]
    return judging.compare(*answers, np.array([label for _, label in validation], np.float32))


def measured(base: Path, folder: Path) -> Row:
    """Return the row of a net."""
    found, made, seconds = calibrated(base, folder)
    classes = found.description.classes
    held_out = [Path(line) for line in (base / "held_out.txt").read_text().splitlines()]
    labels = np.array([classes.index(path.parent.name) for path in held_out], np.float32)
    precisions = ("float32", "float32" if made.refused else "int8")
    nets = [engine.load(found, precision)[0] for precision in precisions]
    answers: list[list[Any]] = [[], []]
    spent: list[list[float]] = [[], []]
    for first in range(0, len(held_out), 100):
        pictures = [pixels_of(path, found) for path in held_out[first : first + 100]]
        for number, each in enumerate(nets):
            answers[number].append(answered(lambda one, each=each: each.compute(one[None])[0], pictures, spent[number]))
    outcome = judging.compare(*(np.concatenate(each) for each in answers), labels)
    float32, int8 = (1000 * statistics.median(each) for each in spent)
    photos = sorted((base / "input/data/validation").glob("*/*.jpg"))
    worse = ruined(found, made, [(pixels_of(path, found), classes.index(path.parent.name)) for path in photos])
    refused = judging.fault(worse) is not None
    cells = (
        base.name.replace("-", ", "), f"{outcome.accuracy_float32:.4f}", f"{outcome.accuracy_int8:.4f}",
        f"{0 - 100 * outcome.lost:+.2f}", f"{outcome.agreement:.2%}", str(outcome.pictures),
        f"{made.accuracy_float32:.4f}, {made.accuracy_int8:.4f}", "refused" if made.refused else "kept",
        f"{seconds:.1f} s", f"{float32:.1f}, {int8:.1f}",
        f"{-100 * worse.lost:+.1f}, {'refused' if refused else 'kept'}",
    )  # fmt: skip
    return Row(not made.refused, -100 * outcome.lost, seconds, (float32, int8), refused, cells)


def machine() -> str:
    """Return what CPU this ran on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "An unknown CPU")
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return (
        f"{name}, {cpu_count():g} cores, {'with' if 'avx512_vnni' in flags or 'avx_vnni' in flags else 'without'} VNNI"
    )


def main() -> None:
    """Print a table in Markdown, and what it comes to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="has data/ and pretrained/")
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks/int8_work", help="keeps the nets")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="nets of each size")
    parser.add_argument("--trained-only", action="store_true", help="leave out the nets that are not there yet")
    given = parser.parse_args()
    rows = []
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for size in SIZES:
        for seed in range(given.seeds):
            if given.trained_only and not (given.work / f"{size}-{seed}/done").exists():
                continue
            with tempfile.TemporaryDirectory() as temporary:
                row = measured(net(given.shared.resolve(), given.work, size, seed), Path(temporary) / "model")
            rows.append(row)
            print(f"| {' | '.join(row.cells)} |", flush=True)
    float32, int8 = (statistics.mean(row.milliseconds[number] for row in rows) for number in (0, 1))
    points = [row.points for row in rows]
    print(
        f"\nKept {sum(row.kept for row in rows)} of {len(rows)}; on average {statistics.mean(points):+.3f} points, "
        f"at worst {min(points):+.2f}; {float32 / int8:.2f} times as fast as float32; "
        f"{sum(row.ruined_is_refused for row in rows)} of {len(rows)} ruined forms refused; calibrated in "
        f"{statistics.median(row.seconds for row in rows):.1f} s (median). {machine()}"
    )


if __name__ == "__main__":
    main()
