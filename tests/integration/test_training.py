"""A training job from start to end, as the platform runs it."""

import json
import re
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from draw_pictures import CLASSES, draw

from sagemaker_gluoncv_container import artifact, images
from sagemaker_gluoncv_container.data.recordio import Writer
from sagemaker_gluoncv_container.decoding.picture import decode
from sagemaker_gluoncv_container.inference.predictor import Predictor

StartJob = Callable[..., Any]
Pictures = list[tuple[int, bytes]]
EPOCHS = range(3)
SCRATCH = {"image_shape": "3,32,32", "mini_batch_size": "4", "learning_rate": "0.01", "use_pretrained_model": "0"}


def figures(log: str, name: str) -> list[str]:
    """Return a metric's figures, in the order of the epochs."""
    found = re.findall(rf"Epoch\[(\d+)\] {name}=([0-9.]+)$", log, re.MULTILINE)
    assert [int(epoch) for epoch, _ in found] == list(EPOCHS)
    return [figure for _, figure in found]


class TestSuccess:
    """What a job that ends well leaves and says."""

    def test_no_failure(self, trained: Any) -> None:
        """A job that ended well has written no reason why it failed, and its log no warning."""
        assert trained.failure == ""
        assert not re.search("WARNING|ERROR|Warning|Traceback", trained.log), trained.log

    def test_progress_lines(self, trained: Any) -> None:
        """Each epoch of 22 batches has one line of progress, as the built-in's users parse it."""
        pattern = r"Epoch\[(\d+)\] Batch \[(\d+)\]\tSpeed: ([0-9.]+) samples/sec\taccuracy=([0-9.]+)"
        found = re.findall(pattern, trained.log)
        assert [(int(epoch), int(batch)) for epoch, batch, _, _ in found] == [(epoch, 20) for epoch in EPOCHS]
        assert all(float(speed) > 0 for _, _, speed, _ in found)
        # 21 batches of 16: the figure is of these, and exact.
        for _, _, _, accuracy in found:
            assert accuracy == f"{round(float(accuracy) * 336) / 336:f}"

    @pytest.mark.parametrize(
        ("name", "count"),
        [
            ("Train-accuracy", 343),
            ("Train-top_k_accuracy_2", 343),
            ("Validation-accuracy", 37),
            ("Validation-top_k_accuracy_2", 37),
        ],
    )
    def test_metrics_count_every_picture_once(self, trained: Any, name: str, count: int) -> None:
        """Each epoch has each metric once, a share of all pictures that no batch size divides."""
        for figure in figures(trained.log, name):
            assert figure == f"{round(float(figure) * count) / count:f}"

    def test_time_is_logged(self, trained: Any) -> None:
        """Each epoch says how long it took."""
        assert all(float(figure) > 0 for figure in figures(trained.log, "Time cost"))

    def test_it_has_learnt(self, trained: Any) -> None:
        """Three epochs are enough to be better than guessing among four."""
        assert max(map(float, figures(trained.log, "Validation-accuracy"))) >= 0.5

    def test_files(self, trained: Any) -> None:
        """The model directory holds one epoch's artifact and nothing else, under the built-in's names."""
        epoch = artifact.load(trained.base / "model").description.epoch
        assert sorted(path.name for path in (trained.base / "model").iterdir()) == [
            f"image-classification-{epoch:04d}.params",
            "image-classification-int8.json",
            "image-classification-symbol.json",
            "model-shapes.json",
            "sagemaker-gluoncv.json",
        ]

    def test_description(self, trained: Any) -> None:
        """The best epoch was kept, the first of several, with its figures, the classes and how to treat a picture."""
        accuracies = list(map(float, figures(trained.log, "Validation-accuracy")))
        best = accuracies.index(max(accuracies))
        description = artifact.load(trained.base / "model").description
        assert description.epoch == best
        assert description.classes == tuple(CLASSES)
        assert description.num_classes == 4
        assert description.preprocessing == images.Preprocessing(64, 64, 73)
        assert f"{description.metrics['validation:accuracy']:f}" == f"{accuracies[best]:f}"
        kept = figures(trained.log, "Validation-top_k_accuracy_2")[best]
        assert f"{description.metrics['validation:top_k_accuracy_2']:f}" == kept

    def test_int8(self, trained: Any) -> None:
        """The int8 form was judged on every validation picture, and one line of the log says what came out."""
        quantization = artifact.load(trained.base / "model").quantization
        assert quantization
        assert quantization.pictures == 37
        accuracies = list(map(float, figures(trained.log, "Validation-accuracy")))
        assert quantization.accuracy_float32 == pytest.approx(max(accuracies), abs=1e-6)
        said = [line.partition("INFO] ")[2] or line.partition("WARNING] ")[2] for line in trained.log.splitlines()]
        kept, refused = (
            f"int8: kept, {quantization}",
            f"int8: refused, the model stays in float32: {quantization.refused}",
        )
        assert said.count(refused if quantization.refused else kept) == 1

    def test_nothing_else_is_written(self, trained: Any) -> None:
        """Beside the model and the report there is only what the test put there."""
        assert sorted(path.name for path in trained.base.iterdir()) == ["input", "log", "model", "output"]


