"""Promise: it learns real photos, and the endpoint gives the very answers that the training job counted."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.containers import Job, serving, train

# 341 photos, 10 classes. Two epochs reach 0.65.
LEAST_ACCURACY = 0.6
HYPERPARAMETERS = {
    "image_shape": "3,128,128",
    "epochs": "2",
    "learning_rate": "0.01",
    "lr_scheduler_step": "1",
    "augmentation_type": "crop",
    "use_pretrained_model": "1",
}
Clothing = tuple[Mapping[str, Path], list[tuple[int, Path]]]


@pytest.fixture(scope="module")
def clothed(clothing: Clothing, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Return the job that was trained on the photos."""
    channels, _ = clothing
    return train(tmp_path_factory.mktemp("clothed"), HYPERPARAMETERS, channels, seconds=600)


def kept_accuracy(log: str) -> float:
    """Return the Validation-accuracy of the epoch whose model was kept: the best one's."""
    return max(map(float, re.findall(r"Epoch\[\d+\] Validation-accuracy=([0-9.]+)", log)))


def test_two_epochs_learn_the_photos(clothed: Job) -> None:
    """Two epochs from base weights reach the accuracy that they honestly can."""
    assert clothed.exit_code == 0, clothed.log
    assert kept_accuracy(clothed.log) >= LEAST_ACCURACY


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_endpoint_answers_what_training_counted(clothed: Job, clothing: Clothing, precision: str) -> None:
    """Over the whole validation split, the endpoint gives exactly as many right answers as the log states."""
    _, photos = clothing
    with serving(clothed.model, "--env", f"SAGEMAKER_GLUONCV_PRECISION={precision}") as server:
        answers = [server.ask(path.read_bytes()).json() for _, path in photos]
    right = sum(
        max(range(10), key=answer.__getitem__) == label for answer, (label, _) in zip(answers, photos, strict=True)
    )
    assert len(photos) == 341
    if precision == "int8":
        judged = re.search(r"accuracy ([0-9.]+) \(float32: ", clothed.log)
        assert judged, clothed.log
        assert f"{right / len(photos):.4f}" == judged[1]
    else:
        assert f"{right / len(photos):f}" == f"{kept_accuracy(clothed.log):f}"
