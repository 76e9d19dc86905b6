"""settings: every variable's default, range and refusal; workers and threads for any number of CPUs."""

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

from sagemaker_gluoncv_container import contract, devices, machine
from sagemaker_gluoncv_container.devices import Gpu
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.serving.settings import ServingSettings

Read = Callable[..., ServingSettings]
# Those of a job, and of MXNet on GPUs, are no settings of the server.
OTHERS = {
    "TRAINING_JOB_NAME",
    "SAGEMAKER_BASE_DIR",
    "SAGEMAKER_PROGRAM",
    "SAGEMAKER_GLUONCV_PRETRAINED_DIR",
    "SAGEMAKER_GLUONCV_HOST_SECRET",
}
VARIABLES = sorted(
    each.name for each in contract.VARIABLES if each.name not in OTHERS and not each.name.startswith("MXNET_")
)

# variable, field, default, [(text, value)], [wrong texts]
MIB = 1024 * 1024
TABLE: list[tuple[str, str, Any, list[tuple[str, Any]], list[str]]] = [
    ("SAGEMAKER_BIND_TO_PORT", "port", 8080, [("1", 1), ("65535", 65535)], ["0", "65536", "http"]),
    ("SAGEMAKER_MODEL_SERVER_WORKERS", "workers", 4, [("1", 1), ("512", 512)], ["0", "513", "1.5"]),
    ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "timeout_seconds", 60, [("1", 1), ("3600", 3600)], ["0", "3601", "-1"]),
    ("SAGEMAKER_STARTUP_TIMEOUT", "startup_seconds", 300, [("1", 1), ("3600", 3600)], ["0", "3601"]),
    ("SAGEMAKER_MODEL_JOB_QUEUE_SIZE", "queue_size", 256, [("1", 1), ("10000", 10_000)], ["0", "10001"]),
    ("SAGEMAKER_GLUONCV_BATCH_SIZE", "batch_size", 8, [("1", 1), ("256", 256)], ["0", "257"]),
    ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "max_payload", 25 * MIB, [("6", 6 * MIB), ("0", 1024 * MIB)], ["1025", "6MB"]),
    ("SAGEMAKER_GLUONCV_HEADER_TIMEOUT", "head_seconds", 10, [("1", 1), ("600", 600)], ["0", "601", "0.5"]),
    ("SAGEMAKER_GLUONCV_MIN_BODY_RATE", "body_bytes_per_second", 4096, [("1", 1), ("1000000", 1_000_000)], ["0", "1k"]),
    ("SAGEMAKER_GLUONCV_MAX_CONNECTIONS", "max_connections", 4096, [("16", 16), ("65536", 65536)], ["15", "65537"]),
    ("SAGEMAKER_BATCH", "batch_transform", False, [("true", True), ("True", True), ("false", False)], ["yes"]),
    (
        "SAGEMAKER_BATCH_STRATEGY",
        "batch_strategy",
        "SINGLE_RECORD",
        [("MULTI_RECORD", "MULTI_RECORD"), ("SINGLE_RECORD", "SINGLE_RECORD")],
        ["MultiRecord"],
    ),
    ("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", "max_concurrent_transforms", 8, [("1", 1), ("100", 100)], ["0", "101"]),
    ("SAGEMAKER_MULTI_MODEL", "multi_model", False, [("true", True), ("1", True), ("0", False)], ["on"]),
    (
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",
        "default_accept",
        "*/*",
        [("application/jsonlines", "application/jsonlines")],
        [],
    ),
    ("SAGEMAKER_CONTAINER_LOG_LEVEL", "log_level", logging.INFO, [("10", 10), ("50", 50)], ["51", "info"]),
    ("SAGEMAKER_GLUONCV_PREPROCESSING", "preprocessing", {}, [('{"resize": 256}', {"resize": 256})], ["[1]", "resize"]),
    (
        "SAGEMAKER_GLUONCV_PRECISION",
        "precision",
        "auto",
        [("auto", "auto"), ("float32", "float32"), ("int8", "int8")],
        ["bfloat16", "INT8"],
    ),
    ("SAGEMAKER_GLUONCV_EMBEDDED_METRICS", "embedded_metrics", False, [("true", True)], ["2"]),
    ("OMP_NUM_THREADS", "compute_threads", 1, [("1", 1), ("512", 512)], ["0", "513", "two"]),
]


