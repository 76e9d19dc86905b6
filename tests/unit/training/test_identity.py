"""identity: everything that decides a job's result is in it, and nothing else."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.artifact import Description
from sagemaker_gluoncv_container.data.samples import FileSample, Stored
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.images import Preprocessing
from sagemaker_gluoncv_container.training.channels import Channels
from sagemaker_gluoncv_container.training.hyperparameters import Counted
from sagemaker_gluoncv_container.training.identity import identity

SCRATCH = Counted(num_classes=2, num_training_samples=2, use_pretrained_model=False)
PRETRAINED = dataclasses.replace(SCRATCH, use_pretrained_model=True)
Change = Callable[[Path], dict[str, Any]]


class Job:
    """What a job is given, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.pretrained, self.model = folder / "pretrained", folder / "model"
        self.hyperparameters = SCRATCH
        self.earlier = False
        self.net: dict[str, tuple[int, ...]] = {"weight": (2, 3), "bias": (2,)}
        self.classes: tuple[str, ...] = ("ant", "bee")
        self.labels = [(0.0,), (1.0,)]
        self.local = True
        self.picture = folder / "a.jpg"
        self.picture.write_bytes(b"picture")
        self.pretrained.mkdir()
        (self.pretrained / "resnet18_v1b.params").write_bytes(b"base")
        self.save()

    def save(self, weights: bytes = b"weights", symbol: str = "net", **preprocessing: Any) -> None:
        """Write the earlier model."""
        description = Description(0, 2, Preprocessing(32, 32, 37, **preprocessing))
        artifact.save(self.model, symbol, lambda path: path.write_bytes(weights), description)

    def identity(self) -> dict[str, Any]:
        """Return the job's identity."""
        samples = [FileSample(f"train/{number}", each, self.picture) for number, each in enumerate(self.labels)]
        channels = Channels(Stored(samples, self.local), Stored(samples[:1], self.local), self.classes)
        earlier = artifact.load(self.model) if self.earlier else None
        return identity(self.hyperparameters, channels, self.net, earlier, self.pretrained)

    def what_differs(self, before: dict[str, Any]) -> set[str]:
        """Return the names that are not as before."""
        now = self.identity()
        assert now.keys() >= before.keys() - {"num_layers", "use_pretrained_model"}
        return {name for name in now if now[name] != before.get(name)}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Return a job."""
    return Job(tmp_path)


def test_the_same_job(job: Job) -> None:
    """Nothing differs when nothing was changed; files may be written again."""
    before = job.identity()
    job.save()
    os.utime(job.picture, (1, 1))
    assert job.what_differs(before) == set()


@pytest.mark.parametrize("given", [{"seed": 1}, {"precision_dtype": "float16"}, {"resize": 300}, {"freeze": "stage1"}])
def test_hyperparameters(job: Job, given: dict[str, Any]) -> None:
    """Every hyperparameter that changes what is learnt is there."""
    before = job.identity()
    job.hyperparameters = dataclasses.replace(SCRATCH, **given)
    assert job.what_differs(before) == set(given)


@pytest.mark.parametrize("given", [{"max_seconds": 9.0}, {"tensorboard": True}, {"max_bad_fraction": 0.5}])
def test_what_may_change(job: Job, given: dict[str, Any]) -> None:
    """What does not change what is learnt may be another value after a restart."""
    before = job.identity()
    job.hyperparameters = dataclasses.replace(SCRATCH, **given)
    assert job.what_differs(before) == set()


def test_data(job: Job) -> None:
    """Labels, names, sizes of pictures and names of classes count; sizes of remote pictures are not asked for."""
    before = job.identity()
    job.labels = [(1.0,), (0.0,)]
    assert job.what_differs(before) == {"the train channel", "the validation channel"}
    job.labels = [(0.0,), (1.0,), (1.0,)]
    assert job.what_differs(before) == {"the train channel"}
    job.labels = [(0.0,), (1.0,)]
    job.classes = ("ant", "bat")
    assert job.what_differs(before) == {"the names of the classes"}
    job.classes = ("ant", "bee")
    job.picture.write_bytes(b"another picture")
    assert job.what_differs(before) == {"the train channel", "the validation channel"}
    job.local = False
    before = job.identity()
    job.picture.unlink()
    assert job.what_differs(before) == set()
    job.local = True
    assert job.identity()


@pytest.mark.parametrize("change", [{"weights": b"others"}, {"symbol": "another"}, {"mean": (1.0, 2.0, 3.0)}], ids=str)
def test_earlier_model(job: Job, change: dict[str, Any]) -> None:
    """The weights, the net and the preprocessing of the model channel count."""
    without = job.identity()
    job.earlier = True
    assert job.what_differs(without) == {"the model channel"}
    before = job.identity()
    job.save(**change)
    assert job.what_differs(before) == {"the model channel"}


def test_hyperparameters_that_an_earlier_model_replaces(job: Job) -> None:
    """Beside an earlier model num_layers decides nothing."""
    job.earlier = True
    before = job.identity()
    job.hyperparameters = dataclasses.replace(SCRATCH, num_layers=50)
    assert job.what_differs(before) == set()


@pytest.mark.parametrize(
    "net", [{"weight": (2, 3)}, {"weight": (3, 2), "bias": (2,)}, {"w": (2, 3), "bias": (2,)}], ids=str
)
def test_net(job: Job, net: dict[str, tuple[int, ...]]) -> None:
    """A net of other shapes or names cannot take a checkpoint; the order of its parameters does not matter."""
    before = job.identity()
    job.net = dict(reversed(job.net.items()))
    assert job.what_differs(before) == set()
    job.net = net
    assert job.what_differs(before) == {"the net"}


def test_base_weights(job: Job) -> None:
    """The base weights count by what is in them, where the job starts from them."""
    without = job.identity()
    (job.pretrained / "resnet18_v1b.params").write_bytes(b"others")
    assert job.what_differs(without) == set()
    job.hyperparameters = PRETRAINED
    before = job.identity()
    (job.pretrained / "resnet18_v1b.params").write_bytes(b"base")
    assert job.what_differs(before) == {"the base weights"}
    (job.pretrained / "resnet18_v1b.params").unlink()
    with pytest.raises(ClientError, match="no base weights of resnet18_v1b"):
        job.identity()
