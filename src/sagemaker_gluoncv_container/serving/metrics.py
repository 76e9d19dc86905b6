"""What can be watched: Prometheus metrics under one prefix, and CloudWatch's embedded metric format in the log."""

import json
import sys
import time
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

NAMESPACE = "sagemaker_gluoncv"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


def _histogram(name: str, text: str, buckets: Sequence[float] = _SECONDS) -> Histogram:
    return Histogram(name, text, namespace=NAMESPACE, buckets=buckets)


REQUESTS = Counter("requests_total", "Answered requests, pings and metrics aside", ["status"], NAMESPACE)
LATENCY = _histogram("request_seconds", "Time from a request's headers to its answer")
QUEUED = _histogram("queue_seconds", "Time that a picture waited for a worker")
DECODING = _histogram("decode_seconds", "Time to decode a batch")
COMPUTING = _histogram("compute_seconds", "Time of a batch's forward pass")
BATCH_SIZE = _histogram("batch_size", "Pictures per forward pass", (1, 2, 4, 8, 16, 32, 64))
QUEUE = Gauge("queue_length", "Pictures that wait for a worker", namespace=NAMESPACE)
DROPPED = Counter("dropped_total", "Pictures dropped: the client left or time ran out", namespace=NAMESPACE)
WORKERS_READY = Gauge("workers_ready", "Worker processes that can answer", namespace=NAMESPACE)
WORKERS_LOST = Counter("workers_lost_total", "Worker processes that died or hung", namespace=NAMESPACE)
MODELS = Gauge("models_loaded", "Models that are loaded", namespace=NAMESPACE)
ENGINE = Gauge("engine_info", "1 for what computes a model", ["model", "engine", "precision"], NAMESPACE)


def embed(status: int, seconds: float) -> None:
    """Log one invocation in CloudWatch's embedded metric format.

    Source: "Specification: Embedded metric format" in the Amazon CloudWatch user guide.
    """
    names = [{"Name": "Latency", "Unit": "Milliseconds"}, {"Name": "Errors", "Unit": "Count"}]
    directive = {"Namespace": "SageMakerGluonCV", "Dimensions": [[]], "Metrics": names}
    aws = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    line = {"_aws": aws, "Latency": round(seconds * 1000, 3), "Errors": int(status >= 400)}
    sys.stdout.write(json.dumps(line) + "\n")
