"""The net of 200 layers, which GluonCV has not: it is trained, and served in float32 and in int8."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from draw_pictures import draw, write_channel

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.inference.predictor import Predictor
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters


def test_200_layers(tmp_path: Path, run: Callable[..., list[str]]) -> None:
    """A job on a few pictures leaves a model that OpenVINO computes in both precisions with the net's own answers."""
    for name, count in (("train", 2), ("validation", 1)):
        write_channel(tmp_path / "input" / "data" / name, count, 0)
    lines = run(tmp_path, num_layers="200", epochs="1", mini_batch_size="4")
    assert any("Kept the model of epoch" in line for line in lines)
    model = artifact.load(tmp_path / "model")
    picture = [draw("flower", 3)]
    float32 = Predictor(model, threads=1, precision="float32")
    [expected] = float32.predict(picture).results
    made = model.quantization
    assert made
    # Of a net that has hardly learnt anything the form may be refused; it can be computed all the same.
    artifact.save_quantization(model.directory, dataclasses.replace(made, refused=None))
    [found] = Predictor(artifact.load(model.directory), threads=1, precision="int8").predict(picture).results
    assert np.asarray(expected).sum() == pytest.approx(1, abs=1e-5)
    assert np.abs(np.asarray(found) - np.asarray(expected)).max() < 0.2


def test_there_are_no_base_weights_of_it() -> None:
    """To ask for them is an error that says so."""
    with pytest.raises(ClientError, match="no base weights"):
        Hyperparameters.from_strings({"num_layers": "200", "use_pretrained_model": "1"})
