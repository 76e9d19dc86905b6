"""log: an epoch's lines, and that a job never seems to hang."""

import io
import logging
import re
from collections.abc import Callable, Iterator

import pytest

from sagemaker_gluoncv_container.data.batches import Batches
from sagemaker_gluoncv_container.training.learning import log
from sagemaker_gluoncv_container.training.learning.accuracy import Accuracy
from support.small_loop import channel, plain


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Have the log's lines recorded, INFO too."""
    with caplog.at_level(logging.INFO):
        yield


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return what sets the time."""
    now = [100.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, 100.0 + seconds)


def batches(pictures: int = 10, size: int = 2) -> Batches:
    """Return batches of small pictures."""
    return Batches(channel([0] * pictures), plain, size, 1)


def test_a_line_comes_before_the_first_batch(caplog: pytest.LogCaptureFixture) -> None:
    """The epoch is announced with its length before anything is decoded."""
    epoch = log.watched(2, "Training", batches())
    next(epoch)
    assert caplog.messages == ["Epoch[2] Training starts: 5 batches"]
    epoch.close()


def test_after_a_restart(caplog: pytest.LogCaptureFixture) -> None:
    """An epoch that is continued says where, and yields what is left of it."""
    assert [batch.number for batch in log.watched(0, "Training", batches(), 3)] == [3, 4]
    assert caplog.messages == ["Epoch[0] Training continues at batch 4 of 5"]


def test_slow_first_batches(caplog: pytest.LogCaptureFixture, clock: Callable[[float], None]) -> None:
    """Where batches take long, one line says how long, and how long the others will take."""
    for batch in log.watched(0, "Training", batches()):
        clock(6.0 * (batch.number + 1))
    assert caplog.messages[1:] == ["Epoch[0] Training: the first 2 batches took 12 s, and the others need about 18 s"]


def test_fast_batches_need_no_such_line(caplog: pytest.LogCaptureFixture, clock: Callable[[float], None]) -> None:
    """Within ten seconds, and after the first of the built-in's lines, there is nothing to add."""
    for batch in log.watched(0, "Training", batches(60)):
        clock(0.3 * (batch.number + 1) if batch.number < 20 else 1000)
    assert len(caplog.messages) == 1


def test_an_epoch_of_unknown_length(caplog: pytest.LogCaptureFixture, clock: Callable[[float], None]) -> None:
    """A pipe's first epoch has no known length: nothing is said of it, and nothing is estimated."""

    class Unknown(Batches):
        def __len__(self) -> int:
            return 0

    for batch in log.watched(0, "Validation", Unknown(channel([0] * 6), plain, 2, 1)):
        clock(11.0 * (batch.number + 1))
    assert caplog.messages == ["Epoch[0] Validation starts", "Epoch[0] Validation: the first 1 batches took 11 s"]


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the batches are counted in place, from the first moment on; elsewhere nothing is drawn."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, drawn in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", stream)
        epoch = log.watched(3, "Training", batches())
        next(epoch)
        assert ("Epoch[3] Training:   0%|" in stream.getvalue()) == drawn
        epoch.close()


def test_speed_lines(caplog: pytest.LogCaptureFixture, clock: Callable[[float], None]) -> None:
    """The speed is that since the line before, the metrics are the epoch's so far, and the form is the built-in's."""
    lines = log.SpeedLines(1, pictures=10)
    clock(2)
    lines.write(20, Accuracy(top_k=2, pictures=50, answers=50, right=25, right_in_top_k=40))
    clock(3)
    lines.write(40, Accuracy(pictures=60, answers=60, right=45))
    assert caplog.messages == [
        "Epoch[1] Batch [20]\tSpeed: 20.00 samples/sec\taccuracy=0.500000\ttop_k_accuracy_2=0.800000",
        "Epoch[1] Batch [40]\tSpeed: 10.00 samples/sec\taccuracy=0.750000",
    ]


def test_figures_and_metrics(caplog: pytest.LogCaptureFixture) -> None:
    """Only an epoch's own lines hold what users' expressions look for, once each."""
    log.metrics(4, "Validation", {"accuracy": 0.9, "top_k_accuracy_2": 1.0})
    log.figures({"epoch": 4, "validation:accuracy": 0.9, "validation:loss": float("inf"), "learning_rate": 0.00012})
    assert caplog.messages == [
        "Epoch[4] Validation-accuracy=0.900000",
        "Epoch[4] Validation-top_k_accuracy_2=1.000000",
        "epoch=4 validation:accuracy=0.900000 validation:loss=inf learning_rate=0.00012",
    ]
    text = "\n".join(caplog.messages)
    assert re.findall(r"Validation-accuracy=([0-9.]+)", text) == ["0.900000"]
    assert re.findall(r"validation:accuracy=([0-9.]+)", text) == ["0.900000"]
    assert re.findall(r"validation:loss=([0-9.]+)", text) == []
