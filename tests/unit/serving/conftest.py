"""What the unit tests of serving share: settings, and a small model that is made once."""

import io
from collections.abc import Callable
from pathlib import Path

import mxnet as mx
import pytest
from PIL import Image

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.artifact import Description
from sagemaker_gluoncv_container.serving.settings import ServingSettings
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training.model import network


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., ServingSettings]:
    """Return a function that reads the settings of an environment in which only the given variables are set."""

    def read(**variables: str) -> ServingSettings:
        return ServingSettings.from_environment({"SAGEMAKER_BASE_DIR": str(tmp_path), **variables})

    return read


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree whose model/ holds an untrained net for 5 classes and pictures of 48 x 32 pixels."""
    base = tmp_path_factory.mktemp("base")
    given = Hyperparameters(num_classes=5, use_pretrained_model=False, image_shape=(3, 32, 48))
    mx.random.seed(0)
    net = network.build(given, Path("nowhere"), [mx.cpu()])
    symbol, arrays = network.to_symbol(net, multi_label=False), network.parameters(net)
    description = Description(0, 5, given.preprocessing)
    artifact.save(base / "model", symbol.tojson(), lambda path: network.save_weights(symbol, arrays, path), description)
    return base


@pytest.fixture(scope="session")
def picture() -> bytes:
    """Return a picture, a JPEG of 60 x 40 pixels."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((60, 40)).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()
