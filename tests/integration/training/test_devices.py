"""Whole jobs on several devices, and in half precision: CPU contexts and bfloat16 in place of GPUs and float16."""

import json
from collections.abc import Callable
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from draw_pictures import draw

from sagemaker_gluoncv_container import artifact, devices
from sagemaker_gluoncv_container.devices import Gpu
from sagemaker_gluoncv_container.inference.predictor import Predictor
from sagemaker_gluoncv_container.training import assembly

Run = Callable[..., list[str]]
# Neither the batches of 8 nor the channels' 80 and 20 pictures are divisible by it.
DEVICES = 3


@pytest.fixture(autouse=True)
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this be a host of several devices."""
    monkeypatch.setattr(devices, "gpus", lambda: (Gpu("Tesla T4", (7, 5)),) * DEVICES)
    monkeypatch.setattr(assembly, "choose_contexts", lambda: [mx.cpu(number) for number in range(DEVICES)])


def check_model(base: Path) -> None:
    """Fail unless the model is served as what it is, a float32 net without AMP's casts."""
    found = artifact.load(base / "model")
    weights = mx.nd.load(str(found.params))
    assert {np.dtype(array.dtype) for array in weights.values()} == {np.dtype(np.float32)}
    symbol = mx.sym.load(str(found.symbol))
    assert "amp_" not in symbol.tojson(remove_amp_cast=False)
    [probabilities] = Predictor(found, threads=1).predict([draw("car", 7)]).results
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_every_picture_counts_once(base: Path, run: Run) -> None:
    """A job on three devices has its accuracies over exactly 80 and 20 pictures, and leaves one model."""
    lines = run(base, epochs="2")
    figures = [json.loads(line.partition("=")[2]) for line in lines if "-accuracy=" in line and "Epoch[" in line]
    assert len(figures) == 4
    for train, validation in zip(figures[::2], figures[1::2], strict=True):
        assert train * 80 == pytest.approx(round(train * 80), abs=1e-3)
        assert validation * 20 == pytest.approx(round(validation * 20), abs=1e-3)
    check_model(base)


def test_job_in_half_precision(base: Path, run: Run, bfloat16: None) -> None:
    """A job in half precision learns, writes checkpoints, goes on from one, and leaves a float32 model."""
    (base / "checkpoints").mkdir()
    run(base, epochs="1", precision_dtype="float16")
    check_model(base)
    lines = run(base, epochs="1", precision_dtype="float16")
    assert "Going on from a checkpoint: epoch 1, batch 0" in lines
