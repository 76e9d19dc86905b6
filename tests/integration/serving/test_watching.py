"""Promise: a running server can be watched: JSON log lines, metrics, CloudWatch's embedded metrics, and its level."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.model_server import Server
from support.processes import free_port, wait_until

LOG_FIELDS = {
    "time",
    "level",
    "message",
    "request_id",
    "bytes",
    "batch",
    "queue_ms",
    "decode_ms",
    "compute_ms",
    "ms",
    "status",
}


@pytest.fixture(scope="module")
def server(start: Callable[..., Server]) -> Server:
    """Return a server with one worker."""
    return start(1)


def test_what_a_request_leaves_in_the_log(server: Server, flower: bytes) -> None:
    """The log says of a request its id, sizes, and where its milliseconds went; every line is one JSON object."""
    headers = {"X-Amzn-SageMaker-Inference-Id": "inference-7"}
    assert server.invoke(flower, headers=headers).status == 200
    line = server.log()[-1]
    assert set(line) == LOG_FIELDS
    assert (line["request_id"], line["bytes"], line["status"], line["batch"]) == ("inference-7", len(flower), 200, 1)
    assert line["decode_ms"] + line["compute_ms"] <= line["ms"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


def test_why_a_request_failed(server: Server) -> None:
    """A refused request leaves its reason in the log, under an id of its own."""
    assert server.invoke(b"no picture").status == 415
    line = server.log()[-1]
    assert line["status"] == 415
    assert "The picture cannot be read" in line["error"]
    assert re.fullmatch(r"[0-9a-f]{32}", line["request_id"])


def test_pings_are_silent(server: Server) -> None:
    """Neither /ping nor /metrics leaves a line."""
    lines = len(server.log())
    assert server.ping() == 200
    assert server.metrics()
    assert len(server.log()) == lines


def test_metrics(server: Server, flower: bytes) -> None:
    """/metrics counts requests by status and times their parts, of all workers in one place."""
    before = server.metrics()
    assert server.invoke(flower).status == 200
    after = server.metrics()
    grown = {name for name in after if after[name] > before.get(name, 0)}
    parts = ("request_seconds", "queue_seconds", "decode_seconds", "compute_seconds", "batch_size")
    assert {f"{part}_count" for part in parts} | {'requests_total{status="200"}'} <= grown
    assert (after["workers_ready"], after["models_loaded"], after["queue_length"]) == (1, 1, 0)


def test_the_level(start: Callable[..., Server], flower: bytes) -> None:
    """At SAGEMAKER_CONTAINER_LOG_LEVEL=30 a server that is well says nothing at all."""
    server = start(1, SAGEMAKER_CONTAINER_LOG_LEVEL="30")
    assert server.invoke(flower).status == 200
    assert server.log() == []


def test_embedded_metrics(start: Callable[..., Server], flower: bytes) -> None:
    """With SAGEMAKER_GLUONCV_EMBEDDED_METRICS=true each invocation is a line in CloudWatch's format."""
    server = start(1, SAGEMAKER_GLUONCV_EMBEDDED_METRICS="true")
    assert server.invoke(flower).status == 200
    assert server.invoke(b"no picture").status == 415
    wait_until(lambda: sum("_aws" in line for line in server.log()) == 2, 5, "both are in the log")
    good, bad = (line for line in server.log() if "_aws" in line)
    (directive,) = good["_aws"]["CloudWatchMetrics"]
    assert {metric["Name"] for metric in directive["Metrics"]} == {"Latency", "Errors"}
    assert good["Latency"] > 0
    assert (good["Errors"], bad["Errors"]) == (0, 1)


def test_the_port(start: Callable[..., Server]) -> None:
    """The server listens on SAGEMAKER_BIND_TO_PORT, and on no other port."""
    port = free_port()
    server = start(1, SAGEMAKER_BIND_TO_PORT=str(port))
    assert server.ping() == 200
    listening = {
        each.laddr.port
        for process in server.processes()
        for each in process.net_connections("tcp")
        if each.status == "LISTEN"
    }
    assert listening == {port}


def test_nothing_is_written(start: Callable[..., Server], base: Path, flower: bytes) -> None:
    """A server leaves no file in the platform's tree: /opt/ml/model is read-only."""
    server = start(1)
    assert server.invoke(flower).status == 200
    assert {path.name for path in base.rglob("*") if path.is_file()} == {
        "image-classification-0001.params",
        "image-classification-symbol.json",
        "model-shapes.json",
        "sagemaker-gluoncv.json",
    }
