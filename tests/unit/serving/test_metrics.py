"""metrics: CloudWatch's embedded metric format."""

import json
import time

import pytest

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
