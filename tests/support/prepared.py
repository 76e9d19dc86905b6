"""What the tests of `prepare` share: drawn pictures, the command line, MXNet's reader, and a training job."""

import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from draw_pictures import draw
from PIL import Image

from sagemaker_gluoncv_container.cli import main
from support.jobs import Job, run_job


@dataclass(frozen=True)
class Packed:
    """A record as MXNet's own reader gives it, and the name that the .lst has for it."""

    side: str
    name: str
    labels: tuple[float, ...]
    data: bytes


@dataclass(frozen=True)
class Prepared:
    """What a preparation left in its folder."""

    out: Path

    @property
    def report(self) -> dict[str, Any]:
        """Return report.json."""
        value: dict[str, Any] = json.loads((self.out / "report.json").read_text())
        return value

    @property
    def classes(self) -> list[str]:
        """Return classes.json."""
        value: list[str] = json.loads((self.out / "classes.json").read_text())
        return value

    def left_out(self) -> dict[str, set[str]]:
        """Return the names under each reason."""
        return {reason: {each["name"] for each in rows} for reason, rows in self.report["left_out"].items()}

    def fixed(self) -> dict[str, set[str]]:
        """Return the names under each kind of fault that was fixed."""
        report = self.report
        # The earlier name of the same, which programs may read.
        assert (report["mended"], report["mended_counts"]) == (report["fixed"], report["fixed_counts"])
        return {kind: {each["name"] for each in rows} for kind, rows in report["fixed"].items()}

    def records(self) -> list[Packed]:
        """Return every record, read by MXNet through the .idx, with the name of the .lst."""
        import mxnet as mx

        packed = []
        for path in sorted(self.out.glob("*/*.rec")):
            reader = mx.recordio.MXIndexedRecordIO(str(path.with_suffix(".idx")), str(path), "r")
            for line in path.with_suffix(".lst").read_text().splitlines():
                index, *labels, name = line.split("\t")
                header, data = mx.recordio.unpack(reader.read_idx(int(index)))
                given = tuple(float(each) for each in (header.label if header.flag else [header.label]))
                assert given == tuple(float(label) for label in labels)
                packed.append(Packed(path.parent.name, name, given, data))
            reader.close()
        return packed

    def sides(self) -> dict[str, str]:
        """Return the side of each picture by name."""
        return {packed.name: packed.side for packed in self.records()}


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """Return an image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def draw_folders(folder: Path, counts: dict[str, int], first: int = 0, size: tuple[int, int] = (80, 60)) -> Path:
    """Draw class folders; another `first`, other pictures."""

    def one(job: tuple[str, int]) -> None:
        name, seed = job
        (folder / name / f"{name}-{seed:05d}.jpg").write_bytes(draw(name, seed, *size))

    for name in counts:
        (folder / name).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, [(name, first + seed) for name, count in counts.items() for seed in range(count)]))
    return folder


Prepare = Callable[..., Prepared]


def invoke(*arguments: str) -> Any:
    """Run the command line in this process; an exception of ours is shown as it is."""
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def tree(folder: Path, but: Sequence[str] = ()) -> dict[str, bytes]:
    """Return every file under a folder with its bytes."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in but)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def train(prepared: Prepared, base: Path, **hyperparameters: str) -> Job:
    """Run the training job on what was prepared. Raises AssertionError with its log unless it ends with 0."""
    (base / "input" / "data").mkdir(parents=True)
    for channel in ("train", "validation"):
        (base / "input" / "data" / channel).symlink_to(prepared.out / channel)
    given = {"use_pretrained_model": "0", "image_shape": "3,32,32", **hyperparameters}
    return run_job(base, given, OMP_NUM_THREADS="1")
