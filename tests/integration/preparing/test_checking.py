"""`prepare --check` finds what is wrong with channels, and what `train` can find cheaply, it finds too."""

import io
import json
import logging
import shutil
from pathlib import Path

import pytest
from PIL import Image

from sagemaker_gluoncv_container.contract import Paths
from sagemaker_gluoncv_container.data.recordio import Writer
from sagemaker_gluoncv_container.training import channels as training_channels
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from support.prepared import Prepare, draw, draw_folders, encoded, invoke, tree


def write(folder: Path, pictures: list[tuple[int, bytes]]) -> None:
    """Write a channel."""
    folder.mkdir(parents=True)
    with Writer(folder / "pictures.rec") as writer:
        for label, data in pictures:
            writer.write((float(label),), data)


@pytest.fixture
def channels(tmp_path: Path) -> Path:
    """Return channels with a leak, a near one, two labels, a copy, a cut picture, a class without training."""
    car = [draw("car", seed) for seed in range(12)]
    bird = [draw("bird", seed) for seed in range(12)]
    again = encoded(Image.open(io.BytesIO(bird[9])), quality=60)
    train = [*((0, data) for data in car[:10]), *((1, data) for data in bird[:10])]
    write(tmp_path / "channels" / "train", [*train, (0, car[4]), (1, car[5]), (0, car[11][:1500])])
    write(tmp_path / "channels" / "validation", [(0, car[10]), (0, car[3]), (1, again), (3, draw("plane", 1))])
    return tmp_path / "channels"


def found(folder: Path) -> dict[str, int]:
    """Return how often --check found what."""
    result = invoke("prepare", "--check", str(folder), "--no-progress")
    assert result.exit_code == 2, result.output
    return {each["kind"]: each["count"] for each in json.loads(result.stderr)["findings"]}


def test_all_faults_are_found(channels: Path) -> None:
    """Each fault has its name, and looking changes nothing."""
    before = tree(channels)
    assert found(channels) == {
        "class-without-training": 1,
        "leakage": 1,
        "near-leakage": 1,
        "two-labels": 1,
        "duplicates": 2,
        "unreadable": 1,
    }
    assert tree(channels) == before


def test_the_cheap_part(channels: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`train` warns before the first epoch of all but what needs decoding, and names the records."""
    (channels / "train" / "classes.json").write_text('["car", "bird", "spare", "plane"]')
    paths = Paths(channels / "base")
    paths.channel("train").parent.mkdir(parents=True)
    for name in ("train", "validation"):
        paths.channel(name).symlink_to(channels / name)
    with caplog.at_level(logging.WARNING):
        read, _ = training_channels.read(paths, Hyperparameters())
    kinds = {line.getMessage().rpartition("(")[2][:-1]: line.getMessage() for line in caplog.records}
    assert kinds.keys() == {"class-without-training", "empty-class", "leakage", "two-labels", "duplicates"}
    assert "train/pictures.rec record 3 = validation/pictures.rec record 1" in kinds["leakage"]
    assert "plane" in kinds["class-without-training"]
    assert "spare" in kinds["empty-class"]
    assert read.duplicates == [("train/pictures.rec record 3", "validation/pictures.rec record 1")]


def test_what_was_prepared_is_sound(prepare: Prepare, tmp_path: Path) -> None:
    """Nothing is found in what `prepare` writes; a wrong index is."""
    prepared = prepare(draw_folders(tmp_path / "pictures", {"bird": 20, "car": 20}))
    result = invoke("prepare", "--check", str(prepared.out), "--no-progress")
    assert result.exit_code == 0, result.output
    assert "Nothing is wrong" in result.output
    index = prepared.out / "train" / "pictures-00000.idx"
    shutil.copy(prepared.out / "validation" / "pictures-00000.idx", index)
    assert found(prepared.out) == {"wrong-index": 1}
