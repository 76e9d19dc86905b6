"""`prepare` beside MXNet's tools/im2rec.py, in one run: speed on photos and on 12-megapixel photos, and memory.

    .venv/bin/python benchmarks/preparing.py PICTURES [--python PYTHON] [--rounds 3] [--only small] [--plot SVG]

PICTURES holds <class>/*.jpg of about 400 x 533 pixels. PYTHON is one with mxnet 1.9.1 and opencv-python-headless, which
im2rec needs and the image does not have. Both get 2 threads (im2rec: 2 processes, and one to write), shortest side 256,
quality 95. `prepare` does all its checks, splits and writes its report; im2rec makes its list, then packs it.
"""

import argparse
import io
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from sagemaker_gluoncv_container import images
from sagemaker_gluoncv_container.decoding.picture import decode
from sagemaker_gluoncv_container.preparing import inspecting

SIDE, QUALITY, THREADS = 256, 95, 2
PREPARE = [sys.executable, "-m", "sagemaker_gluoncv_container.cli", "prepare"]
# 12 megapixels, as phones make them.
LARGE, LARGE_COUNT = (4000, 3000), 60


def measure(command: list[str], folder: Path) -> tuple[float, float, float]:
    """Run a command; return wall-clock seconds, CPU seconds of all its processes, the largest one's peak in MiB."""
    code = (
        "import json, resource, subprocess, sys, time; began = time.monotonic();"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); seconds = time.monotonic() - began;"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(json.dumps([seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]));"
        "sys.exit(done.returncode)"
    )
    run = subprocess.run([sys.executable, "-c", code, *command], stdout=subprocess.PIPE, cwd=folder, check=True)
    seconds, cpu, peak = json.loads(run.stdout)
    return seconds, cpu, peak


def run_ours(pictures: Path, folder: Path) -> tuple[float, float]:
    """Prepare pictures; return seconds and CPU seconds."""
    command = [*PREPARE, str(pictures), str(folder / "ours"), "--resize", str(SIDE), "--quality", str(QUALITY)]
    seconds, cpu, _ = measure([*command, "--threads", str(THREADS), "--no-progress"], folder)
    shutil.rmtree(folder / "ours")
    return seconds, cpu


def run_im2rec(pictures: Path, folder: Path, python: str) -> tuple[float, float]:
    """List and pack pictures with im2rec; return seconds and CPU seconds."""
    where = "import mxnet, pathlib; print(pathlib.Path(mxnet.__file__).parent / 'tools' / 'im2rec.py')"
    script = subprocess.run([python, "-c", where], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    listing = [python, script, "--list", "--recursive", "--train-ratio", "0.9", "theirs", str(pictures)]
    packing = [python, script, "--resize", str(SIDE), "--quality", str(QUALITY), "--num-thread", str(THREADS), "theirs"]
    runs = [measure(command, folder) for command in (listing, [*packing, str(pictures)])]
    assert list(folder.glob("theirs*.rec"))
    for path in folder.glob("theirs*"):
        path.unlink()
    return sum(run[0] for run in runs), sum(run[1] for run in runs)


Run = Callable[[], tuple[float, float]]


def beside(name: str, count: int, ours: Run, theirs: Run, rounds: int) -> None:
    """Run both in turn, print the medians. CPU seconds tell them apart on a machine that others use too."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    for place, kind in enumerate(("seconds", "CPU seconds")):
        mine = statistics.median(pair[0][place] for pair in pairs)
        other = statistics.median(pair[1][place] for pair in pairs)
        print(f"{name}, {count} pictures, {kind}: prepare {mine:.1f} ({count / mine:.0f}/s),", end=" ")
        print(f"im2rec {other:.1f} ({count / other:.0f}/s), ratio {other / mine:.2f}", flush=True)


def enlarge(job: tuple[Path, Path]) -> None:
    """Write a photo as one of 12 megapixels, with a sensor's noise."""
    source, target = job
    image = Image.open(source).convert("RGB").resize(LARGE, Image.Resampling.BICUBIC)
    noise = np.random.default_rng(len(target.name)).normal(0, 4, (*LARGE[::-1], 1))
    pixels = (np.asarray(image) + noise).clip(0, 255).astype(np.uint8)
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(target, quality=90)


def write_large(pictures: Path, folder: Path) -> Path:
    """Make the 12-megapixel photos."""
    paths = sorted(pictures.rglob("*.jpg"))
    chosen = random.Random(0).sample(paths, LARGE_COUNT)
    with ProcessPoolExecutor(THREADS) as pool:
        list(pool.map(enlarge, [(path, folder / "large" / path.parent.name / path.name) for path in chosen]))
    return folder / "large"


def draw_one(job: tuple[int, Path]) -> None:
    """Write a small drawn picture unlike any other."""
    seed, folder = job
    grid = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grid).resize((96, 72), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
    path = folder / f"class-{seed % 10}" / f"{seed:06d}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())


def memory(folder: Path, counts: tuple[int, ...]) -> dict[int, float]:
    """Print and return the peak of memory, MiB, for more and more drawn pictures."""
    drawn, peaks = 0, {}
    for count in counts:
        with ProcessPoolExecutor(THREADS) as pool:
            list(pool.map(draw_one, ((seed, folder / "drawn") for seed in range(drawn, count)), chunksize=200))
        drawn = count
        command = [*PREPARE, str(folder / "drawn"), str(folder / "ours"), "--resize", "64", "--no-progress"]
        seconds, _, peak = measure([*command, "--threads", str(THREADS)], folder)
        shutil.rmtree(folder / "ours")
        print(f"memory: {count} pictures, peak {peak:.0f} MiB, {seconds:.0f} s ({count / seconds:.0f}/s)", flush=True)
        peaks[count] = peak
    return peaks


def plot(peaks: dict[int, float], path: Path) -> None:
    """Draw the peaks of memory over the number of pictures, both axes from 0: flat is flat."""
    width, height, left, bottom = 560, 220, 60, 180
    right, top = max(peaks), max(peaks.values()) * 1.25
    points = [(left + 460 * count / right, bottom - 150 * peak / top) for count, peak in peaks.items()]
    marks = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points]
    texts = [
        f'<text x="{x:.1f}" y="{y - 10:.1f}" text-anchor="middle">{peak:.0f}</text>'
        f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{count:,}</text>'
        for (x, y), (count, peak) in zip(points, peaks.items(), strict=True)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
        ' font-size="12">'
        f'<rect width="{width}" height="{height}" fill="white"/>'
        f'<path d="M{left} 20V{bottom}H{width - 20}" fill="none" stroke="black"/>'
        f'<polyline points="{line}" fill="none" stroke="steelblue" stroke-width="2"/>{"".join(marks + texts)}'
        f'<text x="8" y="16">peak memory, MiB</text>'
        f'<text x="{width - 20}" y="{height - 6}" text-anchor="end">pictures</text></svg>\n'
    )


