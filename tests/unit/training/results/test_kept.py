"""kept: which epochs lie in the model directory, at every moment of a job."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container import artifact, disk
from sagemaker_gluoncv_container.arrays import Arrays
from sagemaker_gluoncv_container.artifact import Description
from sagemaker_gluoncv_container.errors import AlgorithmError, ClientError
from sagemaker_gluoncv_container.images import Preprocessing
from sagemaker_gluoncv_container.inference import params
from sagemaker_gluoncv_container.training.results import kept as module
from sagemaker_gluoncv_container.training.results.checkpoint import Checkpoints
from sagemaker_gluoncv_container.training.results.kept import KeptModels, ValidationAnswers, not_finite

NET = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="head"), name="softmax")
ANSWERS = ValidationAnswers(np.array([[0.25, 0.75]], np.float32), np.array([1], np.float32), ["a.jpg"])


def weights(epoch: int) -> Arrays:
    """Return an epoch's weights, told by their value."""
    return {"head_weight": np.full((2, 3), epoch, np.float32), "head_bias": np.zeros(2, np.float32)}


def history(*accuracies: float, losses: dict[int, float] | None = None) -> list[dict[str, float]]:
    """Return figures with these validation accuracies and finite losses, but for some."""
    return [
        {"train:accuracy": 1.0, "validation:accuracy": each, "validation:loss": (losses or {}).get(epoch, 0.5)}
        for epoch, each in enumerate(accuracies)
    ]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., KeptModels]:
    """Return what makes the kept models of a job."""

    def make(frequency: int | None = None, checkpoints: Checkpoints | None = None) -> KeptModels:
        description = Description(0, 2, Preprocessing(8, 8, 9), ("ant", "bee"))
        return KeptModels(tmp_path / "model", NET, description, frequency, checkpoints)

    return make


def files(folder: Path) -> list[str]:
    """Return the epochs whose weights lie in a directory."""
    return sorted(path.stem.rpartition("-")[2] for path in folder.glob("*.params"))


def test_the_best_is_served_after_each_epoch(make: Callable[..., KeptModels], tmp_path: Path) -> None:
    """The first of the highest accuracies is the model, with its figures of validation and its answers."""
    kept = make()
    accuracies: list[float] = []
    for epoch, (accuracy, best) in enumerate(((0.5, 0), (0.25, 0), (0.75, 2), (0.75, 2))):
        accuracies.append(accuracy)
        kept.take(history(*accuracies), weights(epoch), ANSWERS)
        found = artifact.load(tmp_path / "model")
        assert found.description.epoch == best == kept.best(history(*accuracies))
        assert found.description.metrics == {"validation:accuracy": accuracies[best], "validation:loss": 0.5}
        assert (params.read(found.params)["arg:head_weight"] == best).all()
        assert files(tmp_path / "model") == [f"{best:04d}"]
    assert kept.answers is not None
    assert kept.answers.names == ["a.jpg"]
    assert np.array_equal(kept.answers.probabilities, ANSWERS.probabilities)


def test_every_second_epoch_stays(make: Callable[..., KeptModels], tmp_path: Path) -> None:
    """With a frequency those epochs stay beside the best, which is served."""
    kept = make(frequency=2)
    for epoch in range(5):
        kept.take(history(*(0.9, 0.1, 0.2, 0.3, 0.1)[: epoch + 1]), weights(epoch), ANSWERS)
    assert files(tmp_path / "model") == ["0000", "0001", "0003"]
    assert kept.epochs(history(0.9, 0.1, 0.2, 0.3, 0.1)) == [0, 1, 3]
    assert artifact.load(tmp_path / "model").description.epoch == 0


@pytest.mark.parametrize("frequency", [None, 1])
@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_an_epoch_with_answers_that_are_not_finite(
    make: Callable[..., KeptModels], tmp_path: Path, frequency: int | None, loss: float
) -> None:
    """It is not kept, whatever its accuracy and the frequency; until there is another there is no model."""
    kept = make(frequency)
    first = history(1.0, losses={0: loss})
    kept.take(first, weights(0), ANSWERS)
    assert (kept.best(first), kept.epochs(first), kept.answers) == (None, [], None)
    assert not (tmp_path / "model").exists()
    kept.take(history(1.0, 0.25, losses={0: loss}), weights(1), ANSWERS)
    assert files(tmp_path / "model") == ["0001"]


