"""`make gpu-check` on a host that has no GPU."""

import os
import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize("answer", ["exit 9", "echo 'No devices were found'; exit 6"], ids=["no driver", "no device"])
def test_without_a_gpu(root: Path, tmp_path: Path, answer: str) -> None:
    """It says that nothing was tested or measured, fails, and has built nothing."""
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\n{answer}\n")
    smi.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "IMAGE_GPU": "sagemaker-gluoncv:unwanted"}
    done = subprocess.run(["make", "gpu-check"], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "NOT RUN: this host has no GPU" in done.stderr
    assert "docker" not in done.stdout
