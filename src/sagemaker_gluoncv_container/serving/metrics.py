"""What can be watched: Prometheus metrics, and CloudWatch's embedded metric format in the log."""

import json
import sys
import time

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REQUESTS = Counter("requests_total", "Answered invocations", ["status"])
LATENCY = Histogram("request_seconds", "From a request's first byte read to its answer", buckets=_SECONDS)
QUEUED = Histogram("queue_seconds", "A picture's wait for a worker", buckets=_SECONDS)
DECODING = Histogram("decode_seconds", "Decoding of a batch", buckets=_SECONDS)
COMPUTING = Histogram("compute_seconds", "The forward pass of a batch", buckets=_SECONDS)
BATCH_SIZE = Histogram("batch_size", "Pictures a forward pass", buckets=(1, 2, 4, 8, 16, 32, 64))
QUEUE = Gauge("queue_length", "Pictures that wait")
DROPPED = Counter("dropped_total", "Pictures whose client was gone or whose time was over before their turn")
WORKERS_READY = Gauge("workers_ready", "Worker processes that can answer")
WORKERS_LOST = Counter("workers_lost_total", "Worker processes that died or hung and were replaced")
MODELS = Gauge("models_loaded", "Loaded models")
ENGINE = Gauge("engine_info", "1 for what computes a model", ["model", "engine", "precision"])


def embed(status: int, seconds: float) -> None:
    """Log one invocation in CloudWatch's embedded metric format.

    Source: "Specification: Embedded metric format" in the Amazon CloudWatch user guide.
    """
    names = [{"Name": "Latency", "Unit": "Milliseconds"}, {"Name": "Errors", "Unit": "Count"}]
    directive = {"Namespace": "SageMakerGluonCV", "Dimensions": [[]], "Metrics": names}
    aws = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    line = {"_aws": aws, "Latency": round(seconds * 1000, 3), "Errors": int(status >= 400)}
    sys.stdout.write(json.dumps(line) + "\n")
