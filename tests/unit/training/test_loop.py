"""training.loop: exact metrics, the log lines that users parse, and which epoch is kept."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn

from sagemaker_gluoncv_container import recordio
from sagemaker_gluoncv_container.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training.batches import Batches
from sagemaker_gluoncv_container.training.loop import Accuracy, Loop, Stopped

COUNT = 83
CLASSES = 4
STILL = Hyperparameters(learning_rate=0, momentum=0, weight_decay=0, epochs=2, top_k=2)


class TestAccuracy:
    """The share of right answers, exact whatever the batches' sizes."""

    def test_nothing_seen(self) -> None:
        """No picture, no right answer."""
        assert Accuracy(2).values() == {"accuracy": 0, "top_k_accuracy_2": 0}

    def test_by_hand(self) -> None:
        """Right is the best logit, and in the top two either of them."""
        accuracy = Accuracy(2)
        accuracy.update(np.array([[3, 2, 1], [3, 2, 1], [3, 2, 1]], np.float32), np.array([0, 1, 2], np.float32))
        assert accuracy.values() == {"accuracy": 1 / 3, "top_k_accuracy_2": 2 / 3}

    def test_without_top_k(self) -> None:
        """top_k is reported only where it was asked for."""
        accuracy = Accuracy(None)
        accuracy.update(np.array([[0, 1]], np.float32), np.array([1], np.float32))
        assert accuracy.values() == {"accuracy": 1}

    @pytest.mark.parametrize("size", [1, 7, 32, 341])
    @pytest.mark.parametrize("top_k", [2, 5, 9])
    def test_batches_do_not_matter(self, size: int, top_k: int) -> None:
        """341 pictures count the same however they are cut into batches, as by sorting them all."""
        random = np.random.default_rng(0)
        logits, labels = random.normal(size=(341, 10)).astype(np.float32), random.integers(0, 10, 341)
        accuracy = Accuracy(top_k)
        for start in range(0, 341, size):
            accuracy.update(logits[start : start + size], labels[start : start + size].astype(np.float32))
        ranked = np.argsort(-logits, axis=1)
        assert accuracy.seen == 341
        assert accuracy.values() == {
            "accuracy": (ranked[:, 0] == labels).sum() / 341,
            f"top_k_accuracy_{top_k}": (ranked[:, :top_k] == labels[:, None]).any(1).sum() / 341,
        }


@pytest.fixture
def data(tmp_path: Path, write_channel: Callable[..., None]) -> Batches:
    """Return 83 pictures in 42 batches, the last of one picture, in the same order in every epoch."""
    write_channel(tmp_path, [number % CLASSES for number in range(COUNT)])
    view = lambda image, _: np.asarray(image)[:2, :2]  # noqa: E731
    return Batches(recordio.scan(tmp_path / "pictures.rec"), view, 2, 1, shuffle=False)


@pytest.fixture
def net() -> nn.HybridBlock:
    """Return a net that is small, and the same for every test."""
    mx.random.seed(1)
    net = nn.HybridSequential()
    net.add(nn.HybridLambda(lambda F, x: x / 255), nn.Dense(CLASSES, in_units=12))  # noqa: N803
    net.initialize(mx.init.Normal(0.5))
    return net


def loop(
    net: nn.HybridBlock, hyperparameters: Hyperparameters, should_stop: Callable[[], bool] = lambda: False
) -> Loop:
    """Return a loop on the CPU."""
    return Loop(net, hyperparameters, mx.cpu(), should_stop)


def weights(net: nn.HybridBlock) -> np.ndarray:
    """Return a copy of the net's weights."""
    return np.array(net[1].weight.data().asnumpy())


def right_answers(net: nn.HybridBlock, data: Batches) -> tuple[float, float]:
    """Return accuracy and top-2 accuracy over all pictures, one at a time."""
    first = second = 0
    for pixels, labels in data.epoch(0):
        for picture, label in zip(pixels, labels, strict=True):
            ranked = np.argsort(-net(mx.nd.array(picture[None])).asnumpy()[0])
            first += ranked[0] == label
            second += label in ranked[:2]
    return first / COUNT, second / COUNT