def test_a_restart_puts_back_what_lay_there(make: Callable[..., KeptModels], tmp_path: Path) -> None:
    """From checkpoints, on a new machine, the directory and the answers are as they were."""
    figures = history(0.25, 0.75, 0.5)
    checkpoints = Checkpoints(tmp_path / "checkpoints", {})
    kept = make(1, checkpoints)
    for epoch in range(3):
        kept.take(figures[: epoch + 1], weights(epoch), ANSWERS)
        kept.secure()
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    for path in (tmp_path / "model").iterdir():
        path.unlink()
    again = make(1, checkpoints)
    again.restore(figures)
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
    assert again.answers is not None
    assert again.answers.labels.tolist() == [1]


def test_unvalidated_weights(make: Callable[..., KeptModels], tmp_path: Path) -> None:
    """Before the first epoch has ended what there is can be kept, without figures; not if it holds NaN."""
    broken = {**weights(3), "head_bias": np.array([0, np.nan], np.float32)}
    with pytest.raises(ClientError, match=r"The net cannot be kept as it is\. NaN or infinity is in head_bias"):
        make().take_unvalidated(broken)
    assert not (tmp_path / "model").exists()
    make().take_unvalidated(weights(3))
    assert artifact.load(tmp_path / "model").description.metrics == {}


def test_not_finite() -> None:
    """Weights with NaN or infinity are named."""
    assert not_finite(weights(1)) == []
    bad = {"a": np.array([np.inf]), "b": np.array([1.0]), "c": np.array([-np.inf, 0]), "d": np.array([np.nan])}
    assert not_finite(bad) == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("frequency", "epochs", "copies"), [(None, 30, 2), (1, 30, 32), (10, 30, 5), (30, 30, 3), (7, 6, 2)]
)
def test_room_is_checked(
    make: Callable[..., KeptModels],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    frequency: int,
    epochs: int,
    copies: int,
) -> None:
    """There has to be room for the best epoch, each by frequency and one that is being written, and no more."""
    monkeypatch.setattr(disk, "free_bytes", lambda _: 1000 * copies)
    make(frequency).check_room(1000, epochs)
    with pytest.raises(ClientError, match=f"does not fit into {tmp_path / 'model'}"):
        make(frequency).check_room(1001, epochs)


def test_room_after_a_restart(make: Callable[..., KeptModels], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put back already needs no room again."""
    kept = make()
    kept.take(history(0.5), weights(0), ANSWERS)
    size = sum(each.stat().st_size for each in kept._directory.glob("*.params"))
    monkeypatch.setattr(disk, "free_bytes", lambda _: size)
    kept.check_room(size, 3)


def test_a_disk_that_fills_up(make: Callable[..., KeptModels], tmp_path: Path) -> None:
    """The error is a sentence with the folder and the free bytes, and what was kept before is served as before."""
    kept = make()
    kept.take(history(0.5), weights(0), ANSWERS)
    (tmp_path / "model" / ".image-classification-0001.params.unfinished").symlink_to("/dev/full")
    with pytest.raises(ClientError) as caught:
        kept.take(history(0.5, 0.75), weights(1), ANSWERS)
    assert caught.value.what == f"The model cannot be written to {tmp_path / 'model'}"
    assert caught.value.why.startswith("No space left on device. ")
    assert caught.value.why.endswith("are free there")
    assert (params.read(artifact.load(tmp_path / "model").params)["arg:head_weight"] == 0).all()
    assert not list((tmp_path / "model").glob(".*"))


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EROFS, ClientError), (errno.EACCES, ClientError), (errno.EIO, AlgorithmError)]
)
@pytest.mark.parametrize("frequency", [None, 1])
def test_any_failed_write(
    make: Callable[..., KeptModels],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[Exception],
    frequency: int | None,
) -> None:
    """A folder that is read-only, or a disk that breaks: it is the best epoch's weights or another's, and says so."""
    kept = make(frequency)
    kept.take(history(0.5), weights(0), ANSWERS)

    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "save_weights", fails)
    accuracy = 0.25 if frequency else 0.75
    with pytest.raises(kind, match="The model cannot be written to"):
        kept.take(history(0.5, accuracy), weights(1), ANSWERS)
