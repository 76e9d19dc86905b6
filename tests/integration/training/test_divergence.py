"""A net that diverges: what it answers is wrong, and it is not kept."""

from collections.abc import Callable
from pathlib import Path

import pytest
from draw_pictures import draw

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.inference.predictor import Predictor


@pytest.mark.parametrize(("optimizer", "rate"), [("rmsprop", "1"), ("sgd", "1")])
def test_what_a_diverging_job_leaves(base: Path, run: Callable[..., list[str]], optimizer: str, rate: str) -> None:
    """Either the job fails and says what to do, or what it has kept answers numbers where it is served."""
    refused: ClientError | None = None
    try:
        run(base, optimizer=optimizer, learning_rate=rate, epochs="2", momentum="0.99")
    except ClientError as error:
        refused = error
    if refused:
        assert "learning_rate" in refused.do
        assert not list((base / "model").glob("*.params"))
        return
    [found] = Predictor(artifact.load(base / "model"), threads=1, precision="float32").predict([draw("car", 1)]).results
    assert not isinstance(found, Exception)
    assert sum(found) == pytest.approx(1, abs=1e-3)
