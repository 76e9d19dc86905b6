"""What the container tests share: the image, channels of drawn pictures, a model trained on them, and its server."""

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from draw_pictures import draw, write_channel
from pack_folders import pack

from support.containers import IMAGE, LABEL, USER, Job, Server, alarming_lines, docker, serving, train
from support.processes import free_port

HYPERPARAMETERS = {
    "image_shape": "3,64,64",
    "mini_batch_size": "16",
    "learning_rate": "0.01",
    "epochs": "3",
}


@pytest.fixture(scope="session", autouse=True)
def nothing_left() -> Iterator[None]:
    """Fail if a test has left a container behind."""
    yield
    left = docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()
    assert not left, docker("rm", "--force", "--volumes", *left)


@pytest.fixture(scope="session")
def weights_in_image() -> bool:
    """Return whether the image was built with base weights."""
    return "resnet18_v1b" in docker("run", "--rm", IMAGE, "ls", "/opt/sagemaker-gluoncv/pretrained")


@pytest.fixture
def pretrained(weights_in_image: bool, require_shared: Callable[[object, str], None]) -> None:
    """Skip a test whose promise takes base weights, if the image was built without."""
    require_shared(weights_in_image, "the image was built without base weights")


@pytest.fixture(scope="session")
def hyperparameters(weights_in_image: bool) -> Mapping[str, str]:
    """Return hyperparameters that train on the drawn pictures in seconds, from base weights if the image has any."""
    return {**HYPERPARAMETERS, "use_pretrained_model": str(int(weights_in_image))}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return a train and a validation channel of drawn pictures: 240 and 60 of 4 classes."""
    folder = tmp_path_factory.mktemp("drawn")
    write_channel(folder / "train", 60, 0)
    write_channel(folder / "validation", 15, 60)
    return {name: folder / name for name in ("train", "validation")}


@pytest.fixture(scope="session")
def flower() -> bytes:
    """Return a picture that nobody has trained on."""
    return draw("flower", 10_000)


@pytest.fixture
def job(tmp_path: Path, drawn: Mapping[str, Path], hyperparameters: Mapping[str, str]) -> Callable[..., Job]:
    """Return a function that runs a training job: the small one, but for what it is given."""

    def run(channels: Mapping[str, Path] = drawn, flags: Sequence[str] = USER, **changes: str) -> Job:
        return train(tmp_path / "ml", {**hyperparameters, **changes}, channels, flags)

    return run


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, drawn: Mapping[str, Path], hyperparameters: Mapping[str, str]
) -> Job:
    """Return the job that trained the small model that tests share; its log is free of warnings."""
    job = train(tmp_path_factory.mktemp("trained"), hyperparameters, drawn)
    assert job.exit_code == 0, job.log
    assert not alarming_lines(job.log), job.log
    return job


@pytest.fixture(scope="session")
def served(trained: Job) -> Iterator[Server]:
    """Serve the small model for as long as there are tests."""
    with serving(trained.model) as server:
        yield server


@pytest.fixture
def server(served: Server) -> Iterator[Server]:
    """Return the small model's server; fail if the test makes it print a warning, an error or a traceback."""
    yield served
    served.check_log()


@pytest.fixture(scope="session")
def clothing(
    photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Mapping[str, Path], list[tuple[int, Path]]]:
    """Return channels of the clothing photos, and label and file of each validation photo in order."""
    folder = tmp_path_factory.mktemp("clothing")
    files = {name: pack(photos / name, folder / name) for name in ("train", "validation")}
    return {name: folder / name for name in files}, files["validation"]


@pytest.fixture
def local_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the SageMaker SDK's session for this machine: no AWS account, no telemetry, all files in tmp_path."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
        # Debian's docker-compose, and the Docker client that knows it, before any other.
        "PATH": f"/usr/bin:{os.environ['PATH']}",
    }.items():
        monkeypatch.setenv(name, value)
    from sagemaker.local import LocalSession

    session = LocalSession(
        sagemaker_config={
            "SchemaVersion": "1.0",
            "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
        }
    )
    root = tmp_path / "sdk"
    root.mkdir()
    session.config = {"local": {"local_code": True, "container_root": str(root), "serving_port": free_port()}}
    networks = set(docker("network", "ls", "--quiet").split())
    yield session
    # The SDK stops its containers and leaves them and their network lying about.
    composed = docker("ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project.working_dir").split()
    for container in composed:
        label = '{{index .Config.Labels "com.docker.compose.project.working_dir"}}'
        if Path(docker("inspect", "--format", label, container).strip()).is_relative_to(root):
            docker("rm", "--force", "--volumes", container)
    # It leaves pipes open, too: here is where that is ignored, not in whatever test comes next.
    del session
    gc.collect()
    for network in set(docker("network", "ls", "--quiet", "--filter", "name=sagemaker-local").split()) - networks:
        docker("network", "rm", network)
