"""assembly: what a job computes on, and how its parts are joined; the parts have tests of their own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container import artifact, devices
from sagemaker_gluoncv_container.contract import Paths
from sagemaker_gluoncv_container.data.samples import FileSample, Stored
from sagemaker_gluoncv_container.devices import Gpu
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.training import assembly
from sagemaker_gluoncv_container.training.channels import Channels
from sagemaker_gluoncv_container.training.hyperparameters import Counted
from sagemaker_gluoncv_container.training.learning.loop import Loop
from sagemaker_gluoncv_container.training.model import network
from sagemaker_gluoncv_container.training.results.checkpoint import Checkpoints, Progress

Assemble = Callable[..., Loop]


def listed(labels: Sequence[tuple[float, ...]]) -> Stored:
    """Return a channel of pictures that nobody reads."""
    return Stored([FileSample(f"train/{number}.jpg", each, Path("/none")) for number, each in enumerate(labels)])


class Passing:
    """A channel whose pictures pass by, as through a pipe."""

    def __len__(self) -> int:
        return 3


@pytest.fixture
def assemble(tmp_path: Path) -> Assemble:
    """Return a function that joins the parts of a small job with some hyperparameters."""

    def assemble(
        train: Any = None, progress: Progress | None = None, state: Any = None, checkpoints: Any = None, **given: Any
    ) -> Loop:
        hyperparameters = Counted(
            **{"num_classes": 3, "num_training_samples": 4, "num_layers": 20, "use_pretrained_model": False} | given,
            image_shape=(3, 8, 16),
        )
        channels = Channels(train or listed([(0,), (1,), (1,), (2,)]), listed([(0,)]), ("ant", "bee", "cat"))
        where = progress or Progress()
        net = assembly.build(hyperparameters)
        return assembly.loop(Paths(tmp_path), hyperparameters, channels, net, where, 1, checkpoints, state)

    return assemble


@pytest.mark.parametrize("count", [1, 4, 8])
def test_a_job_takes_all_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Every GPU gets its share of a batch."""
    monkeypatch.setattr(devices, "gpus", lambda: (Gpu("Tesla T4", (7, 5)),) * count)
    assert assembly.choose_contexts() == [mx.gpu(number) for number in range(count)]


def test_a_job_without_gpu_takes_the_cpu() -> None:
    """Where there is no GPU the CPU computes."""
    assert assembly.choose_contexts() == [mx.cpu()]


def test_the_parts_know_the_job(assemble: Assemble, tmp_path: Path) -> None:
    """Net, batches and artifact follow the hyperparameters, the classes and where the job is."""
    loop = assemble(mini_batch_size=2, progress=Progress(skipped={"train/9.jpg": "it is cut"}))
    assert loop.optimization.answer(np.zeros((1, 3, 8, 16), np.float32)).shape == (1, 3)
    assert len(loop.train) == 2
    assert loop.train.skipped is loop.validation.skipped
    assert loop.train.skipped.reasons == {"train/9.jpg": "it is cut"}
    loop.kept.take_unvalidated(network.parameters(loop.optimization.net))
    description = artifact.load(tmp_path / "model").description
    assert (description.num_classes, description.classes) == (3, ("ant", "bee", "cat"))
    assert (description.preprocessing.height, description.preprocessing.width) == (8, 16)


def test_the_seed_decides_the_first_weights(assemble: Assemble) -> None:
    """Equal seeds give equal nets, and others other ones."""
    first, same, other = (network.parameters(assemble(seed=seed).optimization.net) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], same[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_a_checkpoint_is_where_it_goes_on(assemble: Assemble, tmp_path: Path) -> None:
    """The net gets the weights of the state, and the model directory gets back what was kept."""
    before = assemble(seed=1)
    state = before.optimization.state()
    after = assemble(seed=2, progress=Progress(epoch=1), state=state, checkpoints=Checkpoints(tmp_path / "c", {}))
    restored = network.parameters(after.optimization.net)
    assert all(np.array_equal(restored[name], state[f"net/{name}"]) for name in restored)
    assert after.progress.epoch == 1


def test_weights_of_classes(assemble: Assemble) -> None:
    """Rare classes weigh more if class_weights asks for it; otherwise all weigh the same."""
    labels = np.array([0, 1], np.float32)
    plain = assemble().targets.of(labels)
    balanced = assemble(class_weights="balanced").targets.of(labels)
    assert plain.sum(1).tolist() == [1, 1]
    assert balanced[0, 0] == pytest.approx(2 * balanced[1, 1])


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"class_weights": "balanced"}, "class_weights"),
        ({"multi_label": True, "use_weighted_loss": True}, "use_weighted_loss"),
    ],
)
def test_weights_of_a_pipe(assemble: Assemble, given: dict[str, Any], name: str) -> None:
    """Labels that pass by only once cannot be counted beforehand."""
    with pytest.raises(ClientError, match=f"Hyperparameter {name} is set for a train channel in Pipe mode"):
        assemble(train=Passing(), **given)
