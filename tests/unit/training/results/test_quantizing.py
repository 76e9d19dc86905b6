"""quantizing: the int8 form that a job leaves, and that nothing about it can cost the job its model."""

import io
import logging
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.artifact import Description
from sagemaker_gluoncv_container.cli import main
from sagemaker_gluoncv_container.data.pipe import Pipe
from sagemaker_gluoncv_container.data.samples import Stored
from sagemaker_gluoncv_container.inference import quantization
from sagemaker_gluoncv_container.training import channels
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training.model import network
from sagemaker_gluoncv_container.training.results import quantizing

CLASSES = ("dark", "light")
COUNT = 12


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree: a model of two classes, and the channels train and validation in folders of these."""
    base = tmp_path_factory.mktemp("quantizing")
    given = Hyperparameters(num_layers=20, num_classes=2, use_pretrained_model=False, image_shape=(3, 32, 32))
    mx.random.seed(0)
    net = network.build(given, Path("nowhere"), [mx.cpu()])
    symbol, arrays = network.to_symbol(net, multi_label=False), network.parameters(net)
    description = Description(4, 2, given.preprocessing, CLASSES)
    artifact.save(base / "model", symbol.tojson(), lambda path: network.save_weights(symbol, arrays, path), description)
    random = np.random.default_rng(0)
    for channel in ("train", "validation"):
        for least, name in zip((0, 128), CLASSES, strict=True):
            (base / channel / name).mkdir(parents=True)
            for number in range(COUNT):
                stream = io.BytesIO()
                Image.fromarray(random.integers(least, least + 128, (40, 48, 3), np.uint8)).save(stream, "PNG")
                (base / channel / name / f"{number}.png").write_bytes(stream.getvalue())
    return base


@pytest.fixture
def model(folders: Path) -> Path:
    """Return the model directory without an int8 form."""
    (folders / "model" / "image-classification-int8.json").unlink(missing_ok=True)
    return folders / "model"


def listed(folders: Path) -> list[Stored]:
    """Return both channels."""
    return [channels.in_folder(folders / name, 2, CLASSES) for name in ("train", "validation")]


def files(folder: Path) -> dict[str, bytes]:
    """Return what lies in a directory."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_job(folders: Path, model: Path) -> None:
    """The model gets its int8 form beside it, judged on every validation picture; what there was stays as it was."""
    before = files(model)
    quantizing.quantize(model, *listed(folders), threads=2)
    after = files(model)
    made = artifact.load(model).quantization
    assert made
    assert made.pictures == 2 * COUNT
    assert after.keys() - before.keys() == {"image-classification-int8.json"}
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("count", [2, 3])
def test_several_labels_per_picture(
    folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    """In a multi-label job the line says how many labels were compared on how many pictures."""
    given = Hyperparameters(num_layers=20, num_classes=count, use_pretrained_model=False, image_shape=(3, 32, 32))
    mx.random.seed(0)
    net = network.build(given, Path("nowhere"), [mx.cpu()])
    symbol, arrays = network.to_symbol(net, multi_label=True), network.parameters(net)
    description = Description(0, count, given.preprocessing)
    artifact.save(tmp_path, symbol.tojson(), lambda path: network.save_weights(symbol, arrays, path), description)
    several = [Stored([sample.labelled((0.0,) * count) for sample in each.samples]) for each in listed(folders)]
    with caplog.at_level(logging.INFO):
        quantizing.quantize(tmp_path, *several, threads=1)
    made = artifact.load(tmp_path).quantization
    assert made
    assert (made.pictures, made.labels) == (2 * COUNT, 2 * COUNT * count)
    assert f"of {2 * COUNT * count} labels on {2 * COUNT} validation pictures" in caplog.text


def test_the_draw_is_seeded(folders: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many training pictures some are drawn, by the seed: the same ones give the same ranges."""
    monkeypatch.setattr(quantizing, "CALIBRATION_PICTURES", 5)
    ranges = [quantizing.from_channels(model, *listed(folders), 1, seed).ranges for seed in (1, 1, 2)]
    assert ranges[0] == ranges[1] != ranges[2]


def test_a_stop(folders: Path, model: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whenever a job is asked to stop meanwhile, the model is there as it was, and the log says why it has no int8."""
    before = files(model)
    for asked in (1, 5, 2 * COUNT + 3):
        answers = iter([None] * (asked - 1))
        with caplog.at_level(logging.INFO):
            quantizing.quantize(model, *listed(folders), threads=1, ends=lambda a=answers: next(a, "Asked to stop"))
        assert files(model) == before
        assert "int8: left out: Asked to stop" in caplog.records[-1].message


def test_a_pipe(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Pictures that came through a pipe cannot be had again: float32, in one line."""
    pipe: Any = object.__new__(Pipe)
    with caplog.at_level(logging.INFO):
        quantizing.quantize(model, pipe, pipe, threads=1)
    assert [record.message for record in caplog.records] == [
        "int8: left out, because pictures that came through a pipe cannot be had again"
    ]


@pytest.mark.parametrize("error", [OSError("No space left on device"), RuntimeError("x"), MemoryError()])
def test_a_failure(
    folders: Path, model: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whatever goes wrong costs one warning, not the job."""

    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(artifact, "save_quantization", fails)
    quantizing.quantize(model, *listed(folders), threads=1)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the model stays in float32" in caplog.text


def test_a_full_disk(folders: Path, model: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The folder and the free bytes are named, the model stays, and nothing half done is left."""
    before = files(model)
    (model / ".image-classification-int8.json.unfinished").symlink_to("/dev/full")
    quantizing.quantize(model, *listed(folders), threads=1)
    assert f"The int8 form cannot be written to {model}. No space left on device. " in caplog.text
    assert "bytes (" in caplog.text
    assert files(model) == before


def test_the_command(folders: Path, model: Path) -> None:
    """`sagemaker-gluoncv quantize` does the same for a model directory, and says what came out."""
    arguments = ["quantize", str(model), "--calibration", str(folders / "train"), "--threads", "1"]
    done = CliRunner().invoke(main, [*arguments, "--validation", str(folders / "validation")])
    made = artifact.load(model).quantization
    assert made
    assert (done.exit_code, done.output) == (
        (3, f"int8 is refused: {made.refused}\n") if made.refused else (0, f"int8 is kept: {made}\n")
    )


def test_the_commands_errors(folders: Path, model: Path, tmp_path: Path) -> None:
    """What the user can mend ends it with 2: no model, no pictures, classes that the model does not know."""
    (tmp_path / "car").mkdir()
    (tmp_path / "car" / "1.png").write_bytes(next((folders / "train" / "dark").iterdir()).read_bytes())
    train = str(folders / "train")
    for arguments, why in (
        ([str(tmp_path), "--calibration", train, "--validation", train], "holds no model"),
        ([str(model), "--calibration", str(model), "--validation", train], "holds no `.rec` file"),
        ([str(model), "--calibration", train, "--validation", str(tmp_path)], "folders that are not classes: car"),
    ):
        done = CliRunner().invoke(main, ["quantize", *arguments])
        assert done.exit_code == 2, done.output
        assert why in done.output
    assert quantization.outputs(artifact.load(model)) == (2, False)
