"""What the environment asks of the server: each variable, its default and its range.

The names are those that AWS's own serving toolkits use where they have one, else they begin with SAGEMAKER_GLUONCV_.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .. import contract, devices, machine
from ..errors import ClientError
from ..inference.engine import PRECISIONS

PORT = "SAGEMAKER_BIND_TO_PORT"
WORKERS = "SAGEMAKER_MODEL_SERVER_WORKERS"
TIMEOUT = "SAGEMAKER_MODEL_SERVER_TIMEOUT"
STARTUP_TIMEOUT = "SAGEMAKER_STARTUP_TIMEOUT"
QUEUE_SIZE = "SAGEMAKER_MODEL_JOB_QUEUE_SIZE"
BATCH_SIZE = "SAGEMAKER_GLUONCV_BATCH_SIZE"
MAX_PAYLOAD = "SAGEMAKER_MAX_PAYLOAD_IN_MB"
BATCH_TRANSFORM = "SAGEMAKER_BATCH"
BATCH_STRATEGY = "SAGEMAKER_BATCH_STRATEGY"
MAX_CONCURRENT_TRANSFORMS = "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"
MULTI_MODEL = "SAGEMAKER_MULTI_MODEL"
DEFAULT_ACCEPT = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"
LOG_LEVEL = "SAGEMAKER_CONTAINER_LOG_LEVEL"
PREPROCESSING = "SAGEMAKER_GLUONCV_PREPROCESSING"
EMBEDDED_METRICS = "SAGEMAKER_GLUONCV_EMBEDDED_METRICS"
PRECISION = "SAGEMAKER_GLUONCV_PRECISION"
COMPUTE_THREADS = "OMP_NUM_THREADS"

T = TypeVar("T")
_MIB = 1024 * 1024
# What the platform allows MaxConcurrentTransforms x MaxPayloadInMB to come to.
_TRANSFORM_MB = 100
# A payload of 0 means a body of any length, in chunks; asynchronous endpoints allow no more than this.
_CHUNKED_MB = 1024


@dataclass(frozen=True)
class ServingSettings:
    """The server's settings. Sizes are in bytes, times in seconds."""

    port: int
    workers: int
    gpus: int
    compute_threads: int
    lone_threads: int
    timeout_seconds: int
    startup_seconds: int
    queue_size: int
    batch_size: int
    max_payload: int
    batch_transform: bool
    batch_strategy: str
    max_concurrent_transforms: int
    transform_payload_mb: int
    multi_model: bool
    default_accept: str
    log_level: int
    preprocessing: dict[str, Any]
    embedded_metrics: bool
    precision: str
    model_dir: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "ServingSettings":
        """Read and check the settings. Raises ClientError that names every variable with a wrong value."""
        read = _Reader(contract.environment() if environ is None else environ)
        cpus = machine.cpu_count()
        multi_model = read.flag(MULTI_MODEL)
        gpus = len(devices.gpus())
        # Each worker holds every model: one worker, with all the threads, holds the most models. Of GPUs each has its
        # own memory, and is kept busy by one process.
        workers = read.integer(WORKERS, gpus or (1 if multi_model else max(1, math.floor(cpus))), 1, 512)
        payload_mb = read.integer(MAX_PAYLOAD, 25, 0, _CHUNKED_MB)
        # Two a worker: one is computed while the next comes in.
        transforms = read.integer(MAX_CONCURRENT_TRANSFORMS, min(2 * workers, _TRANSFORM_MB), 1, _TRANSFORM_MB)
        compute_threads = read.integer(COMPUTE_THREADS, max(1, math.floor(cpus / workers)), 1, 512)
        # One model, on the CPU, and nobody said how many threads: a picture that comes alone may have all the cores.
        spread = not gpus and not multi_model and not read.text(COMPUTE_THREADS, "")
        settings = cls(
            port=read.integer(PORT, 8080, 1, 65535),
            workers=workers,
            gpus=gpus,
            compute_threads=compute_threads,
            lone_threads=max(compute_threads, math.floor(cpus)) if spread else compute_threads,
            timeout_seconds=read.integer(TIMEOUT, 60, 1, 3600),
            startup_seconds=read.integer(STARTUP_TIMEOUT, 300, 1, 3600),
            queue_size=read.integer(QUEUE_SIZE, 256, 1, 10_000),
            batch_size=read.integer(BATCH_SIZE, 8, 1, 256),
            max_payload=(payload_mb or _CHUNKED_MB) * _MIB,
            batch_transform=read.flag(BATCH_TRANSFORM),
            batch_strategy=read.choice(BATCH_STRATEGY, "SINGLE_RECORD", "MULTI_RECORD"),
            max_concurrent_transforms=transforms,
            transform_payload_mb=min(payload_mb or _CHUNKED_MB, max(1, _TRANSFORM_MB // transforms)),
            multi_model=multi_model,
            default_accept=read.text(DEFAULT_ACCEPT, "*/*"),
            log_level=read.integer(LOG_LEVEL, 20, 0, 50),
            preprocessing=read.json_object(PREPROCESSING),
            embedded_metrics=read.flag(EMBEDDED_METRICS),
            precision=read.choice(PRECISION, *PRECISIONS),
            model_dir=contract.Paths.from_environment(read.environ).model,
        )
        if read.faults:
            raise ClientError.of(read.faults)
        return settings

    def gpu(self, worker: int) -> int | None:
        """Return the number of the GPU that a worker computes on, None for the CPU."""
        return worker % self.gpus if self.gpus else None


class _Reader:
    """Reads variables one by one and remembers what was wrong; an empty one counts as absent."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ, self.faults = environ, list[ClientError]()

    def text(self, name: str, default: str) -> str:
        return self.environ.get(name) or default

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        text = self.text(name, str(default)).strip()
        if text.isdecimal() and least <= int(text) <= most:
            return int(text)
        return self._fault(name, f"a whole number from {least} to {most}", default)

    def flag(self, name: str) -> bool:
        text = self.text(name, "false").strip().lower()
        return text in ("true", "1") or (text not in ("false", "0") and self._fault(name, "true or false", False))

    def choice(self, name: str, *values: str) -> str:
        text = self.text(name, values[0])
        return text if text in values else self._fault(name, " or ".join(values), values[0])

    def json_object(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads(self.text(name, "{}"))
        except ValueError:
            value = None
        return value if isinstance(value, dict) else self._fault(name, 'a JSON object like {"resize": 256}', {})

    def _fault(self, name: str, expected: str, default: T) -> T:
        self.faults.append(ClientError(f"{name} is {self.environ[name]!r}", f"it must be {expected}"))
        return default