def test_log_lines(net: nn.HybridBlock, data: Batches, caplog: pytest.LogCaptureFixture) -> None:
    """The lines of an epoch are those that users of the built-in algorithm parse, with exact figures."""
    caplog.set_level(logging.INFO)
    loop(net, STILL).fit(data, data, lambda *_: None)
    first, second = right_answers(net, data)
    assert 0 < first < second < 1
    speed, figures = r"Speed: ([0-9.]+) samples/sec", r"accuracy=([0-9.]+)\ttop_k_accuracy_2=([0-9.]+)"
    for epoch in (0, 1):
        lines = [line for line in caplog.messages if line.startswith(f"Epoch[{epoch}] ")]
        patterns = [
            rf"Epoch\[(\d+)\] Batch \[(20)\]\t{speed}\t{figures}",
            rf"Epoch\[(\d+)\] Batch \[(40)\]\t{speed}\t{figures}",
            rf"Epoch\[\d+\] Train-accuracy={first:f}",
            rf"Epoch\[\d+\] Train-top_k_accuracy_2={second:f}",
            r"Epoch\[\d+\] Time cost=[0-9]+\.[0-9]+",
            rf"Epoch\[\d+\] Validation-accuracy={first:f}",
            rf"Epoch\[\d+\] Validation-top_k_accuracy_2={second:f}",
        ]
        assert len(lines) == len(patterns)
        for line, pattern in zip(lines, patterns, strict=True):
            assert re.fullmatch(pattern, line), line
        assert all(float(line.split("Speed: ")[1].split()[0]) > 0 for line in lines[:2])


def test_no_top_k_lines_unless_asked(net: nn.HybridBlock, data: Batches, caplog: pytest.LogCaptureFixture) -> None:
    """Without top_k the built-in's lines have only the accuracy."""
    caplog.set_level(logging.INFO)
    loop(net, Hyperparameters(epochs=1)).fit(data, data, lambda *_: None)
    assert "top_k" not in caplog.text
    assert re.search(r"Batch \[20\]\tSpeed: [0-9.]+ samples/sec\taccuracy=[0-9.]+$", caplog.text, re.MULTILINE)


def test_training_learns(net: nn.HybridBlock, tmp_path: Path, write_channel: Callable[..., None]) -> None:
    """Dark and bright pictures are told apart after a few epochs."""
    write_channel(tmp_path, [float(number > 40) for number in range(COUNT)])
    view = lambda image, _: np.asarray(image)[:2, :2]  # noqa: E731
    source = Batches(recordio.scan(tmp_path / "pictures.rec"), view, 8, 1, shuffle=True)
    trained = loop(net, Hyperparameters(learning_rate=0.5, momentum=0.9))
    for epoch in range(20):
        trained.train(epoch, source)
    assert trained.validate(0, source)["accuracy"] >= 0.9


def test_one_step_by_hand(net: nn.HybridBlock, data: Batches) -> None:
    """A step moves the weights by the learning rate times the mean gradient of the batch, decay included."""
    start, bias = weights(net), net[1].bias.data().asnumpy()
    pixels, labels = next(data.epoch(0))
    features = pixels.reshape(2, -1) / 255
    exponents = np.exp(features @ start.T + bias)
    error = exponents / exponents.sum(1, keepdims=True) - np.eye(CLASSES)[labels.astype(int)]
    expected = start - 0.1 * (error.T @ features / 2 + 0.01 * start)
    stops = iter([False, True])
    training = loop(net, Hyperparameters(learning_rate=0.1, weight_decay=0.01), lambda: next(stops))
    with pytest.raises(Stopped):
        training.train(0, data)
    assert np.allclose(weights(net), expected, atol=1e-5)


def test_validation_trains_nothing(net: nn.HybridBlock, data: Batches) -> None:
    """Validation leaves the weights alone and counts each picture once."""
    before = weights(net)
    metrics = loop(net, Hyperparameters(top_k=2)).validate(0, data)
    assert (weights(net) == before).all()
    assert (metrics["accuracy"], metrics["top_k_accuracy_2"]) == right_answers(net, data)


