"""The platform's side: where SageMaker puts things, and every environment variable.

This is the only module that reads os.environ. Sources: "How Amazon SageMaker runs your training image" and
"Custom inference code with hosting services" in the SageMaker developer guide.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .errors import ClientError

T = TypeVar("T")


@dataclass(frozen=True)
class Variable:
    """An environment variable: its name, what it sets, its default in words, and what it accepts.

    `low` and `high` bound a whole number; `choices` are the words that it may be. With neither it is free text.
    """

    name: str
    what: str
    default: str = ""
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()
    form: str = ""

    @property
    def accepts(self) -> str:
        """What it may be, as documentation and messages say it; empty for free text."""
        if self.low is not None:
            return f"{self.low} to {self.high}"
        return ", ".join(self.choices) or self.form


def _flag(name: str, what: str) -> Variable:
    return Variable(name, what, "false", choices=("true", "false"))


# The names are those of AWS's own serving toolkits where these have one; the rest begin with SAGEMAKER_GLUONCV_.
BASE_DIR = Variable("SAGEMAKER_BASE_DIR", "the root of the platform's tree", "/opt/ml")
PRETRAINED_DIR = Variable(
    "SAGEMAKER_GLUONCV_PRETRAINED_DIR", "the folder of base weights", "/opt/sagemaker-gluoncv/pretrained"
)
JOB_NAME = Variable("TRAINING_JOB_NAME", "the job's name in the report; the platform sets it")
PROGRAM = Variable("SAGEMAKER_PROGRAM", "your own training script, in a derived image")
HOST_SECRET = Variable("SAGEMAKER_GLUONCV_HOST_SECRET", "a secret that the hosts of a `prepare` job share")
COMPUTE_THREADS = Variable("OMP_NUM_THREADS", "threads that compute", "CPUs / workers", 1, 512)
CUDNN_AUTOTUNE = Variable("MXNET_CUDNN_AUTOTUNE_DEFAULT", "whether cuDNN tries its convolutions", "1 in a job, else 0")
CUDA_CHECKING = Variable("MXNET_CUDA_LIB_CHECKING", "MXNet's own line on the driver", "0")
CUDNN_CHECKING = Variable("MXNET_CUDNN_LIB_CHECKING", "MXNet's own line on cuDNN", "0")

PORT = Variable("SAGEMAKER_BIND_TO_PORT", "the port; there is no other", "8080", 1, 65535)
WORKERS = Variable(
    "SAGEMAKER_MODEL_SERVER_WORKERS", "worker processes, each with every model", "by CPUs or GPUs", 1, 512
)
TIMEOUT = Variable("SAGEMAKER_MODEL_SERVER_TIMEOUT", "seconds for a picture", "60", 1, 3600)
STARTUP_TIMEOUT = Variable("SAGEMAKER_STARTUP_TIMEOUT", "seconds for a worker to load a model", "300", 1, 3600)
QUEUE_SIZE = Variable("SAGEMAKER_MODEL_JOB_QUEUE_SIZE", "pictures that may wait", "256", 1, 10_000)
BATCH_SIZE = Variable("SAGEMAKER_GLUONCV_BATCH_SIZE", "pictures per forward pass, at most", "8", 1, 256)
# 0 is a body of any length, in chunks; asynchronous endpoints allow no more than 1 GB.
MAX_PAYLOAD = Variable("SAGEMAKER_MAX_PAYLOAD_IN_MB", "the largest body", "25", 0, 1024)
HEAD_SECONDS = Variable(
    "SAGEMAKER_GLUONCV_HEADER_TIMEOUT",
    "seconds for a request's headers, and for a body that stands still",
    "10",
    1,
    600,
)
BODY_RATE = Variable(
    "SAGEMAKER_GLUONCV_MIN_BODY_RATE", "bytes per second below which an upload is ended", "4096", 1, 1 << 30
)
MAX_CONNECTIONS = Variable("SAGEMAKER_GLUONCV_MAX_CONNECTIONS", "connections at a time", "4096", 16, 65_536)
BATCH_TRANSFORM = _flag("SAGEMAKER_BATCH", "whether this is batch transform")
BATCH_STRATEGY = Variable(
    "SAGEMAKER_BATCH_STRATEGY",
    "the strategy that /execution-parameters names",
    "SINGLE_RECORD",
    choices=("SINGLE_RECORD", "MULTI_RECORD"),
)
# The platform lets MaxConcurrentTransforms x MaxPayloadInMB come to 100.
MAX_CONCURRENT_TRANSFORMS = Variable(
    "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", "the number that /execution-parameters names", "2 per worker", 1, 100
)
MULTI_MODEL = _flag("SAGEMAKER_MULTI_MODEL", "whether to serve /models")
DEFAULT_ACCEPT = Variable("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "the Accept of a request without one", "*/*")
LOG_LEVEL = Variable("SAGEMAKER_CONTAINER_LOG_LEVEL", "the level, as Python numbers them", "20", 0, 50)
PREPROCESSING = Variable(
    "SAGEMAKER_GLUONCV_PREPROCESSING", "replaces what is known of the model's preprocessing", "{}", form="a JSON object"
)
PRECISION = Variable(
    "SAGEMAKER_GLUONCV_PRECISION", "what a net is computed in", "auto", choices=("auto", "float32", "int8")
)
EMBEDDED_METRICS = _flag("SAGEMAKER_GLUONCV_EMBEDDED_METRICS", "whether CloudWatch's embedded metrics are logged")

VARIABLES = tuple(each for each in list(vars().values()) if isinstance(each, Variable))


class Environment:
    """The variables of a process, read one by one; `faults` remembers what was wrong. An empty one counts as absent."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Read the process's own environment, unless another is given."""
        self._environ, self.faults = os.environ if environ is None else environ, list[ClientError]()

    def text(self, variable: Variable, default: str | None = None) -> str:
        """Return a variable's text; its default if it is absent."""
        return self._environ.get(variable.name) or (variable.default if default is None else default)

    def has(self, variable: Variable) -> bool:
        """Return whether a variable is set."""
        return bool(self._environ.get(variable.name))

    def integer(self, variable: Variable, default: int | None = None) -> int:
        """Return a whole number within the variable's bounds; `default` where that depends on the machine."""
        assert variable.low is not None
        assert variable.high is not None
        usual = int(variable.default) if default is None else default
        if not self.has(variable):
            # The machine's own number may lie outside the bounds: a host of 700 CPUs is no fault of the user's.
            return usual
        text = self.text(variable).strip()
        # isdecimal alone also takes digits of other scripts.
        if text.isascii() and text.isdecimal() and variable.low <= int(text) <= variable.high:
            return int(text)
        return self._fault(variable, f"a whole number from {variable.low} to {variable.high}", usual)

    def flag(self, variable: Variable) -> bool:
        """Return whether a variable is true (or 1)."""
        text = self.text(variable).strip().lower()
        return text in ("true", "1") or (text not in ("false", "0") and self._fault(variable, "true or false", False))

    def choice(self, variable: Variable) -> str:
        """Return one of the variable's words."""
        text = self.text(variable)
        return text if text in variable.choices else self._fault(variable, " or ".join(variable.choices), text)

    def json_object(self, variable: Variable) -> dict[str, Any]:
        """Return a JSON object."""
        try:
            value = json.loads(self.text(variable))
        except (ValueError, RecursionError):
            value = None
        return value if isinstance(value, dict) else self._fault(variable, 'a JSON object like {"resize": 256}', {})

    def check(self) -> None:
        """Raise one ClientError that names every variable with a wrong value, if there is one."""
        if self.faults:
            raise ClientError.of(self.faults)

    def _fault(self, variable: Variable, expected: str, default: T) -> T:
        what = f"{variable.name} is {self._environ[variable.name]!r}"
        self.faults.append(ClientError(what, f"It must be {expected}", "Correct the variable, or leave it out"))
        return default


