"""Promise: a training step on one GPU, or on all, is the CPU's step up to rounding; in float16, up to its rounding."""

import json
from collections.abc import Callable

import pytest

# On Ampere cuDNN multiplies float32 in TF32, which has the 10 bits of mantissa that float16 has.
TOLERANCE = {"float32": 0.01, "float16": 0.05}


def found(output: str) -> list[dict[str, dict[str, float]]]:
    """Return what steps.py printed; MXNet may print lines of its own."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("precision", TOLERANCE)
def test_steps_on_gpus(run_steps: Callable[..., str], gpus: int, precision: str) -> None:
    """The losses of four steps, and the gradients of the last, are those of the CPU in float32."""
    [expected] = found(run_steps("float32", "cpu:0"))
    everywhere = ",".join(f"gpu:{number}" for number in range(gpus))
    several = found(run_steps(precision, "gpu:0", everywhere))
    assert len(several) == 2
    for each in several:
        assert each["losses"] == pytest.approx(expected["losses"], rel=TOLERANCE[precision])
        assert each["norms"] == pytest.approx(expected["norms"], rel=4 * TOLERANCE[precision])
