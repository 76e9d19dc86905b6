"""Promise: the image is started as the platform starts it, and keeps to the port and CPUs it is given."""

import json
import re
import time

import pytest

from support.containers import IMAGE, Job, docker, serving

# The platform gives 30 s; a server that does nothing has no reason to take them.
IDLE_STOP_SECONDS = 10


@pytest.fixture(scope="module")
def config() -> dict[str, object]:
    """Return the image's configuration."""
    configuration: dict[str, object] = json.loads(docker("image", "inspect", "--format", "{{json .Config}}", IMAGE))
    return configuration


def test_its_command_is_train_and_nothing_stands_before_it(config: dict[str, object]) -> None:
    """Without a word it trains, and no entry point stands before `train` and `serve`."""
    assert config["Cmd"] == ["train"]
    assert not config["Entrypoint"]


def test_it_says_what_it_can(config: dict[str, object]) -> None:
    """Its labels tell the platform that it binds to the port it is given, and holds several models."""
    labels = config["Labels"]
    assert isinstance(labels, dict)
    for capability in ("accept-bind-to-port", "multi-models"):
        assert labels[f"com.amazonaws.sagemaker.capabilities.{capability}"] == "true"


def test_it_serves_on_the_port_that_it_is_given(trained: Job, flower: bytes) -> None:
    """SAGEMAKER_BIND_TO_PORT moves the server."""
    with serving(trained.model, "--env", "SAGEMAKER_BIND_TO_PORT=9099", port=9099) as server:
        assert len(server.ask(flower).json()) == 4


def test_it_stops_serving_within_seconds(trained: Job, flower: bytes) -> None:
    """SIGTERM ends the server cleanly, long before the platform would kill it."""
    with serving(trained.model) as server:
        assert server.ask(flower).ok
        exit_code, took = server.container.stop(30)
    assert exit_code == 0
    assert took < IDLE_STOP_SECONDS


@pytest.mark.parametrize(("cpus", "workers"), [("0.5", 1), ("1", 1), ("2", 2)])
def test_it_starts_a_worker_a_cpu_and_a_thread_each(trained: Job, flower: bytes, cpus: str, workers: int) -> None:
    """It counts the CPUs of its cgroup, not the host's; a worker is told its threads after its connection."""
    with serving(trained.model, "--cpus", cpus) as server:
        deadline = time.monotonic() + 60
        while server.container.log.count(" is ready, pid ") < workers:
            assert time.monotonic() < deadline, server.container.log
            time.sleep(0.1)
        assert server.ask(flower).ok
        commands = server.container.execute("sh", "-c", r"cat /proc/[0-9]*/cmdline | tr '\0' ' '")
    assert re.findall(r'serving\.workers\.worker [0-9]+ \{[^}]*"threads": ([0-9]+)', commands) == ["1"] * workers
