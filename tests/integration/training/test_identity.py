"""A restart goes on only from a checkpoint of the very same job: the earlier model, the net and the data count."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container.training.model import network

Run = Callable[..., list[str]]
GIVEN = {"epochs": "1", "learning_rate": "0", "freeze": "backbone"}


@pytest.fixture
def earlier(base: Path, run: Run) -> Path:
    """Return a model as a job has left it, and leave that job's tree with nothing but its channels."""
    run(base, epochs="1", seed="7")
    model = base.parent / "earlier"
    (base / "model").rename(model)
    return model


def give(base: Path, model: Path) -> None:
    """Give the job a model to start from, and a place for checkpoints."""
    shutil.rmtree(base / "input" / "data" / "model", ignore_errors=True)
    shutil.copytree(model, base / "input" / "data" / "model")
    (base / "checkpoints").mkdir(exist_ok=True)


def only(lines: list[str], text: str) -> Iterator[str]:
    """Yield the lines with a text."""
    return (line for line in lines if text in line)


def kept(base: Path) -> np.ndarray:
    """Return a frozen weight of the model that a job has left."""
    return mx.nd.load(str(base / "model" / "image-classification-0000.params"))["arg:resnet_conv0_weight"].asnumpy()


def test_other_weights_in_the_model_channel(earlier: Path, base: Path, run: Run) -> None:
    """Old checkpoints do not bring back the old model when the channel holds another one."""
    give(base, earlier)
    run(base, **GIVEN)
    path = earlier / "image-classification-0000.params"
    arrays = mx.nd.load(str(path))
    arrays["arg:resnet_conv0_weight"] *= 1.5
    mx.nd.save(str(path), arrays)
    give(base, earlier)
    lines = run(base, **GIVEN)
    assert any("the model channel was" in line for line in only(lines, "Starting from the beginning"))
    assert not list(only(lines, "Going on from"))
    assert np.array_equal(kept(base), arrays["arg:resnet_conv0_weight"].asnumpy())
    # The very same model again: nothing is left to train.
    assert list(only(run(base, **GIVEN), "Going on from"))


def test_another_net_in_the_model_channel(earlier: Path, base: Path, run: Run) -> None:
    """A net of another shape is a reason to start from the beginning, not an error."""
    give(base, earlier)
    run(base, **GIVEN)
    shutil.rmtree(base / "model")
    shutil.rmtree(base / "input" / "data" / "model")
    (base / "checkpoints").rename(base.parent / "checkpoints")
    run(base, epochs="1", num_layers="32")
    (base / "model").rename(base.parent / "deeper")
    (base.parent / "checkpoints").rename(base / "checkpoints")
    give(base, base.parent / "deeper")
    lines = run(base, **GIVEN)
    assert any("the model channel was" in line for line in lines)
    assert list(only(lines, "Epoch[0] Validation-accuracy"))


def test_checkpoint_of_a_net_that_is_built_otherwise(base: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same job in an image that names its parameters differently starts from the beginning, and says why."""
    (base / "checkpoints").mkdir()
    run(base, **GIVEN)
    monkeypatch.setattr(network, "HEAD", "top_")
    lines = run(base, **GIVEN)
    assert any("the net was" in line for line in only(lines, "Starting from the beginning"))
    assert list(only(lines, "Epoch[0] Validation-accuracy"))
    assert (base / "model" / "image-classification-0000.params").exists()


@pytest.mark.parametrize("num_layers", ["", "18", "50"])
def test_small_pictures_beside_an_earlier_model(earlier: Path, base: Path, run: Run, num_layers: str) -> None:
    """Pictures that only the net of num_layers would refuse are allowed to the one in the channel."""
    give(base, earlier)
    lines = run(base, **GIVEN, image_shape="3,28,28", num_layers=num_layers)
    assert list(only(lines, "Epoch[0] Validation-accuracy"))
