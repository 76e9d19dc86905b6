"""What the tests of the running server share: drawn pictures, small models, servers that end with the test."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from draw_pictures import draw

from support import load
from support.model_server import Server, running, write_model

Start = Callable[..., AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def flower() -> bytes:
    """Return a drawn picture, a JPEG of 160 x 120 pixels."""
    return draw("flower", 1)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree as under /opt/ml with a small model of four classes."""
    folder = tmp_path_factory.mktemp("opt-ml")
    write_model(folder / "model")
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server on `base`; they all end with the module."""
    with ExitStack() as servers:

        def started(workers: int = 1, base: Path = base, **variables: str) -> Server:
            log = tmp_path_factory.mktemp("server") / "log"
            return servers.enter_context(running(base, log, workers, **variables))

        yield started


@pytest.fixture(scope="session")
def clients(flower: bytes, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.Popen[str]]:
    """Return a function that starts clients of a server in a process of their own, with options of load.py."""
    picture = tmp_path_factory.mktemp("pictures") / "flower.jpg"
    picture.write_bytes(flower)

    def started(server: Server, pictures: Sequence[Path] = (picture,), **options: object) -> subprocess.Popen[str]:
        flags = [f"--{name}={value}" for name, value in options.items()]
        command = [
            sys.executable,
            load.__file__,
            str(server.port),
            *map(str, pictures),
            *flags,
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    return started
