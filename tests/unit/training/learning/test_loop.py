"""loop: what a job learns, logs, keeps and says at its end; with a real net, the smallest there is."""

import logging
import math
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagemaker_gluoncv_container import artifact, disk
from sagemaker_gluoncv_container.arrays import Arrays, Floats
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.training.learning import loop as module
from sagemaker_gluoncv_container.training.learning.events import EventLog
from sagemaker_gluoncv_container.training.learning.schedule import learning_rate
from sagemaker_gluoncv_container.training.model import network
from sagemaker_gluoncv_container.training.results.checkpoint import Checkpoints, Progress
from support.small_loop import channel, small_loop


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Have the log's lines recorded, INFO too."""
    with caplog.at_level(logging.INFO):
        yield


def nan(_: int, logits: Floats) -> Floats:
    """Return answers that are all NaN."""
    return np.full_like(logits, np.nan)


def values(lines: list[str], name: str) -> list[str]:
    """Return what a user's regular expression finds in the log for a metric."""
    return re.findall(rf"{name}=([0-9.]+)", "\n".join(lines))


def test_it_learns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Dark and light pictures are told apart after a few epochs; every epoch has its figures, counted exactly."""
    loop = small_loop(tmp_path, channel([0, 1] * 16), epochs=6, learning_rate=0.05)
    loop.fit()
    history = loop.progress.history
    assert [figures["epoch"] for figures in history] == list(range(6))
    assert max(figures["validation:accuracy"] for figures in history) > 0.8
    assert history[-1]["train:loss"] < history[0]["train:loss"]
    for figures in history:
        assert figures["train:accuracy"] * 32 == pytest.approx(round(figures["train:accuracy"] * 32))
        assert figures["validation:accuracy"] * 6 == pytest.approx(round(figures["validation:accuracy"] * 6))
    best = loop.kept.best(history)
    assert artifact.load(tmp_path / "model").description.epoch == best
    accuracy = history[best]["validation:accuracy"]
    assert caplog.messages[-1] == f"Kept the model of epoch {best}. Its validation accuracy is {accuracy:f}"


def test_each_epoch_has_its_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The lines come in the built-in's order and form, and every user's expression finds one value for each epoch."""
    small_loop(tmp_path, train=channel([0, 1] * 21), mini_batch_size=2, epochs=2, top_k=None).fit()
    pattern = [
        r"Epoch\[0\] Training starts: 21 batches",
        r"Epoch\[0\] Batch \[20\]\tSpeed: [0-9.]+ samples/sec\taccuracy=[01]\.\d{6}",
        r"Epoch\[0\] Train-accuracy=[01]\.\d{6}",
        r"Epoch\[0\] Time cost=[0-9.]+",
        r"Epoch\[0\] Validation starts: 3 batches",
        r"Epoch\[0\] Validation-accuracy=[01]\.\d{6}",
        r"epoch=0 train:accuracy=\S+ train:loss=\S+ validation:accuracy=\S+ validation:loss=\S+ learning_rate=0\.01",
    ]
    own = [line for line in caplog.messages if not line.startswith("The gradients")]
    for text, line in zip(pattern, own, strict=False):
        assert re.fullmatch(text, line), line
    for name in ("Validation-accuracy", "Train-accuracy", "validation:accuracy", "train:loss", "validation:loss"):
        assert len(values(caplog.messages, name)) == 2, name


@pytest.mark.parametrize("early", [{}, {"early_stopping": True, "early_stopping_min_epochs": 1}])
def test_a_net_that_answers_nan_is_never_the_best(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, early: dict[str, Any]
) -> None:
    """NaN is no answer: where most pictures are of class 0, which argmax takes NaN for, such an epoch is not kept."""

    def poison(asked: int, logits: Floats) -> Floats:
        # The second epoch, in which the accuracy would be 5 of 6.
        return nan(asked, logits) if asked in (2, 3) else -np.abs(logits) * np.array([2, 1], np.float32)

    loop = small_loop(tmp_path, validation=channel([0] * 5 + [1], 1), poison=poison, epochs=3, **early)
    loop.fit()
    history = loop.progress.history
    assert [figures["validation:accuracy"] for figures in history][1] == 0
    assert [math.isfinite(figures["validation:loss"]) for figures in history] == [True, False, True]
    assert artifact.load(tmp_path / "model").description.epoch in (0, 2)
    [warning] = [line for line in caplog.messages if "NaN or infinity" in line]
    assert warning.startswith("Epoch[1] NaN or infinity is in the answers to 6 of 6 validation pictures.")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_answer_that_is_not_finite_is_enough(tmp_path: Path, value: float) -> None:
    """An epoch with the highest accuracy is not kept if the net answers one picture with NaN or infinity."""

    def poison(asked: int, logits: Floats) -> Floats:
        right = np.eye(2, dtype=np.float32)[np.arange(len(logits)) % 2]
        if asked < 2:
            return right[:, ::-1]
        right[0, 1] = value if asked == 2 else 0
        return right

    loop = small_loop(tmp_path, poison=poison, epochs=2, checkpoint_frequency=1)
    loop.fit()
    assert [figures["validation:accuracy"] for figures in loop.progress.history] == [0, 5 / 6]
    assert artifact.load(tmp_path / "model").description.epoch == 0
    assert [path.name for path in (tmp_path / "model").glob("*.params")] == ["image-classification-0000.params"]


