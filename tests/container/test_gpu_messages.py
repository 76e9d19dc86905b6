"""Promise: the GPU image names a GPU that it has no machine code for, and says in one line if there is none."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.containers import HOST, IMAGE_GPU, LABEL, USER, write_tree

_BUILT_FOR_GPUS = """
from sagemaker_gluoncv_container import devices
import mxnet
print(devices.is_for_gpus(), mxnet.runtime.Features().is_enabled("CUDA"), mxnet.context.num_gpus())
"""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the GPU image with flags and a command, to its end."""
    command = ["docker", "run", "--rm", "--label", LABEL, "--hostname", HOST, *USER, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("command", ["train", "serve"])
@pytest.mark.parametrize("gpu", ["Tesla K80=3.7", "NVIDIA H100 80GB HBM3=9.0"])
def test_gpu_without_machine_code(stub_driver: Path, command: str, gpu: str) -> None:
    """Jobs and endpoints end at once with 2, and name the GPU and the instance types to take."""
    driver = ["--volume", f"{stub_driver}:/driver:ro", "--env", "LD_LIBRARY_PATH=/driver", "--env", f"STUB_GPUS={gpu}"]
    done = run(*driver, IMAGE_GPU, command)
    assert done.returncode == 2, done.stdout
    name, _, capability = gpu.partition("=")
    expected = f"ClientError: MXNet cannot compute on this instance's GPU, {name} (compute capability {capability}). "
    assert expected in done.stdout
    assert "Use an instance type of ml.p3, ml.g4dn, ml.p4d, ml.g5 or ml.g6, or the CPU image." in done.stdout
    assert "Traceback" not in done.stdout


def test_no_gpu(tmp_path: Path, drawn: Mapping[str, Path], hyperparameters: Mapping[str, str]) -> None:
    """A job on a host without a GPU says so in one line, and neither MXNet nor CUDA adds one."""
    given = {**hyperparameters, "use_pretrained_model": "0", "epochs": "1"}
    done = run(*write_tree(tmp_path, given, drawn), IMAGE_GPU, "train")
    assert done.returncode == 0, done.stdout
    lines = [
        line for line in done.stdout.splitlines() if any(word in line.lower() for word in ("gpu", "cuda", "driver"))
    ]
    assert len(lines) == 1
    assert lines[0].endswith("INFO] No GPU was found (CUDA's driver answers 100): computing on the CPU")


def test_it_knows_what_it_is() -> None:
    """The package by which our code tells that MXNet is built for GPUs is there if and only if it is."""
    assert run(IMAGE_GPU, "python3", "-c", _BUILT_FOR_GPUS).stdout.splitlines()[-1] == "True True 0"
