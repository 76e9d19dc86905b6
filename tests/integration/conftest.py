"""Whole jobs and whole servers: real processes on drawn pictures."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from draw_pictures import CLASSES, draw

from sagemaker_gluoncv_container.data.recordio import Writer
from support.jobs import Job, run_job, running_job
from support.model_server import Server, running, starting

# Neither batches of 16 nor 20-batch log lines divide these.
TRAIN_COUNT, VALIDATION_COUNT = 343, 37
SMALL = {"image_shape": "3,64,64", "learning_rate": "0.01", "mini_batch_size": "16", "use_pretrained_model": "0"}


def pictures(first_seed: int, count: int) -> list[tuple[int, bytes]]:
    """Return drawn pictures with their labels, classes alternating."""
    names = list(CLASSES)
    return [(n % len(names), draw(names[n % len(names)], first_seed + n // len(names))) for n in range(count)]


def write_channel(folder: Path, content: list[tuple[int, bytes]], names: bool = True) -> None:
    """Write a channel of labelled pictures, with the names of the classes."""
    folder.mkdir(parents=True)
    with Writer(folder / "pictures.rec") as writer:
        for label, data in content:
            writer.write((float(label),), data)
    if names:
        (folder / "classes.json").write_text(json.dumps(list(CLASSES)))


@pytest.fixture(scope="session")
def start_job() -> Callable[..., object]:
    """Return the context manager that runs a job."""
    return running_job


@pytest.fixture(scope="session")
def validation_pictures() -> list[tuple[int, bytes]]:
    """Return the pictures on which the trained model was validated."""
    return pictures(10_000, VALIDATION_COUNT)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, validation_pictures: list[tuple[int, bytes]]) -> Job:
    """Return a job that has trained for three epochs: everybody's, so to be left as it is."""
    base = tmp_path_factory.mktemp("trained")
    write_channel(base / "input" / "data" / "train", pictures(0, TRAIN_COUNT))
    write_channel(base / "input" / "data" / "validation", validation_pictures, names=False)
    given = {**SMALL, "epochs": "3", "top_k": "2", "augmentation_type": "crop"}
    return run_job(base, given)


@pytest.fixture
def small_job(tmp_path: Path) -> Path:
    """Return a tree with two channels of a few pictures."""
    write_channel(tmp_path / "input" / "data" / "train", pictures(0, 100))
    write_channel(tmp_path / "input" / "data" / "validation", pictures(500, 12))
    return tmp_path


@pytest.fixture(scope="session")
def start_server() -> Callable[..., object]:
    """Return the context manager that runs a server."""
    return starting


@pytest.fixture(scope="session")
def server(trained: Job, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server of the trained model, with one worker."""
    log = tmp_path_factory.mktemp("server") / "log"
    with running(trained.base, log) as server:
        yield server