def test_mxnets_module_loads_the_artifact(trained: Any, validation_pictures: Pictures) -> None:
    """Code for the built-in's models, MXNet's Module API, gives the probabilities of our predictor."""
    loaded = artifact.load(trained.base / "model")
    (shapes,) = json.loads((trained.base / "model" / "model-shapes.json").read_text())
    prefix = str(trained.base / "model" / "image-classification")
    module = mx.mod.Module.load(prefix, loaded.description.epoch)
    with pytest.warns(UserWarning, match="label_shapes"):
        module.bind([(shapes["name"], tuple(shapes["shape"]))], for_training=False)
    predictor = Predictor(loaded, threads=1, precision="float32")
    for _, data in validation_pictures:
        pixels = images.for_evaluation(decode(data), loaded.description.preprocessing)
        batch = mx.nd.array(pixels.transpose(2, 0, 1)[None])
        module.forward(mx.io.DataBatch([batch]), is_train=False)
        found = module.get_outputs()[0].asnumpy()[0]
        assert np.allclose(found, predictor.predict([data]).results[0], atol=1e-6)


def test_predictor_reaches_the_logged_accuracy(trained: Any, validation_pictures: Pictures) -> None:
    """The kept model, loaded anew, is right as often as the log says: batches, pictures and weights agree."""
    loaded = artifact.load(trained.base / "model")
    predictor = Predictor(loaded, threads=1, precision="float32")
    right = sum(predictor.predict([data]).results[0].argmax() == label for label, data in validation_pictures)
    assert right / 37 == loaded.description.metrics["validation:accuracy"]


def test_artifact_survives_a_tarball(trained: Any, tmp_path: Path) -> None:
    """model.tar.gz, extracted elsewhere, is the same model."""
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(trained.base / "model", arcname=".")
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        tar.extractall(tmp_path / "elsewhere")
    one, other = (
        Predictor(artifact.load(folder), threads=1) for folder in (trained.base / "model", tmp_path / "elsewhere")
    )
    assert (one.predict([draw("car", 1)]).results[0] == other.predict([draw("car", 1)]).results[0]).all()


class TestFailure:
    """A job that fails says why, to the log and to the platform, and how it was whose fault."""

    def test_faults_of_the_user(self, tmp_path: Path, start_job: StartJob) -> None:
        """Typos and missing channels end a job with 2 within seconds."""
        with start_job(tmp_path, {"epochs": "3", "learning_rat": "0.1"}) as job:
            assert job.wait() == 2
        assert job.failure == "ClientError: Hyperparameter learning_rat is unknown. Did you mean learning_rate?"
        assert job.failure in job.log
        assert "Traceback" not in job.log

    def test_missing_channels(self, tmp_path: Path, start_job: StartJob) -> None:
        """Both missing channels are named at once."""
        with start_job(tmp_path, {}) as job:
            assert job.wait() == 2
        assert "Channel train is missing" in job.failure
        assert "Channel validation is missing" in job.failure

    def test_fault_of_ours(self, small_job: Path, start_job: StartJob) -> None:
        """A model directory that cannot be written ends a job with 1, with the traceback in the log only."""
        (small_job / "model").write_text("in the way")
        with start_job(small_job, {**SCRATCH, "epochs": "1"}) as job:
            assert job.wait() == 1
        assert job.failure.startswith("AlgorithmError: ")
        assert job.failure.endswith("(caused by FileExistsError)")
        assert "Traceback" in job.log
        assert "Traceback" not in job.failure


