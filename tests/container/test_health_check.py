"""Promise: `docker ps` shows a server that answers as healthy, and never a training job as unhealthy."""

from collections.abc import Mapping
from pathlib import Path

from support.containers import USER, Container, Job, serving, started, write_tree
from support.processes import wait_until

# The image's own is 30 s.
OFTEN = ("--health-interval", "500ms")
SECONDS = 60


def wait_for_health(container: Container, expected: str) -> None:
    """Return once Docker shows that health. Raises AssertionError if the container ends or it takes too long."""

    def shown() -> bool:
        assert container.running, container.log
        return container.inspect("{{.State.Health.Status}}") == expected

    wait_until(shown, SECONDS, lambda: container.inspect("{{json .State.Health}}"))


def test_a_server_is_healthy(trained: Job) -> None:
    """The check asks the port that the server was given."""
    with serving(trained.model, *OFTEN, "--env", "SAGEMAKER_BIND_TO_PORT=9098", port=9098) as server:
        wait_for_health(server.container, "healthy")


def test_a_job_is_healthy(tmp_path: Path, drawn: Mapping[str, Path], hyperparameters: Mapping[str, str]) -> None:
    """While a job trains, nothing answers a ping, and nothing should."""
    mounts = write_tree(tmp_path, {**hyperparameters, "epochs": "1000"}, drawn)
    with started("train", *mounts, *USER, *OFTEN) as container:
        wait_for_health(container, "healthy")
        container.wait_for_log("Epoch[0] Validation-accuracy")
        assert container.inspect("{{.State.Health.Status}}") == "healthy"
