"""What users of the built-in algorithm complain about, a test for each."""

import json
import math
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mxnet as mx
import pytest
from draw_pictures import CLASSES, draw

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.data import record_files, recordio
from sagemaker_gluoncv_container.data.recordio import Writer
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.inference.predictor import Predictor


def read(path: Path) -> list[tuple[int, bytes]]:
    """Return the label and the encoded picture of each record."""
    with path.open("rb") as file:
        payloads = [
            record_files.read_payload(file.fileno(), each.offset, each.size) for each in record_files.scan(path)
        ]
    pictures = [recordio.unpack(payload) for payload in payloads]
    return [(int(picture.labels[0]), picture.data) for picture in pictures]


@pytest.mark.parametrize("net", [{}, {"num_layers": "18", "image_shape": "3,64,48", "use_pretrained_model": "0"}])
def test_training_accuracy_equals_served_accuracy(
    base: Path, run: Callable[..., list[str]], net: dict[str, str]
) -> None:
    """The accuracy in the log and in the artifact is what the endpoint reaches on the same pictures, exactly."""
    lines = run(base, epochs="3", **net)
    description = artifact.load(base / "model").description
    kept = description.metrics["validation:accuracy"]
    assert f"Epoch[{description.epoch}] Validation-accuracy={kept:f}" in lines
    pictures = read(base / "input" / "data" / "validation" / "pictures.rec")
    answers = Predictor(artifact.load(base / "model"), 1).predict([data for _, data in pictures])
    right = sum(int(answer.argmax()) == label for answer, (label, _) in zip(answers.results, pictures, strict=True))
    assert right / len(pictures) == kept


def test_corrupt_picture_does_not_kill_the_job(base: Path, run: Callable[..., list[str]]) -> None:
    """A cut picture and a text are skipped, named in the log and in the report; the figures are over the others."""
    with Writer(base / "input" / "data" / "train" / "pictures.rec") as writer:
        for number in range(200):
            name = list(CLASSES)[number % 4]
            data = draw(name, number, 40, 32)
            writer.write((float(number % 4),), {50: data[: len(data) // 2], 120: b"no picture"}.get(number, data))
    lines = run(base, epochs="2")
    skipped = [line for line in lines if line.startswith("Skipped")]
    assert len(skipped) == 2
    assert [any(f"record {number}" in line for line in skipped) for number in (50, 120)] == [True, True]
    assert len(json.loads((base / "output" / "data" / "metrics.json").read_text())["skipped"]) == 2
    shown = [line for line in lines if line.startswith("Epoch[0] Train-accuracy=")]
    share = float(shown[0].rpartition("=")[2]) * 198
    assert math.isclose(share, round(share), abs_tol=1e-3)


def test_too_many_corrupt_pictures_are_the_users_fault(base: Path, run: Callable[..., list[str]]) -> None:
    """Over max_bad_fraction the job fails and names some; with a higher one it runs."""
    with Writer(base / "input" / "data" / "train" / "pictures.rec") as writer:
        for number in range(40):
            writer.write((float(number % 4),), b"no picture" if number < 4 else draw("car", number, 40, 32))
    with pytest.raises(ClientError, match=r"max_bad_fraction.*pictures\.rec|max_bad_fraction.*record"):
        run(base)
    run(base, epochs="1", max_bad_fraction="0.1")


def test_sigterm_is_not_lost(base: Path, start: Callable[..., Any]) -> None:
    """As the process that the platform starts, the job hears SIGTERM, ends soon with 0 and leaves its best model."""
    job = start(base, epochs="10000", mini_batch_size="2")
    job.wait_for_log("Epoch[0] Validation-accuracy")
    job.wait_for_log("Epoch[1] Batch [20]")
    asked = time.monotonic()
    job.process.send_signal(signal.SIGTERM)
    assert job.wait() == 0, job.log
    assert time.monotonic() - asked < 60
    assert artifact.load(base / "model")


@pytest.mark.parametrize("channel", ["train", "validation"])
def test_empty_rec_says_so(base: Path, start: Callable[..., Any], channel: str) -> None:
    """An empty .rec file ends the job with exit code 2 and a failure file that names the channel."""
    (base / "input" / "data" / channel / "pictures.rec").write_bytes(b"")
    job = start(base)
    assert job.wait() == 2
    reason = (base / "output" / "failure").read_text()
    assert reason.startswith("ClientError: ")
    assert channel in reason
    assert "empty" in reason or "no record" in reason


def test_booleans_and_lists_as_hyperparameters(base: Path, start: Callable[..., Any]) -> None:
    """Written as the SDK writes them, and quoted twice as it does with a source_dir, they are taken."""
    job = start(
        base, epochs="1", early_stopping="True", lr_scheduler_step="[10, 20]", optimizer='"sgd"', multi_label="False"
    )
    assert job.wait() == 0, job.log


def test_job_without_a_gpu_runs(base: Path, start: Callable[..., Any]) -> None:
    """The built-in refuses instances without a GPU; this trains on what there is."""
    assert mx.context.num_gpus() == 0
    assert start(base, epochs="1").wait() == 0


def test_every_moment_after_the_first_epoch_has_a_model(base: Path, start: Callable[..., Any]) -> None:
    """While later epochs run and replace the best one, the model directory can be loaded each time one looks."""
    job = start(base, epochs="8", learning_rate="0.02", checkpoint_frequency="1")
    job.wait_for_log("Epoch[0] Validation-accuracy")
    job.wait_for_log("Epoch[1] ")
    looked = 0
    while job.process.poll() is None:
        found = artifact.load(base / "model")
        assert mx.nd.load(str(found.params))
        looked += 1
        time.sleep(0.01)
    assert looked > 1
    assert job.wait() == 0, job.log
