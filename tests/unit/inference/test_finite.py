"""finite: NaN and infinity are refused in parameters, in a warm-up answer, and in an answer."""

from pathlib import Path

import numpy as np
import pytest

from sagemaker_gluoncv_container.errors import ContainerError, InvocationError
from sagemaker_gluoncv_container.inference import finite

BAD = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_parameters(value: float, kind: type) -> None:
    """One value that is not a number refuses the file, and the message names the parameter."""
    arrays = {"arg:fc_weight": np.ones((3, 4), kind), "aux:bn_mean": np.ones(5, kind)}
    finite.check_parameters(arrays.items(), Path("model.params"))
    arrays["aux:bn_mean"][3] = value
    with pytest.raises(ContainerError, match="model.params are not all numbers: bn_mean"):
        finite.check_parameters(arrays.items(), Path("model.params"))


def test_whole_numbers() -> None:
    """Arrays of whole numbers are always numbers."""
    finite.check_parameters([("arg:n", np.arange(3)), ("arg:empty", np.zeros((0, 3)))], Path("model.params"))


@pytest.mark.parametrize("value", BAD)
def test_warm_up(value: float) -> None:
    """A warm-up answer in which one probability is not a number refuses the model."""
    answer = np.full((1, 3), 1 / 3, np.float32)
    finite.check_warm_up(answer)
    answer[0, 2] = value
    with pytest.raises(ContainerError, match="warm-up"):
        finite.check_warm_up(answer)


@pytest.mark.parametrize("value", BAD)
def test_results(value: float) -> None:
    """Of a batch only the picture whose answer is not a number gets an error, which is a 500."""
    answers = np.arange(6, dtype=np.float32).reshape(3, 2)
    answers[1, 0] = value
    first, error, last = finite.results(answers)
    assert (first == answers[0]).all()  # type: ignore[union-attr]
    assert (last == answers[2]).all()  # type: ignore[union-attr]
    assert isinstance(error, ContainerError)
    assert not isinstance(error, InvocationError)