def tolerance(name: str, pictures: Path, side: int) -> None:
    """Print how far the picture that was decoded at a reduced scale is from the one that was decoded in full."""
    means, largest = [], 0
    for path in sorted(pictures.rglob("*.jpg"))[:400]:
        data = path.read_bytes()
        whole = decode(data)
        reduced = decode(data, side * images.REDUCING_GAP)
        one, other = (np.asarray(inspecting.scaled(image, whole.size, side)).astype(int) for image in (whole, reduced))
        difference = np.abs(one - other)
        means.append(difference.mean())
        largest = max(largest, int(difference.max()))
    print(f"tolerance, {name} to {side}: mean difference {statistics.mean(means):.2f} levels of 255,", end=" ")
    print(f"worst picture {max(means):.2f}, worst pixel {largest}", flush=True)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--counts", default="1000,10000,50000")
    parser.add_argument("--plot", type=Path, help="where to draw the peaks of memory, an .svg file")
    parser.add_argument("--only", choices=["small", "large", "tolerance", "memory"])
    arguments = parser.parse_args()
    pictures, python, rounds = arguments.pictures.resolve(), arguments.python, arguments.rounds

    def wanted(*names: str) -> bool:
        return arguments.only is None or arguments.only in names

    with tempfile.TemporaryDirectory(prefix="sagemaker-gluoncv-") as name:
        folder = Path(name)
        if wanted("small"):
            count = len(list(pictures.rglob("*.jpg")))
            theirs = lambda: run_im2rec(pictures, folder, python)  # noqa: E731
            beside("400 x 533", count, lambda: run_ours(pictures, folder), theirs, rounds)
        if wanted("large", "tolerance"):
            large = write_large(pictures, folder)
        if wanted("tolerance"):
            tolerance("12 megapixels", large, SIDE)
            tolerance("400 x 533", pictures, 64)
        if wanted("large"):
            theirs = lambda: run_im2rec(large, folder, python)  # noqa: E731
            beside("12 megapixels", LARGE_COUNT, lambda: run_ours(large, folder), theirs, rounds)
        if wanted("memory"):
            peaks = memory(folder, tuple(int(count) for count in arguments.counts.split(",")))
            if arguments.plot:
                plot(peaks, arguments.plot)


if __name__ == "__main__":
    main()
