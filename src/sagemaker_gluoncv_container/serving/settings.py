"""What the environment asks of the server, read and checked once. The variables themselves are listed in `contract`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import contract, devices, machine
from ..contract import Environment

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
    head_seconds: int
    body_bytes_per_second: int
    max_connections: int
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
        read = Environment(environ)
        cpus = machine.cpu_count()
        multi_model = read.flag(contract.MULTI_MODEL)
        gpus = len(devices.gpus())
        # Each worker holds every model: one worker, with all the threads, holds the most models. Each GPU has its own
        # memory, and one process keeps it busy.
        workers = read.integer(contract.WORKERS, gpus or (1 if multi_model else max(1, math.floor(cpus))))
        payload_mb = read.integer(contract.MAX_PAYLOAD)
        # Two per worker: one is computed while the next comes in.
        transforms = read.integer(contract.MAX_CONCURRENT_TRANSFORMS, min(2 * workers, _TRANSFORM_MB))
        compute_threads = read.integer(contract.COMPUTE_THREADS, max(1, math.floor(cpus / workers)))
        # One model, on the CPU, and nobody said how many threads: a picture that comes alone may have all the cores.
        spread = not gpus and not multi_model and not read.has(contract.COMPUTE_THREADS)
        settings = cls(
            port=read.integer(contract.PORT),
            workers=workers,
            gpus=gpus,
            compute_threads=compute_threads,
            lone_threads=max(compute_threads, math.floor(cpus)) if spread else compute_threads,
            timeout_seconds=read.integer(contract.TIMEOUT),
            startup_seconds=read.integer(contract.STARTUP_TIMEOUT),
            queue_size=read.integer(contract.QUEUE_SIZE),
            batch_size=read.integer(contract.BATCH_SIZE),
            max_payload=(payload_mb or _CHUNKED_MB) * _MIB,
            head_seconds=read.integer(contract.HEAD_SECONDS),
            body_bytes_per_second=read.integer(contract.BODY_RATE),
            max_connections=read.integer(contract.MAX_CONNECTIONS),
            batch_transform=read.flag(contract.BATCH_TRANSFORM),
            batch_strategy=read.choice(contract.BATCH_STRATEGY),
            max_concurrent_transforms=transforms,
            transform_payload_mb=min(payload_mb or _CHUNKED_MB, max(1, _TRANSFORM_MB // transforms)),
            multi_model=multi_model,
            default_accept=read.text(contract.DEFAULT_ACCEPT),
            log_level=read.integer(contract.LOG_LEVEL),
            preprocessing=read.json_object(contract.PREPROCESSING),
            embedded_metrics=read.flag(contract.EMBEDDED_METRICS),
            precision=read.choice(contract.PRECISION),
            model_dir=contract.Paths(Path(read.text(contract.BASE_DIR))).model,
        )
        read.check()
        return settings

    def gpu(self, worker: int) -> int | None:
        """Return the number of the GPU that a worker computes on, None for the CPU."""
        return worker % self.gpus if self.gpus else None
