"""The platform's side: where SageMaker puts things, and every environment variable.

This is the only module that reads os.environ. Source: "How Amazon SageMaker runs your training image" and
"Custom inference code with hosting services" in the SageMaker developer guide.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ClientError

BASE_DIR = "SAGEMAKER_BASE_DIR"
PRETRAINED_DIR = "SAGEMAKER_GLUONCV_PRETRAINED_DIR"
PROGRAM = "SAGEMAKER_PROGRAM"
CUDNN_AUTOTUNE = "MXNET_CUDNN_AUTOTUNE_DEFAULT"
CUDA_CHECKING, CUDNN_CHECKING = "MXNET_CUDA_LIB_CHECKING", "MXNET_CUDNN_LIB_CHECKING"


@dataclass(frozen=True)
class Paths:
    """The tree under /opt/ml, or under SAGEMAKER_BASE_DIR."""

    base: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Paths":
        """Return the tree that this process has been given."""
        return cls(Path(environ.get(BASE_DIR) or "/opt/ml"))

    @property
    def config(self) -> Path:
        """Where the platform describes the job."""
        return self.base / "input" / "config"

    @property
    def model(self) -> Path:
        """What becomes model.tar.gz, and what an endpoint is given."""
        return self.base / "model"

    @property
    def output_data(self) -> Path:
        """What becomes output.tar.gz."""
        return self.base / "output" / "data"

    @property
    def events(self) -> Path:
        """Where TensorBoard's event files go; uploaded with the rest of the output."""
        return self.base / "output" / "tensorboard"

    @property
    def checkpoints(self) -> Path | None:
        """The folder that the platform keeps in S3 and restores on a restart, or None if the job has none.

        Its path may be changed in checkpointconfig.json; one under /opt/ml moves with the root of the tree.
        """
        local = Path(self.read_config("checkpointconfig").get("LocalPath") or "/opt/ml/checkpoints")
        folder = self.base / local.relative_to("/opt/ml") if local.is_relative_to("/opt/ml") else local
        asked = (self.config / "checkpointconfig.json").exists()
        return folder if asked or folder.is_dir() else None

    @property
    def failure(self) -> Path:
        """The file whose first 1,024 characters become FailureReason."""
        return self.base / "output" / "failure"

    def channel(self, name: str) -> Path:
        """Return the folder of a channel in File mode."""
        return self.base / "input" / "data" / name

    def read_config(self, name: str) -> dict[str, Any]:
        """Return the object in `input/config/<name>.json`, empty if there is no such file.

        Raises ClientError if the file is not one JSON object.
        """
        return read_object(self.config / f"{name}.json")

    def read_processing_config(self, name: str) -> dict[str, Any]:
        """Return the object in `config/<name>.json`, where a Processing job has it; empty if there is no such file.

        Raises ClientError if the file is not one JSON object.
        """
        return read_object(self.base / "config" / f"{name}.json")

    def write_failure(self, message: str) -> None:
        """Write the reason that DescribeTrainingJob will show."""
        self.failure.parent.mkdir(parents=True, exist_ok=True)
        # A file name in the message may be no UTF-8.
        self.failure.write_text(message[:1024], encoding="utf-8", errors="replace")


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file, empty if there is no such file. Raises ClientError if it is anything else."""
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        why = "It is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ClientError(f"{path} is not JSON", why, "Write one JSON object into it") from error
    if not isinstance(value, dict):
        raise ClientError(f"{path} holds {type(value).__name__}", "It must hold one JSON object")
    return value


def pretrained_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of base weights: outside /opt/ml, which the platform mounts over."""
    return Path(environ.get(PRETRAINED_DIR) or "/opt/sagemaker-gluoncv/pretrained")


def set_compute_threads(count: int) -> None:
    """Give MXNet that many threads, unless the user has; it reads this on import, and else takes half the cores."""
    os.environ.setdefault("OMP_NUM_THREADS", str(count))


def set_gpu_defaults(autotune: int) -> None:
    """Have cuDNN try (1) or only guess (0) which of its convolutions is the fastest here; what the user set stays.

    At 1, unlike at 2, MXNet passes over what needs more scratch memory than a layer may have, 1 GiB. Its own lines on
    the driver and on cuDNN's version are left out: `devices` has said what there is, in the log's form. Source:
    "Environment Variables" in MXNet's documentation.
    """
    for name, value in ((CUDNN_AUTOTUNE, str(autotune)), (CUDA_CHECKING, "0"), (CUDNN_CHECKING, "0")):
        os.environ.setdefault(name, value)


def child_environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with changes, for a child."""
    return {**os.environ, **changes}


def names_a_program(hyperparameters: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the job brings its own script, as the SDK says in a hyperparameter or an image in a variable."""
    return "sagemaker_program" in hyperparameters or bool(environ.get(PROGRAM))


def environment() -> Mapping[str, str]:
    """Return this process's environment."""
    return os.environ