def test_learning_rate_falls_at_its_epochs(net: nn.HybridBlock, data: Batches) -> None:
    """From an epoch of lr_scheduler_step on, the rate is multiplied; a factor of 0 stops all learning there."""
    settings = Hyperparameters(
        learning_rate=0.1, momentum=0, weight_decay=0, lr_scheduler_step=(2,), lr_scheduler_factor=0.0
    )
    training, history = loop(net, settings), [weights(net)]
    for epoch in range(4):
        training.train(epoch, data)
        history.append(weights(net))
    changed = [bool((one != other).any()) for one, other in zip(history, history[1:], strict=False)]
    assert changed == [True, True, False, False]


def test_learning_rate_falls_by_its_factor(net: nn.HybridBlock, data: Batches) -> None:
    """Two steps multiply twice: the first update of an epoch is as large as its rate."""
    start, moved = weights(net), []
    for epoch in range(3):
        net[1].weight.set_data(mx.nd.array(start))
        net[1].bias.set_data(mx.nd.zeros(CLASSES))
        stops = iter([False, True])
        settings = Hyperparameters(
            learning_rate=0.1, momentum=0, weight_decay=0, lr_scheduler_step=(1, 2), lr_scheduler_factor=0.5
        )
        training = loop(net, settings, lambda stops=stops: next(stops))
        with pytest.raises(Stopped):
            training.train(epoch, data)
        moved.append(abs(weights(net) - start).max())
    assert moved[0] > 0
    assert np.allclose(np.array(moved) / moved[0], [1, 0.5, 0.25], rtol=1e-3)


class Scripted(Loop):
    """A loop whose epochs have accuracies that were chosen beforehand."""

    accuracies: tuple[float, ...] = ()

    def train(self, epoch: int, batches: Batches) -> dict[str, float]:
        """Train nothing."""
        return {}

    def validate(self, epoch: int, batches: Batches) -> dict[str, float]:
        """Return what was chosen."""
        return {"accuracy": self.accuracies[epoch], "top_k_accuracy_2": 1.0}


@pytest.mark.parametrize(
    ("accuracies", "kept"),
    [
        ((0.5, 0.75, 0.7), [0, 1]),
        ((0.5, 0.5, 0.5), [0]),
        ((0.1, 0.2, 0.3), [0, 1, 2]),
        ((0.0, 0.0), [0]),
        ((0.9, 0.1), [0]),
    ],
)
def test_best_epoch_is_kept(
    net: nn.HybridBlock, data: Batches, caplog: pytest.LogCaptureFixture, accuracies: tuple[float, ...], kept: list[int]
) -> None:
    """The model is kept at each epoch that is better than all before, with its figures, and the last is logged."""
    caplog.set_level(logging.INFO)
    scripted = Scripted(net, Hyperparameters(epochs=len(accuracies)), mx.cpu(), lambda: False)
    scripted.accuracies = accuracies
    calls: list[tuple[int, dict[str, float]]] = []
    scripted.fit(data, data, lambda *call: calls.append(call))
    assert calls == [
        (epoch, {"validation:accuracy": accuracies[epoch], "validation:top_k_accuracy_2": 1.0}) for epoch in kept
    ]
    assert caplog.messages[-1] == f"Kept the model of epoch {kept[-1]}, Validation-accuracy={accuracies[kept[-1]]:f}"


@pytest.mark.parametrize(
    ("batches", "kept"),
    [(0, [(0, False)]), (10, [(0, False)]), (50, [(0, False)]), (84, [(0, True)]), (100, [(0, True)])],
    ids=["at once", "in training", "in validation", "between epochs", "in the second epoch"],
)
def test_stop(net: nn.HybridBlock, data: Batches, batches: int, kept: list[tuple[int, bool]]) -> None:
    """A stop ends at the next batch: the best epoch stays, else the model is kept as it is, without figures."""
    asked = iter(range(1000))
    calls = []
    loop(net, STILL, lambda: next(asked) >= batches).fit(
        data, data, lambda epoch, metrics: calls.append((epoch, bool(metrics)))
    )
    assert calls == kept
    assert next(asked) == batches + 1
