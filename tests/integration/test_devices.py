"""The GPU image's messages, in real jobs and servers: MXNet counts as built for GPUs, the driver is a stand-in."""

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import requests
from draw_pictures import draw

Start = Callable[..., AbstractContextManager[Any]]
Host = Callable[[str], dict[str, str]]
HYPERPARAMETERS = {"num_layers": "20", "image_shape": "3,32,32", "use_pretrained_model": "0", "epochs": "1"}
NO_GPU = "No GPU was found (CUDA's driver answers 100): computing on the CPU"


@pytest.fixture
def host(tmp_path: Path, stub_driver: Path) -> Host:
    """Return a function that gives the environment of a process in the GPU image, on a host with such GPUs."""
    package = tmp_path / "packages" / "mxnet_cu112-1.9.1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: mxnet-cu112\nVersion: 1.9.1\n")
    variables = {
        "PYTHONPATH": f"{package.parent}:{os.environ.get('PYTHONPATH', '')}",
        "LD_LIBRARY_PATH": str(stub_driver),
    }
    return lambda gpus: {**variables, "STUB_GPUS": gpus}


@pytest.mark.parametrize("gpu", ["Tesla K80=3.7", "NVIDIA H100 80GB HBM3=9.0"])
def test_job_on_a_gpu_without_machine_code(host: Host, start_job: Start, small_job: Path, gpu: str) -> None:
    """The job ends before the first batch with 2, and its reason names the GPU and the instance types to take."""
    name, _, capability = gpu.partition("=")
    with start_job(small_job, HYPERPARAMETERS, **host(f"{gpu};{gpu}")) as job:
        assert job.wait() == 2, job.log
    assert job.failure.startswith(
        f"ClientError: MXNet cannot compute on this instance's GPU, {name} (compute capability {capability}). "
    )
    assert "ml.p3, ml.g4dn, ml.p4d, ml.g5 or ml.g6" in job.failure
    assert "Epoch[0]" not in job.log
    assert "Traceback" not in job.log


def test_server_on_a_gpu_without_machine_code(host: Host, start_server: Start, small_job: Path, tmp_path: Path) -> None:
    """The server refuses to start with the same message, rather than compute slowly at a GPU's price."""
    with start_server(small_job, tmp_path / "log", **host("Tesla K80=3.7")) as server:
        assert server.process.wait(60) == 2
    [line] = map(json.loads, server.output.splitlines())
    assert line["message"].startswith(
        "ClientError: MXNet cannot compute on this instance's GPU, Tesla K80 (compute capability 3.7). "
    )
    assert "ml.g4dn" in line["message"]


def test_without_a_gpu(host: Host, start_job: Start, start_server: Start, small_job: Path, tmp_path: Path) -> None:
    """The GPU image on a host without one trains and serves on the CPU, and each says so in exactly one line."""
    with start_job(small_job, HYPERPARAMETERS, **host("")) as job:
        assert job.wait() == 0, job.log
    assert job.log.count("No GPU") == job.log.count(NO_GPU) == 1
    with start_server(small_job, tmp_path / "server.log", **host("")) as server:
        server.wait_until_ready()
        headers = {"Content-Type": "application/x-image"}
        answer = requests.post(f"{server.url}/invocations", draw("car", 7), headers=headers, timeout=60)
    assert sum(answer.json()) == pytest.approx(1, abs=1e-4)
    assert server.output.count("No GPU") == server.output.count(NO_GPU) == 1


def test_float16_without_a_gpu(host: Host, start_job: Start, small_job: Path) -> None:
    """What only a GPU can do is refused before the pictures are looked at."""
    with start_job(small_job, {**HYPERPARAMETERS, "precision_dtype": "float16"}, **host("")) as job:
        assert job.wait() == 2, job.log
    assert job.failure.startswith("ClientError: Hyperparameter precision_dtype is float16. This job runs on a CPU")
    assert "training and" not in job.log
