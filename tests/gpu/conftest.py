"""What the GPU tests share: the GPU image on this host's GPUs. Run by `make gpu-check` alone."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from draw_pictures import write_channel

from support.containers import GPUS, IMAGE, LABEL, USER, Job, docker, train

_COUNT = "from sagemaker_gluoncv_container import devices; devices.check(); print(len(devices.gpus()))"


@pytest.fixture(scope="session", autouse=True)
def nothing_left() -> Iterator[None]:
    """Fail if a test has left a container behind."""
    yield
    left = docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()
    assert not left, docker("rm", "--force", "--volumes", *left)


@pytest.fixture(scope="session")
def gpus() -> int:
    """Return how many GPUs a container sees; without one there is nothing to test, which is a failure here."""
    count = int(docker("run", "--rm", *GPUS, IMAGE, "python3", "-c", _COUNT).splitlines()[-1])
    assert count, "no container sees a GPU"
    return count


@pytest.fixture(scope="session")
def run_steps() -> Callable[..., str]:
    """Return a function that runs steps.py in the image with the given arguments, and returns what it prints."""
    code = (Path(__file__).resolve().parent / "steps.py").read_text()

    def run(*arguments: str) -> str:
        return docker("run", "--rm", "--interactive", *GPUS, IMAGE, "python3", "-", *arguments, stdin=code)

    return run


@pytest.fixture(scope="session")
def run_job(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Job]:
    """Return a function that trains on 240 drawn pictures of 4 classes, in float32 or float16."""
    folder = tmp_path_factory.mktemp("drawn")
    write_channel(folder / "train", 60, 0)
    write_channel(folder / "validation", 15, 60)
    channels: Mapping[str, Path] = {name: folder / name for name in ("train", "validation")}
    given = {"image_shape": "3,64,64", "mini_batch_size": "16", "learning_rate": "0.01", "epochs": "10"}

    def run(precision: str) -> Job:
        hyperparameters = {**given, "use_pretrained_model": "0", "precision_dtype": precision}
        return train(tmp_path_factory.mktemp("job"), hyperparameters, channels, (*USER, *GPUS))

    return run


@pytest.fixture(scope="session")
def trained(run_job: Callable[..., Job]) -> Job:
    """Return a job that has trained on the GPUs in float32."""
    return run_job("float32")
