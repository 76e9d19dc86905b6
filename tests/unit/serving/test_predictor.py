"""serving.predictor: one answer for one picture, whoever asks."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from draw_pictures import CLASSES, draw
from PIL import Image

from sagemaker_gluoncv_container import artifact, images
from sagemaker_gluoncv_container.serving.predictor import Predictor

PICTURES = [images.decode(draw(name, seed)) for name in CLASSES for seed in range(5)]


@pytest.fixture(scope="module")
def predictor(base: Path) -> Predictor:
    """Return a predictor of the small model."""
    return Predictor(artifact.load(base / "model"))


@pytest.mark.parametrize("size", [(160, 120), (48, 32), (1, 1), (1, 3000), (55, 55)])
def test_probabilities(predictor: Predictor, size: tuple[int, int]) -> None:
    """A picture of any size gets a probability for each class, float32."""
    found = predictor.predict(Image.new("RGB", size, (200, 100, 50)))
    assert (found.shape, found.dtype) == ((5,), np.float32)
    assert (found > 0).all()
    assert found.sum() == pytest.approx(1, abs=1e-6)


def test_pictures_are_told_apart(predictor: Predictor) -> None:
    """Another picture gets another answer."""
    assert len({predictor.predict(picture).tobytes() for picture in PICTURES}) == len(PICTURES)


def test_equals_the_net_by_hand(predictor: Predictor, base: Path) -> None:
    """The answers are the symbol's, on all pictures at once, transformed as in evaluation."""
    loaded = artifact.load(base / "model")
    pixels = np.stack([images.for_evaluation(picture, loaded.description.preprocessing) for picture in PICTURES])
    data = mx.nd.array(pixels.transpose(0, 3, 1, 2))
    weights = mx.nd.load(str(loaded.params))
    executor = mx.sym.load(str(loaded.symbol)).simple_bind(mx.cpu(), grad_req="null", data=data.shape)
    arguments, states = (
        {name[4:]: each for name, each in weights.items() if name.startswith(kind)} for kind in ("arg:", "aux:")
    )
    executor.copy_params_from(arguments, states)
    expected = executor.forward(is_train=False, data=data)[0].asnumpy()
    found = np.stack([predictor.predict(picture) for picture in PICTURES])
    assert np.allclose(found, expected, atol=1e-5)


def test_threads_share_it(predictor: Predictor) -> None:
    """Requests at the same time get the answers that they would get one by one."""
    expected = [predictor.predict(picture).tolist() for picture in PICTURES]
    with ThreadPoolExecutor(8) as pool:
        found = [each.tolist() for each in pool.map(predictor.predict, PICTURES * 5)]
    assert found == expected * 5
