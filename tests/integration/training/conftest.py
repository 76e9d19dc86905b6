"""Jobs on a few small drawn pictures: in this process, or as the platform starts them."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from draw_pictures import write_channel

from sagemaker_gluoncv_container import contract
from sagemaker_gluoncv_container.training import job
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training.model import precision
from support.jobs import Job, write_hyperparameters

# The smallest net on the smallest pictures: what is tested here does not depend on the size.
SMALL = {"num_layers": "20", "image_shape": "3,32,32", "mini_batch_size": "8", "epochs": "2", "learning_rate": "0.01"}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return channels of 80 training and 20 validation pictures of 4 classes."""
    folder = tmp_path_factory.mktemp("drawn")
    write_channel(folder / "train", 20, 0)
    write_channel(folder / "validation", 5, 1000)
    return folder


@pytest.fixture
def new_base(tmp_path: Path, drawn: Path) -> Callable[[str], Path]:
    """Return what makes a tree like /opt/ml with the drawn channels in it."""

    def make(name: str = "ml") -> Path:
        base = tmp_path / name
        (base / "input" / "config").mkdir(parents=True)
        shutil.copytree(drawn, base / "input" / "data")
        return base

    return make


@pytest.fixture
def base(new_base: Callable[[str], Path]) -> Path:
    """Return a tree like /opt/ml with the drawn channels in it."""
    return new_base("ml")


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch, require: Callable[[object, str], None]) -> None:
    """Have AMP compute in bfloat16, which MXNet can on a CPU, unlike float16; all else is the same."""
    has_avx512 = "avx512bw" in Path("/proc/cpuinfo").read_text()
    require(has_avx512, "this CPU has no AVX-512, which oneDNN needs for bfloat16")
    monkeypatch.setattr(precision, "DTYPE", "bfloat16")


@pytest.fixture
def run(caplog: pytest.LogCaptureFixture) -> Callable[..., list[str]]:
    """Return what runs a job in this process, on the small net unless told otherwise, and returns its log's lines."""

    def run(base: Path, stop: threading.Event | None = None, **hyperparameters: str) -> list[str]:
        caplog.clear()
        values = {**SMALL, "seed": "3", **hyperparameters}
        # An empty text takes one of these away.
        earlier_model = contract.Paths(base).channel("model").is_dir()
        given = Hyperparameters.from_strings({name: value for name, value in values.items() if value}, earlier_model)
        with caplog.at_level("INFO"):
            job.run(contract.Paths(base), given, stop or threading.Event())
        return caplog.messages

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., Job]]:
    """Return what starts a job as a process of its own, on one compute thread so that it can be repeated to the bit."""
    jobs: list[Job] = []

    def start(base: Path, **hyperparameters: str) -> Job:
        given = {**SMALL, "seed": "3", **hyperparameters}
        write_hyperparameters(base, {name: value for name, value in given.items() if value})
        jobs.append(Job(base, OMP_NUM_THREADS="1"))
        return jobs[-1]

    yield start
    for each in jobs:
        each.kill()
