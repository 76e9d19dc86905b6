"""What each choice does to a job as a whole."""

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from draw_pictures import CLASSES, draw

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.data.recordio import Writer
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.inference.predictor import Predictor


def weights(base: Path, epoch: int) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    """Return the weights of an epoch in a model directory."""
    loaded = mx.nd.load(str(base / "model" / f"image-classification-{epoch:04d}.params"))
    return {name: array.asnumpy() for name, array in loaded.items()}


def write_multi_label(base: Path) -> None:
    """Give the channels pictures with labels for: bird or plane, car, drawn with an odd seed."""
    for channel, seeds in (("train", range(12)), ("validation", range(100, 104))):
        folder = base / "input" / "data" / channel
        (folder / "classes.json").unlink()
        with Writer(folder / "pictures.rec") as writer:
            for seed in seeds:
                for name in CLASSES:
                    labels = (float(name in ("bird", "plane")), float(name == "car"), float(seed % 2))
                    writer.write(labels, draw(name, seed, 48, 40))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "nag"])
def test_every_optimizer_learns(base: Path, run: Callable[..., list[str]], optimizer: str) -> None:
    """With each optimizer the training loss falls."""
    lines = run(base, optimizer=optimizer, epochs="4", learning_rate="0.002")
    losses = [float(found[1]) for line in lines if (found := re.search(r"train:loss=([0-9.]+)", line))]
    assert len(losses) == 4
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "given",
    [
        {"label_smoothing": "0.1", "mixup": "0.2"},
        {"class_weights": "balanced"},
        {"lr_scheduler": "cosine", "warmup_epochs": "1"},
        {"augmentation_type": "crop_color_transform"},
        {"kv_store": "dist_sync"},
        {"top_k": "2", "early_stopping": "True", "early_stopping_min_epochs": "1", "early_stopping_patience": "1"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_options_train_to_the_end(base: Path, run: Callable[..., list[str]], given: dict[str, str]) -> None:
    """Each choice gives a model and a report whose settings name it."""
    run(base, **given)
    assert artifact.load(base / "model")
    settings = json.loads((base / "output" / "data" / "metrics.json").read_text())["settings"]
    assert settings.keys() >= given.keys()


@pytest.mark.parametrize("weighted", ["0", "1"])
def test_multi_label_job_is_served_as_one(base: Path, run: Callable[..., list[str]], weighted: str) -> None:
    """The model ends in a sigmoid for each label, and serving reads it: answers need not sum to 1."""
    write_multi_label(base)
    lines = run(base, multi_label="1", use_weighted_loss=weighted, epochs="2")
    assert any("Validation-accuracy=" in line for line in lines)
    symbol = json.loads((base / "model" / "image-classification-symbol.json").read_text())
    assert symbol["nodes"][symbol["heads"][0][0]]["op"] == "LogisticRegressionOutput"
    answers = Predictor(artifact.load(base / "model"), 1).predict([draw("car", 7)])
    answer = answers.results[0]
    assert len(answer) == 3
    assert all(0 <= each <= 1 for each in answer)


def test_checkpoint_frequency_keeps_more_weights_and_serves_the_best(base: Path, run: Callable[..., list[str]]) -> None:
    """Every second epoch's weights lie beside the best ones; what is served is the best epoch."""
    run(base, epochs="5", checkpoint_frequency="2")
    best = json.loads((base / "model" / "sagemaker-gluoncv.json").read_text())["epoch"]
    found = {int(path.stem[-4:]) for path in (base / "model").glob("*.params")}
    assert found == {1, 3, best}
    assert artifact.load(base / "model").params.name.endswith(f"{best:04d}.params")


def test_without_checkpoint_frequency_the_best_epoch_alone_is_kept(base: Path, run: Callable[..., list[str]]) -> None:
    """The model directory holds one set of weights."""
    run(base, epochs="3")
    assert len(list((base / "model").glob("*.params"))) == 1


@pytest.mark.parametrize("freeze", ["stage1", "stage2", "backbone"])
def test_freeze_keeps_weights_and_statistics(base: Path, run: Callable[..., list[str]], freeze: str) -> None:
    """The stem and the stages up to the named one stay bit by bit, statistics included; what is behind learns."""
    (base / "checkpoints").mkdir()
    run(base, epochs="2", freeze=freeze, checkpoint_frequency="1")
    first, last = weights(base, 0), weights(base, 1)
    same = {name for name in first if np.array_equal(first[name], last[name])}
    stages = {name: int(found[1]) if (found := re.search(r"stage(\d)", name)) else 0 for name in first}
    head = {name for name in first if "head" in name}
    upto = 3 if freeze == "backbone" else int(freeze[-1])
    expected = {name for name in first if stages[name] <= upto} - head
    if freeze == "backbone":
        assert same == expected
    else:
        assert expected <= same
        assert not {name for name in same - expected if name.endswith(("weight", "running_var"))}


def test_stop_before_the_first_epoch_leaves_a_servable_model(base: Path, run: Callable[..., list[str]]) -> None:
    """A job that is stopped at once has something to give, and says that it was never validated."""
    stop = threading.Event()
    stop.set()
    lines = run(base, stop)
    assert any("never validated" in line for line in lines)
    assert artifact.load(base / "model")
    assert not (base / "output" / "data" / "metrics.json").exists()


def test_several_hosts_are_refused(base: Path, run: Callable[..., list[str]]) -> None:
    """Two hosts would each train a model of their own: the job says so instead."""
    (base / "input" / "config" / "resourceconfig.json").write_text(
        json.dumps({"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]})
    )
    with pytest.raises(ClientError, match="2 hosts"):
        run(base, kv_store="dist_sync")


def test_float16_on_a_cpu_is_refused(base: Path, run: Callable[..., list[str]]) -> None:
    """Half precision gains nothing on a CPU: the message says so and what to do."""
    with pytest.raises(ClientError, match=r"float16.*CPU.*GPU"):
        run(base, precision_dtype="float16")


def test_loss_that_is_no_number_ends_the_job(
    base: Path, run: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing kept, the job fails with what to change; with an epoch kept, it ends with that one."""
    from sagemaker_gluoncv_container.training.model.optimization import Optimization

    learn = Optimization.learn
    steps = iter(range(1000))
    bad_from = [0]

    def diverging(self, pixels, targets, rate):  # type: ignore[no-untyped-def]
        logits, losses = learn(self, pixels, targets, rate)
        return logits, losses * (np.nan if next(steps) >= bad_from[0] else 1)

    monkeypatch.setattr(Optimization, "learn", diverging)
    with pytest.raises(ClientError, match="Lower learning_rate"):
        run(base)
    bad_from[0] = 1 + 12
    lines = run(base, epochs="3")
    assert any("Ending with the best epoch so far" in line for line in lines)
    assert artifact.load(base / "model").description.epoch == 0


@pytest.mark.parametrize("asked", ["hyperparameter", "debug hook"])
def test_events_are_written_when_asked_for(base: Path, run: Callable[..., list[str]], asked: str) -> None:
    """TensorBoard's files come with the hyperparameter, or with a debug hook in the job's configuration."""
    if asked == "debug hook":
        (base / "input" / "config" / "debughookconfig.json").write_text('{"LocalPath": "/opt/ml/output/tensors"}')
    run(base, epochs="1", **({"tensorboard": "1"} if asked == "hyperparameter" else {}))
    assert list((base / "output" / "tensorboard").glob("events.out.*"))


def test_no_events_unless_asked_for(base: Path, run: Callable[..., list[str]]) -> None:
    """Off by default."""
    run(base, epochs="1")
    assert not (base / "output" / "tensorboard").exists()


@contextmanager
def fed(base: Path, epochs: int) -> Iterator[None]:
    """Give the channels in Pipe mode: a FIFO an epoch, each fed by a thread with what the .rec file holds."""
    folder = base / "input" / "data"
    (base / "input" / "config" / "inputdataconfig.json").write_text(
        json.dumps({name: {"TrainingInputMode": "Pipe"} for name in ("train", "validation")})
    )
    writers = []
    for name in ("train", "validation"):
        content = (folder / name / "pictures.rec").read_bytes()
        for epoch in range(epochs):
            fifo = folder / f"{name}_{epoch}"
            os.mkfifo(fifo)
            writers.append(threading.Thread(target=fifo.write_bytes, args=(content,)))
            writers[-1].start()
    yield
    for writer in writers:
        writer.join(60)
        assert not writer.is_alive()


def test_job_in_pipe_mode(base: Path, run: Callable[..., list[str]]) -> None:
    """A job whose channels pass by in pipes trains, validates exactly, checkpoints and reports."""
    (base / "checkpoints").mkdir()
    with fed(base, 2):
        lines = run(base, num_classes="4", num_training_samples="80", lr_scheduler="cosine")
    shown = [float(line.rpartition("=")[2]) for line in lines if "Validation-accuracy=" in line and "Epoch" in line]
    assert len(shown) == 2
    assert all(share * 20 == round(share * 20) for share in shown)
    assert artifact.load(base / "model")
    assert (base / "output" / "data" / "report.html").exists()


def test_weights_of_classes_need_a_channel_that_can_be_counted(base: Path, run: Callable[..., list[str]]) -> None:
    """A pipe cannot be looked into beforehand: the message says what to do."""
    config = json.dumps({name: {"TrainingInputMode": "Pipe"} for name in ("train", "validation")})
    (base / "input" / "config" / "inputdataconfig.json").write_text(config)
    with pytest.raises(ClientError, match="class_weights is set for a train channel in Pipe mode"):
        run(base, num_classes="4", num_training_samples="80", class_weights="balanced")