class TestStop:
    """A stop is SIGTERM: the job ends well and at once, and keeps its model."""

    def test_in_a_later_epoch(self, small_job: Path, start_job: StartJob) -> None:
        """Stopped in the middle of an epoch, the job keeps the best epoch before it."""
        with start_job(small_job, {**SCRATCH, "epochs": "1000"}) as job:
            job.wait_for_log("Epoch[1] Batch [20]")
            job.process.send_signal(signal.SIGTERM)
            assert job.wait() == 0, job.log
        assert job.failure == ""
        validated = re.findall(r"Epoch\[(\d+)\] Validation-accuracy=([0-9.]+)", job.log)
        best = max(float(figure) for _, figure in validated)
        description = artifact.load(small_job / "model").description
        assert f"{description.metrics['validation:accuracy']:f}" == f"{best:f}"
        assert "Asked to stop" in job.log
        Predictor(artifact.load(small_job / "model"), threads=1)

    def test_in_the_first_epoch(self, small_job: Path, start_job: StartJob) -> None:
        """Stopped before any epoch is done, the job keeps what it has."""
        with start_job(small_job, {**SCRATCH, "epochs": "1000", "mini_batch_size": "1"}) as job:
            job.wait_for_log("Epoch[0] Batch [20]")
            job.process.send_signal(signal.SIGTERM)
            assert job.wait() == 0, job.log
        description = artifact.load(small_job / "model").description
        if "Validation-accuracy" not in job.log:
            assert description.metrics == {}
            assert "never validated" in job.log
        Predictor(artifact.load(small_job / "model"), threads=1)

    def test_before_training(self, small_job: Path, start_job: StartJob) -> None:
        """Stopped while it still reads its channels or builds its net, the job ends well too."""
        with start_job(small_job, {**SCRATCH, "epochs": "1000"}) as job:
            job.wait_for_log("training and 12 validation pictures")
            job.process.send_signal(signal.SIGTERM)
            assert job.wait() == 0, job.log
        artifact.load(small_job / "model")


def test_fine_tuning(small_job: Path, start_job: StartJob, base_weights: Path) -> None:
    """With base weights, half an epoch's worth of pictures beats what the same job learns from nothing."""
    given = {**SCRATCH, "image_shape": "3,64,64", "epochs": "1", "use_pretrained_model": "1", "mini_batch_size": "8"}
    with start_job(small_job, given, SAGEMAKER_GLUONCV_PRETRAINED_DIR=str(base_weights)) as job:
        assert job.wait() == 0, job.log
    (figure,) = re.findall(r"Epoch\[0\] Validation-accuracy=([0-9.]+)", job.log)
    assert float(figure) >= 0.75


def test_two_jobs_are_equal(tmp_path: Path, start_job: StartJob) -> None:
    """The same data and hyperparameters give the same figures and, to the last bit, the same weights."""
    logs, weights = [], []
    for name in ("one", "other"):
        for channel, first in (("train", 0), ("validation", 900)):
            folder = tmp_path / name / "input" / "data" / channel
            folder.mkdir(parents=True)
            with Writer(folder / "pictures.rec") as writer:
                for seed in range(first, first + 6):
                    for label, kind in enumerate(CLASSES):
                        writer.write((float(label),), draw(kind, seed))
        given = {**SCRATCH, "epochs": "2", "augmentation_type": "crop_color_transform"}
        with start_job(tmp_path / name, given, OMP_NUM_THREADS="1") as job:
            assert job.wait() == 0, job.log
        logs.append(re.findall(r"Epoch\[\d+\] (?:Train|Validation)-accuracy=[0-9.]+", job.log))
        weights.append(artifact.load(tmp_path / name / "model").params.read_bytes())
    assert len(logs[0]) == 4
    assert logs[0] == logs[1]
    assert weights[0] == weights[1]
