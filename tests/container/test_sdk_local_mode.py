"""Promise: the SageMaker Python SDK drives the image as it drives AWS's own: fit, deploy, predict, transform."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from draw_pictures import CLASSES, draw

from support.containers import IMAGE, alarming_lines

# The SDK does not close the pipes to docker-compose.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


def best(probabilities: list[float]) -> str:
    """Return the name of the likeliest class."""
    return list(CLASSES)[max(range(len(probabilities)), key=probabilities.__getitem__)]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return a folder with a picture of each class that nobody has trained on."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in CLASSES:
        (folder / f"{name}.jpg").write_bytes(draw(name, 10_000))
    return folder


@pytest.mark.usefixtures("pretrained")
def test_fit_deploy_predict_and_transform(
    local_session: Any,
    drawn: Mapping[str, Path],
    hyperparameters: Mapping[str, str],
    pictures: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A generic Estimator trains, its endpoint answers as a bare array, and a batch transform writes a file each."""
    from sagemaker.deserializers import JSONDeserializer
    from sagemaker.estimator import Estimator
    from sagemaker.serializers import IdentitySerializer

    estimator = Estimator(
        image_uri=IMAGE,
        role="arn:aws:iam::123456789012:role/unused",
        instance_count=1,
        instance_type="local",
        hyperparameters=dict(hyperparameters),
        output_path=f"file://{tmp_path / 'output'}",
        sagemaker_session=local_session,
    )
    estimator.fit({name: f"file://{path}" for name, path in drawn.items()})
    assert (tmp_path / "output" / "model.tar.gz").is_file()

    # In local mode the SDK has waited for the ping by itself; waiting again would be 30 s of sleep.
    predictor = estimator.deploy(
        wait=False,
        initial_instance_count=1,
        instance_type="local",
        serializer=IdentitySerializer("application/x-image"),
        deserializer=JSONDeserializer(),
    )
    try:
        answers = {path.stem: best(predictor.predict(path.read_bytes())) for path in pictures.iterdir()}
    finally:
        predictor.delete_endpoint()
    assert answers == {name: name for name in CLASSES}

    transformer = estimator.transformer(
        instance_count=1, instance_type="local", output_path=f"file://{tmp_path / 'answers'}", strategy="SingleRecord"
    )
    # Local mode has run it by the time this returns; waiting would ask for its log in the cloud.
    transformer.transform(f"file://{pictures}", content_type="application/x-image", wait=False)
    written = {path.name: json.loads(path.read_text()) for path in (tmp_path / "answers").iterdir()}
    assert {name: best(answer["prediction"]) for name, answer in written.items()} == {
        f"{name}.jpg.out": name for name in CLASSES
    }
    printed = capfd.readouterr()
    assert not alarming_lines(printed.out), printed.out
