"""metrics: the names for Prometheus, and CloudWatch's embedded metric format."""

import json
import re
import time
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram

from sagemaker_gluoncv_container.serving import metrics


@pytest.mark.parametrize(("status", "errors"), [(200, 0), (415, 1), (503, 1)])
def test_embed(capsys: pytest.CaptureFixture[str], status: int, errors: int) -> None:
    """One invocation is one line; every metric that the directive names is in it, in milliseconds and counts."""
    metrics.embed(status, 0.25)
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    line = json.loads(text)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]} == {
        "Latency": 250,
        "Errors": errors,
    }
    assert directive["Dimensions"] == [[]]
    assert abs(line["_aws"]["Timestamp"] / 1000 - time.time()) < 60


METRICS = [each for each in vars(metrics).values() if isinstance(each, Counter | Gauge | Histogram)]


def test_metrics_are_found() -> None:
    """The tests of names see all twelve."""
    assert len(METRICS) == 12


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric._name)
def test_names(metric: Counter | Gauge | Histogram) -> None:
    """Every name has our prefix, counters alone end in _total, and times are in seconds."""
    described = metric.describe()[0]
    assert described.name.startswith("sagemaker_gluoncv_")
    assert ("_total" in described.name) is False
    assert any(sample.endswith("_total") for sample in _samples(metric)) is isinstance(metric, Counter)
    assert not any(unit in described.name for unit in ("_ms", "milli", "minutes", "_mb", "percent"))


def _samples(metric: Counter | Gauge | Histogram) -> list[str]:
    if metric._labelnames:
        metric = metric.labels(*metric._labelnames)
    return [sample.name for family in metric.collect() for sample in family.samples]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric._name)
def test_names_are_documented(metric: Counter | Gauge | Histogram) -> None:
    """docs/serving.md names every metric, and CHANGELOG.md what it was called before."""
    root = Path(__file__).resolve().parents[3]
    name = next(each for each in _samples(metric) if not each.endswith("_created"))
    name = re.sub("_(bucket|sum|count)$", "", name)
    short = name.removeprefix("sagemaker_gluoncv_")
    assert re.search(rf"`{short}[`{{]", (root / "docs" / "serving.md").read_text())
    assert f"`{short}` -> `{name}`" in (root / "CHANGELOG.md").read_text()
