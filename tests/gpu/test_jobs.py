"""Promise: a job in the GPU image takes all GPUs, and learns in float32 and in float16."""

import re
from collections.abc import Callable

import pytest

from support.containers import Job


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_job_on_gpus(run_job: Callable[..., Job], trained: Job, gpus: int, precision: str) -> None:
    """The job names the GPUs in one line, learns to tell the pictures apart, and leaves a model."""
    job = trained if precision == "float32" else run_job(precision)
    assert job.exit_code == 0, job.log
    assert len(re.findall(rf"Computing on {gpus} GPUs?: ", job.log)) == 1
    accuracy = re.search(r"Kept the model of epoch \d+\. Its validation accuracy is ([0-9.]+)", job.log)
    assert accuracy
    assert float(accuracy[1]) > 0.8
    assert (job.model / "image-classification-symbol.json").is_file()