def test_a_job_whose_every_epoch_is_nan_fails(tmp_path: Path) -> None:
    """It says what is wrong and what to do, leaves no model, and its checkpoints are those of a job that ran."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", {})
    with pytest.raises(ClientError) as caught:
        small_loop(tmp_path, poison=nan, epochs=2, checkpoints=checkpoints).fit()
    assert caught.value.what == "No epoch gave a model that can be kept"
    assert "After each of 2 epochs" in caught.value.why
    assert "learning_rate" in caught.value.do
    assert not list((tmp_path / "model").glob("*.params"))
    # A restart comes to the same end and does not fall over what is stored.
    found = Checkpoints(tmp_path / "checkpoints", {}).newest()
    assert found is not None
    again = small_loop(tmp_path, checkpoints=checkpoints, progress=found[0], epochs=2)
    again.optimization.restore(found[1])
    again.kept.restore(again.progress.history)
    with pytest.raises(ClientError, match="No epoch gave a model"):
        again.fit()


def test_statistics_that_explode_are_the_real_case(tmp_path: Path) -> None:
    """Running statistics of NaN leave the training loss, and MXNet's own answers, finite: the epoch is not kept."""
    loop = small_loop(tmp_path, epochs=1)
    train_epoch = loop.train_epoch

    def explode() -> None:
        train_epoch()
        for name, parameter in loop.optimization.net.collect_params().items():
            if name.endswith("running_var"):
                parameter.set_data(parameter.data() * np.nan)

    loop.train_epoch = explode  # type: ignore[method-assign]
    with pytest.raises(ClientError, match="NaN or infinity"):
        loop.fit()
    assert math.isfinite(loop.progress.history[0]["train:loss"])
    assert not math.isfinite(loop.progress.history[0]["validation:loss"])
    assert loop.progress.history[0]["validation:accuracy"] == 0


def test_a_layer_that_overflows_is_found_behind_finite_answers(tmp_path: Path) -> None:
    """ReLU hides NaN in MXNet and shows it where the model is served: such an epoch is not kept either."""
    loop = small_loop(tmp_path, epochs=1)
    validate = loop.validate

    def overflow() -> None:
        weights = network.parameters(loop.optimization.net)
        huge = {name: each * np.float32(1e30) for name, each in weights.items() if "conv" in name}
        network.set_parameters(loop.optimization.net, {**weights, **huge})
        validate()

    loop.validate = overflow  # type: ignore[method-assign]
    with pytest.raises(ClientError, match="No epoch gave a model that can be kept"):
        loop.fit()
    assert loop.progress.history[0]["validation:accuracy"] == 0


def test_a_loss_that_is_lost_in_the_first_epoch(tmp_path: Path) -> None:
    """The error names epoch, batch and learning rate."""
    loop = small_loop(tmp_path, optimizer="sgd")
    learn = loop.optimization.learn
    loop.optimization.learn = lambda *given: (learn(*given)[0], np.full(4, np.inf, np.float32))  # type: ignore[method-assign]
    with pytest.raises(ClientError, match=r"The loss is not finite\. This happened in epoch 0, batch 0, at learn"):
        loop.fit()


