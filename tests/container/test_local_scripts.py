"""Promise: the scripts in local_test train, serve and ask with nothing but Docker, from any folder."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import create_server

import pytest
import requests

from support.containers import IMAGE, READY_SECONDS, status
from support.processes import free_port, wait_until

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment() -> dict[str, str]:
    """Return an environment with the image and a free port."""
    return {**os.environ, "IMAGE": IMAGE, "PORT": str(free_port())}


@pytest.fixture
def run(scripts: Path, environment: dict[str, str]) -> Run:
    """Return a function that runs a script to its end, from a folder that is not its own."""

    def run(script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(scripts / script), *arguments]
        return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True)

    return run


@pytest.fixture
def local_server(scripts: Path, environment: dict[str, str]) -> Iterator[Callable[[], None]]:
    """Return a function that starts serve_local.sh and waits until it answers."""
    servers: list[subprocess.Popen[bytes]] = []

    def answers() -> bool:
        assert servers[0].poll() is None
        return status(f"http://127.0.0.1:{environment['PORT']}/ping") == requests.codes.ok

    def start() -> None:
        servers.append(subprocess.Popen([str(scripts / "serve_local.sh")], cwd="/", env=environment))
        wait_until(answers, READY_SECONDS, "a ping gets 200")

    yield start
    for server in servers:
        server.terminate()
        assert server.wait(timeout=30) == 0


@pytest.mark.usefixtures("pretrained")
def test_they_train_serve_and_ask(
    run: Run, local_server: Callable[[], None], scripts: Path, flower: bytes, tmp_path: Path
) -> None:
    """Pictures are drawn, a model is trained and served, and it tells a flower; what was written is the caller's."""
    trained = run("train_local.sh", "epochs=2")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert {path.stat().st_uid for path in (scripts / "work").rglob("*")} == {os.getuid()}
    local_server()
    picture = tmp_path / "flower.jpg"
    picture.write_bytes(flower)
    answer = json.loads(run("predict.sh", str(picture)).stdout)
    assert max(range(4), key=answer.__getitem__) == 2
    refused = run("predict.sh", str(picture), "text/csv")
    assert refused.returncode != 0
    assert "Content-Type is 'text/csv'" in refused.stdout


@pytest.mark.parametrize("script", ["train_local.sh", "serve_local.sh", "predict.sh"])
def test_they_say_how_they_are_used(run: Run, script: str) -> None:
    """Each prints its usage when asked, and on stderr, with exit code 2, when it is misused."""
    asked = run(script, "--help")
    assert (asked.returncode, asked.stdout.split(":")[0]) == (0, "usage")
    misused = run(script, "no", "such", "thing")
    assert (misused.returncode, misused.stderr) == (2, asked.stdout)


@pytest.mark.parametrize("script", ["train_local.sh", "serve_local.sh"])
def test_no_image(run: Run, scripts: Path, environment: dict[str, str], script: str) -> None:
    """An image that is not on this machine is named, and never looked for in a registry."""
    (scripts / "work" / "model").mkdir(parents=True)
    (scripts / "work" / "model" / "any.params").touch()
    environment["IMAGE"] = "sagemaker-gluoncv:there-is-none"
    done = run(script)
    assert done.returncode == 1
    assert "There is no image sagemaker-gluoncv:there-is-none on this machine." in done.stderr
    assert "make image" in done.stderr
    assert "pull" not in done.stderr.lower()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_busy_port(run: Run, scripts: Path, address: str) -> None:
    """A port on which somebody listens is named before a container is started, with a free one to take."""
    (scripts / "work" / "model").mkdir(parents=True)
    (scripts / "work" / "model" / "any.params").touch()
    with create_server((address, 0)) as busy:
        port = busy.getsockname()[1]
        done = run("serve_local.sh", str(port))
    assert done.returncode == 1
    assert f"Port {port} is in use on this machine." in done.stderr
    assert f"serve_local.sh {port + 1}" in done.stderr
    assert "docker:" not in done.stderr
