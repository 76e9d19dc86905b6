"""What the unit tests of inference share: a small model that is made once, and pictures for it."""

import io

import pytest
from PIL import Image

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.artifact import Artifact
from support.model_server import write_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Return a model of four classes for pictures of 32 x 32 pixels."""
    return artifact.load(write_model(tmp_path_factory.mktemp("tiny") / "model"))


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    """Return four pictures, PNGs that differ much."""

    def encoded(turn: int) -> bytes:
        buffer = io.BytesIO()
        image = Image.linear_gradient("L").rotate(90 * turn).resize((60, 40))
        Image.merge("RGB", (image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), image)).save(buffer, "PNG")
        return buffer.getvalue()

    return [encoded(turn) for turn in range(4)]