def test_a_loss_that_is_lost_later_keeps_the_best(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A job that diverges in its second epoch ends with the first."""
    loop = small_loop(tmp_path)
    learn, steps = loop.optimization.learn, count()

    def spoilt(*given: Any) -> tuple[Floats, Floats]:
        logits, losses = learn(*given)
        return logits, losses * np.float32(np.nan if next(steps) >= 4 else 1)

    loop.optimization.learn = spoilt  # type: ignore[method-assign]
    loop.fit()
    assert "The loss is not finite since epoch 1, batch 1, at learning rate 0.01" in caplog.text
    assert artifact.load(tmp_path / "model").description.epoch == 0


@pytest.mark.parametrize("asked", [2, 5, 7])
def test_a_stop_in_any_place_goes_on_as_if_it_had_not_been(tmp_path: Path, asked: int) -> None:
    """Stopped in training or in validation, the job's figures after a restart are the uninterrupted ones, rates too."""
    given = {"lr_scheduler": "cosine", "warmup_epochs": 1, "epochs": 2, "learning_rate": 0.05}
    whole = small_loop(tmp_path / "whole", **given)
    whole.fit()
    answers = iter([None] * (asked - 1))
    checkpoints = Checkpoints(tmp_path / "checkpoints", given)
    stopped = small_loop(tmp_path, checkpoints=checkpoints, ends=lambda: next(answers, "Asked to stop"), **given)
    stopped.fit()
    found = Checkpoints(tmp_path / "checkpoints", given).newest()
    assert found is not None
    again = small_loop(tmp_path, checkpoints=checkpoints, progress=found[0], **given)
    again.optimization.restore(found[1])
    again.kept.restore(again.progress.history)
    again.fit()
    rates = [figures["learning_rate"] for figures in again.progress.history]
    assert rates == [learning_rate(again.hyperparameters, epoch, 2, 3) for epoch in range(2)]
    assert rates == [figures["learning_rate"] for figures in whole.progress.history]
    for one, other in zip(again.progress.history, whole.progress.history, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-3)


def test_a_stop_before_the_first_epoch_ends_leaves_a_model(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What there is is kept, and said to be unvalidated."""
    answers = iter([None, None])
    small_loop(tmp_path, ends=lambda: next(answers, "Asked to stop")).fit()
    assert artifact.load(tmp_path / "model").description.metrics == {}
    assert "never validated" in caplog.text
    assert "Asked to stop: ending at this batch" in caplog.messages


def test_a_stop_with_a_broken_net_leaves_none(tmp_path: Path) -> None:
    """Weights of NaN are not kept either if nobody has validated them."""
    loop = small_loop(tmp_path, ends=lambda: "Asked to stop")
    weights = network.parameters(loop.optimization.net)
    name = next(each for each in weights if each.endswith("head_weight"))
    network.set_parameters(loop.optimization.net, {**weights, name: weights[name] * np.nan})
    with pytest.raises(ClientError, match=f"The net cannot be kept as it is. NaN or infinity is in {name}"):
        loop.fit()
    assert not list((tmp_path / "model").glob("*"))


def test_early_stopping(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two epochs without an improvement end the job, after a line that says so."""
    given = {"early_stopping": True, "early_stopping_min_epochs": 1, "early_stopping_patience": 2}
    loop = small_loop(tmp_path, epochs=9, poison=lambda _, logits: np.abs(logits) * [[1, -1]], **given)
    loop.fit()
    assert loop.progress.epoch == 3
    assert "Early stopping: no improvement in 2 epochs" in caplog.messages


def test_no_readable_validation_picture(tmp_path: Path) -> None:
    """A job cannot be measured without one, and says so."""
    validation = channel([0, 1])
    for sample in validation.samples:
        object.__setattr__(sample, "data", b"not a picture")
    with pytest.raises(ClientError, match="No validation picture could be read"):
        small_loop(tmp_path, validation=validation, max_bad_fraction=1.0).fit()


def test_a_full_disk_is_found_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the model cannot fit, no batch is computed; the error names the folder and the free bytes."""
    monkeypatch.setattr(disk, "free_bytes", lambda _: 1_500_000)
    loop = small_loop(tmp_path)
    with pytest.raises(ClientError, match=f"The model does not fit into {tmp_path / 'model'}. 1,500,000 bytes"):
        loop.fit()
    assert loop.progress.batch == 0


def test_a_checkpoint_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It costs a line with the folder and the free bytes, not the job."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", {})
    loop = small_loop(tmp_path, checkpoints=checkpoints, epochs=1)
    name = f"checkpoint-{checkpoints._digest}-000001-00000000.state.sagemaker-ignore"
    (tmp_path / "checkpoints" / name).symlink_to("/dev/full")
    loop.fit()
    [line] = [record.message for record in caplog.records if record.levelname == "ERROR"]
    folder = re.escape(str(tmp_path / "checkpoints"))
    assert re.match(rf"The checkpoint cannot be written to {folder}\. No space left on device\. [\d,]+ bytes", line)
    assert line.endswith("The job continues without it.")


def test_checkpoints_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a long epoch a checkpoint is written after so many seconds: here after each of three batches."""
    monkeypatch.setattr(module, "_SECONDS_PER_CHECKPOINT", 0)
    written = []

    class Noted(Checkpoints):
        def write(self, progress: Progress, arrays: Arrays) -> None:
            written.append((progress.epoch, progress.batch))
            super().write(progress, arrays)

    checkpoints = Noted(tmp_path / "checkpoints", {})
    small_loop(tmp_path, checkpoints=checkpoints, epochs=1).fit()
    assert written == [(0, 1), (0, 2), (0, 3), (1, 0)]


def test_gradients_and_figures_are_watched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Gradients that are not finite are named, and event files get the loss, the rate and the epoch's figures."""
    tags = set()

    class Noted(EventLog):
        def scalar(self, tag: str, value: float, step: int) -> None:
            tags.add(tag)
            super().scalar(tag, value, step)

    with Noted(tmp_path / "events") as events:
        loop = small_loop(tmp_path, events=events, epochs=1)
        loop.optimization.gradient_norms = lambda _: {"head_weight": math.inf}  # type: ignore[method-assign]
        loop.fit()
    assert "Epoch[0] Batch [0] The gradients of head_weight exploded: NaN or infinite" in caplog.text
    assert {"train/loss", "learning_rate", "epoch/validation/accuracy", "epoch/train/loss"} <= tags