@pytest.fixture(autouse=True)
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this be a machine of four CPUs."""
    monkeypatch.setattr(machine, "cpu_count", lambda: 4.0)


def test_the_table_is_whole() -> None:
    """Every variable of the server is tested here."""
    assert sorted(row[0] for row in TABLE) == VARIABLES


@pytest.mark.parametrize(("variable", "field", "default", "good", "wrong"), TABLE, ids=[row[0] for row in TABLE])
def test_variables(
    settings: Read, variable: str, field: str, default: object, good: list[tuple[str, object]], wrong: list[str]
) -> None:
    """Each variable has its default, also when it is empty, takes what is in its range, refuses the rest by name."""
    assert getattr(settings(), field) == default
    assert getattr(settings(**{variable: ""}), field) == default
    for text, value in good:
        assert getattr(settings(**{variable: text}), field) == value
    for text in wrong:
        with pytest.raises(ClientError, match=f"{variable} is '{re.escape(text)}'. It must be"):
            settings(**{variable: text})


def test_all_faults_at_once(settings: Read) -> None:
    """Every variable with a wrong value is named in one error."""
    wrong = {row[0]: row[4][0] for row in TABLE if row[4]}
    with pytest.raises(ClientError) as caught:
        settings(**wrong)
    assert all(variable in str(caught.value) for variable in wrong)


@pytest.mark.parametrize(
    ("cpus", "workers", "threads"), [(0.5, 1, 1), (1.0, 1, 1), (1.5, 1, 1), (2.0, 2, 1), (16.0, 16, 1), (96.0, 96, 1)]
)
def test_workers_and_threads_fit(
    settings: Read, monkeypatch: pytest.MonkeyPatch, cpus: float, workers: int, threads: int
) -> None:
    """Workers x compute threads come to no more than the CPUs, but for the one that there must be."""
    monkeypatch.setattr(machine, "cpu_count", lambda: cpus)
    found = settings()
    assert (found.workers, found.compute_threads) == (workers, threads)
    assert found.workers * found.compute_threads <= max(1, cpus)


@pytest.mark.parametrize("cpus", [0.5, 1.0, 2.0, 16.0])
@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_threads_fit_to_workers_that_are_asked_for(
    settings: Read, monkeypatch: pytest.MonkeyPatch, cpus: float, workers: int
) -> None:
    """Given the workers, the threads are as many as still fit, at least one."""
    monkeypatch.setattr(machine, "cpu_count", lambda: cpus)
    found = settings(SAGEMAKER_MODEL_SERVER_WORKERS=str(workers))
    assert found.workers * found.compute_threads <= max(workers, cpus)
    assert (found.compute_threads + 1) * workers > cpus


@pytest.mark.parametrize(
    ("variables", "lone"),
    [
        ({}, 16),
        ({"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}, 16),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_MODEL_SERVER_WORKERS": "4"}, 4),
    ],
)
def test_threads_for_a_lone_picture(
    settings: Read, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], lone: int
) -> None:
    """It may have all the CPUs, but not if the threads are given, nor where many nets would each be compiled twice."""
    monkeypatch.setattr(machine, "cpu_count", lambda: 16.0)
    assert settings(**variables).lone_threads == lone


def test_one_worker_holds_many_models(settings: Read) -> None:
    """In a multi-model server one worker has all the CPUs, because each would hold every model."""
    found = settings(SAGEMAKER_MULTI_MODEL="true")
    assert (found.workers, found.compute_threads) == (1, 4)


@pytest.mark.parametrize("multi_model", ["true", "false"])
@pytest.mark.parametrize(("gpus", "threads"), [(1, 4), (4, 1), (8, 1)])
def test_a_worker_for_each_gpu(
    settings: Read, monkeypatch: pytest.MonkeyPatch, gpus: int, threads: int, multi_model: str
) -> None:
    """On GPUs there are as many workers as GPUs, each with its own, and they share the CPUs for decoding."""
    monkeypatch.setattr(devices, "gpus", lambda: (Gpu("Tesla T4", (7, 5)),) * gpus)
    found = settings(SAGEMAKER_MULTI_MODEL=multi_model)
    assert (found.workers, found.compute_threads) == (gpus, threads)
    assert [found.gpu(worker) for worker in range(found.workers)] == list(range(gpus))


def test_workers_share_gpus(settings: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """More workers than GPUs take them in turn, so that none has more than one worker above another."""
    monkeypatch.setattr(devices, "gpus", lambda: (Gpu("Tesla T4", (7, 5)),) * 2)
    found = settings(SAGEMAKER_MODEL_SERVER_WORKERS="5")
    assert [found.gpu(worker) for worker in range(found.workers)] == [0, 1, 0, 1, 0]


def test_workers_without_a_gpu(settings: Read) -> None:
    """Without a GPU every worker computes on the CPU."""
    found = settings()
    assert [found.gpu(worker) for worker in range(found.workers)] == [None] * 4


@pytest.mark.parametrize("transforms", [1, 3, 7, 25, 100])
@pytest.mark.parametrize("payload", [0, 6, 100])
def test_transforms_and_payload_fit(settings: Read, transforms: int, payload: int) -> None:
    """MaxConcurrentTransforms x MaxPayloadInMB is at most 100, as the platform demands, and no payload is over ours."""
    found = settings(SAGEMAKER_MAX_CONCURRENT_TRANSFORMS=str(transforms), SAGEMAKER_MAX_PAYLOAD_IN_MB=str(payload))
    assert found.max_concurrent_transforms * found.transform_payload_mb <= 100
    assert 1 <= found.transform_payload_mb <= (payload or 100)
