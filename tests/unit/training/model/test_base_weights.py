"""base_weights: which file a net starts from, and what is said if there is none."""

import hashlib
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.training.model import base_weights

NAME = base_weights.name(18)


def test_name() -> None:
    """The name is GluonCV's."""
    assert NAME == "resnet18_v1b"


def test_base_weights_are_found_by_name_and_checked(tmp_path: Path) -> None:
    """A file whose name tells its sha1 is taken if that is true."""
    content = b"weights"
    path = tmp_path / f"{NAME}-{hashlib.sha1(content).hexdigest()[:8]}.params"
    path.write_bytes(content)
    assert base_weights.find(tmp_path, NAME) == path


def test_base_weights_without_a_digest(tmp_path: Path) -> None:
    """A file under the plain name is taken as it is."""
    path = tmp_path / f"{NAME}.params"
    path.touch()
    assert base_weights.find(tmp_path, NAME) == path


def test_damaged_base_weights(tmp_path: Path) -> None:
    """A file that is not the one that its name says is refused."""
    path = tmp_path / f"{NAME}-12345678.params"
    path.write_bytes(b"weights")
    with pytest.raises(ClientError, match=rf"^{path} is damaged\. Its sha1 does not begin with 12345678\."):
        base_weights.find(tmp_path, NAME)


@pytest.mark.parametrize("files", [[], ["resnet50_v1b-00000000.params"], ["resnet18_v1-00000000.params", "README.md"]])
def test_missing_base_weights(tmp_path: Path, files: list[str]) -> None:
    """The error tells which weights there are, and both ways out; another net's are not taken."""
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(ClientError) as caught:
        base_weights.find(tmp_path, NAME)
    found = ", ".join(name for name in files if name.endswith(".params")) or "nothing"
    assert (
        caught.value.what == f"Hyperparameter use_pretrained_model is 1, but this image holds no base weights of {NAME}"
    )
    assert caught.value.why == f"Found in {tmp_path}: {found}"
    assert "use_pretrained_model to 0" in caught.value.do