@dataclass(frozen=True)
class Paths:
    """The tree under /opt/ml, or under SAGEMAKER_BASE_DIR."""

    base: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Paths":
        """Return the tree that this process has been given."""
        return cls(Path(Environment(environ).text(BASE_DIR)))

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
        # A file name in the message may not be UTF-8.
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
    return Path(Environment(environ).text(PRETRAINED_DIR))


def job_name(environ: Mapping[str, str] = os.environ) -> str:
    """Return the name of this training job, empty if the platform has not given one."""
    return Environment(environ).text(JOB_NAME)


def set_compute_threads(count: int) -> None:
    """Give MXNet that many threads, unless the user has set a number.

    MXNet reads it when it is imported; without it, it takes half the cores.
    """
    os.environ.setdefault(COMPUTE_THREADS.name, str(count))


def set_gpu_defaults(autotune: int) -> None:
    """Have cuDNN try out (1) or only guess (0) which of its convolutions is the fastest; what the user set stays.

    At 1, unlike at 2, MXNet skips what needs more scratch memory than a layer may have, 1 GiB. Its own lines on the
    driver and on cuDNN's version are turned off: `devices` has said what there is, in the log's form. Source:
    "Environment Variables" in MXNet's documentation.
    """
    for variable, value in ((CUDNN_AUTOTUNE, str(autotune)), (CUDA_CHECKING, "0"), (CUDNN_CHECKING, "0")):
        os.environ.setdefault(variable.name, value)


def child_environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with changes, for a child."""
    return {**os.environ, **changes}


def names_a_program(hyperparameters: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the job brings its own script, as the SDK says in a hyperparameter or an image in a variable."""
    return "sagemaker_program" in hyperparameters or Environment(environ).has(PROGRAM)
