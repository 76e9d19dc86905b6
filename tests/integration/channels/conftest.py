"""What the tests of channels share: drawn pictures, a job's tree to lay them into, and a process that feeds pipes."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from draw_pictures import CLASSES, draw
from PIL import Image

from sagemaker_gluoncv_container import images
from sagemaker_gluoncv_container.arrays import Pixels
from sagemaker_gluoncv_container.contract import Paths
from sagemaker_gluoncv_container.data import pipe, recordio
from sagemaker_gluoncv_container.data.batches import Batches, SkippedPictures, View
from sagemaker_gluoncv_container.data.recordio import Writer
from sagemaker_gluoncv_container.data.samples import Channel
from sagemaker_gluoncv_container.decoding.picture import decode
from sagemaker_gluoncv_container.training import channels
from sagemaker_gluoncv_container.training.channels import Channels
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from support import feed

PREPROCESSING = images.Preprocessing(32, 32, 36)


@dataclass(frozen=True)
class Drawn:
    """A picture: its class id, the name of the class, and its bytes."""

    label: int
    kind: str
    data: bytes


# Many tests take the same ones.
_draw = cache(draw)


def pictures(count: int, first_seed: int = 0) -> list[Drawn]:
    """Return pictures of the four classes in turn; no two are the same."""
    kinds = [(n, list(CLASSES)[n % len(CLASSES)]) for n in range(count)]
    return [Drawn(n % len(CLASSES), kind, _draw(kind, first_seed + n, 48, 40)) for n, kind in kinds]


class Job:
    """A job's tree under a folder, to be filled as the platform would."""

    def __init__(self, base: Path) -> None:
        self.paths, self._config = Paths(base), {}
        self.paths.config.mkdir(parents=True)

    def configure(self, name: str, **config: str) -> None:
        """Describe a channel in inputdataconfig.json."""
        self._config[name] = config
        (self.paths.config / "inputdataconfig.json").write_text(json.dumps(self._config))

    def write_rec(self, name: str, drawn: Sequence[Drawn], files: int = 1) -> None:
        """Lay out a channel as .rec files, without an .idx."""
        folder = self.paths.channel(name)
        folder.mkdir(parents=True)
        for number in range(files):
            path = folder / f"part-{number}.rec"
            with Writer(path) as writer:
                for each in drawn[number * len(drawn) // files : (number + 1) * len(drawn) // files]:
                    writer.write((float(each.label),), each.data)
            path.with_suffix(".idx").unlink()

    def write_list(self, name: str, drawn: Sequence[Drawn]) -> None:
        """Lay out a channel as files, and its list as another."""
        folder, lists = self.paths.channel(name), self.paths.channel(f"{name}_lst")
        lists.mkdir(parents=True)
        lines = []
        for number, each in enumerate(drawn):
            path = folder / f"{number % 3}" / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(each.data)
            lines.append(f"{number}\t{each.label:.6f}\t{path.relative_to(folder)}\n")
        (lists / f"{name}.lst").write_text("".join(lines))

    def write_folders(self, name: str, drawn: Sequence[Drawn]) -> None:
        """Lay out a channel as a folder a class."""
        for number, each in enumerate(drawn):
            path = self.paths.channel(name) / each.kind / f"{number:03}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(each.data)

    def read(self, **hyperparameters: object) -> tuple[Channels, Hyperparameters]:
        """Read the job's channels."""
        return channels.read(self.paths, Hyperparameters(**hyperparameters))


@pytest.fixture(autouse=True)
def short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail, where a pipe never comes, before anyone loses patience."""
    monkeypatch.setattr(pipe, "DEADLINE_SECONDS", 30)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Return an empty job."""
    return Job(tmp_path / "ml")


@pytest.fixture(scope="session")
def draw_pictures() -> Callable[..., list[Drawn]]:
    """Return the function that draws a number of pictures."""
    return pictures


@pytest.fixture
def feeding(tmp_path: Path) -> Iterator[Callable[[Path, int, bytes], "subprocess.Popen[str]"]]:
    """Return a function that starts a process which writes a content through an epoch's FIFO after another's."""
    with ExitStack() as stack:

        def start(channel: Path, epochs: int, content: bytes) -> "subprocess.Popen[str]":
            channel.parent.mkdir(parents=True, exist_ok=True)
            path = tmp_path / f"{channel.name}.content"
            path.write_bytes(content)
            command = [sys.executable, feed.__file__, str(channel), str(epochs), str(path)]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            return process

        yield start


def _evaluation(image: Image.Image, _: np.random.Generator) -> Pixels:
    return images.for_evaluation(image, PREPROCESSING)


def _training(image: Image.Image, random: np.random.Generator) -> Pixels:
    return images.for_training(image, PREPROCESSING, "crop_color_transform", random)


@pytest.fixture(scope="session")
def make_batches() -> Callable[..., Batches]:
    """Return a function that makes batches of a channel, of evaluation views or (`augmented`) of training views."""

    def make(
        channel: Channel, size: int = 16, seed: int = 0, augmented: bool = False, skipped: SkippedPictures | None = None
    ) -> Batches:
        view: View = _training if augmented else _evaluation
        return Batches(channel, view, size, 2, seed, augmented, skipped)

    return make


@pytest.fixture(scope="session")
def expected() -> Callable[[Sequence[Drawn]], list[tuple[float, bytes]]]:
    """Return a function that says which (label, pixels) of pictures must reach the net, sorted."""

    def compute(drawn: Sequence[Drawn]) -> list[tuple[float, bytes]]:
        views = [(each.label, images.for_evaluation(decode(each.data), PREPROCESSING)) for each in drawn]
        return sorted((float(label), view.transpose(2, 0, 1).astype(np.float32).tobytes()) for label, view in views)

    return compute


@pytest.fixture(scope="session")
def arriving() -> Callable[..., list[tuple[float, bytes]]]:
    """Return a function that says which (label, pixels) come out of an epoch's batches, sorted."""

    def collect(batches: Batches, epoch: int = 0) -> list[tuple[float, bytes]]:
        pairs = [pair for batch in batches.epoch(epoch) for pair in zip(batch.labels, batch.pixels, strict=True)]
        return sorted((float(label), pixels.tobytes()) for label, pixels in pairs)

    return collect


@pytest.fixture(scope="session")
def rec_content() -> Callable[[Sequence[Drawn]], bytes]:
    """Return a function that gives the content of a .rec file."""

    def content(drawn: Sequence[Drawn]) -> bytes:
        found = (recordio.ImageRecord((float(each.label),), n, each.data) for n, each in enumerate(drawn))
        return b"".join(recordio.frame(recordio.pack(each)) for each in found)

    return content


@pytest.fixture(scope="session")
def manifest_content() -> Callable[[Sequence[Drawn]], bytes]:
    """Return a function that gives what an augmented manifest sends through a pipe: bytes and label, in turn."""

    def content(drawn: Sequence[Drawn]) -> bytes:
        return b"".join(recordio.frame(each.data) + recordio.frame(str(each.label).encode()) for each in drawn)

    return content


@pytest.fixture(scope="session")
def with_magic() -> Callable[[Drawn], Drawn]:
    """Return a function that puts RecordIO's magic number into a picture, at every alignment, as a JPEG comment."""

    def change(drawn: Drawn) -> Drawn:
        buffer = io.BytesIO()
        comment = b"x".join([recordio.MAGIC_BYTES] * 8)
        Image.open(io.BytesIO(drawn.data)).save(buffer, "JPEG", quality=90, comment=comment)
        return Drawn(drawn.label, drawn.kind, buffer.getvalue())

    return change


@pytest.fixture
def write_labelled(job: Job, feeding: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that lays out a channel of pictures with several labels each; it returns a feeder, if any."""

    def write(form: str, name: str, labelled: Sequence[tuple[tuple[int, ...], Drawn]]) -> Any:
        folder = job.paths.channel(name)
        if form == "manifest":
            pairs = [(each.data, json.dumps(list(labels)).encode()) for labels, each in labelled]
            return feeding(folder, 1, b"".join(recordio.frame(part) for pair in pairs for part in pair))
        folder.mkdir(parents=True)
        if form == "rec":
            with Writer(folder / "a.rec") as writer:
                for labels, each in labelled:
                    writer.write(tuple(map(float, labels)), each.data)
            return None
        lists = job.paths.channel(f"{name}_lst")
        lists.mkdir()
        lines = []
        for number, (labels, each) in enumerate(labelled):
            (folder / f"{number}.jpg").write_bytes(each.data)
            lines.append("\t".join(map(str, (number, *labels, f"{number}.jpg"))))
        (lists / "a.lst").write_text("\n".join(lines))
        return None

    return write
