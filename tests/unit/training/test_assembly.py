"""assembly: what a job computes on; the parts that it joins have tests of their own."""

import mxnet as mx
import pytest

from sagemaker_gluoncv_container import devices
from sagemaker_gluoncv_container.devices import Gpu
from sagemaker_gluoncv_container.training import assembly


@pytest.mark.parametrize("count", [1, 4, 8])
def test_a_job_takes_all_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Every GPU gets its share of a batch."""
    monkeypatch.setattr(devices, "gpus", lambda: (Gpu("Tesla T4", (7, 5)),) * count)
    assert assembly.choose_contexts() == [mx.gpu(number) for number in range(count)]


def test_a_job_without_a_gpu() -> None:
    """Without a GPU it is the CPU, in one share."""
    assert assembly.choose_contexts() == [mx.cpu()]
