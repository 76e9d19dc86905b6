"""Promise: SIGTERM ends `serve` and `train` soon, at whatever moment of their start it comes."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.containers import USER, Container, Job, started, write_tree

# `make soak` tries more.
MOMENTS = int(os.environ.get("STOP_MOMENTS", "12"))
SECONDS = 5.0
KILL_SECONDS = 20


def stopped_after(container: Container, seconds: float) -> tuple[int, float]:
    """Let a container run for a while, stop it, and return its exit code and how long it took."""
    time.sleep(seconds)
    return container.stop(KILL_SECONDS)


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_serve(trained: Job, moment: int) -> None:
    """A server that is stopped while it starts ends with 0 and without a traceback."""
    with started("serve", "--volume", f"{trained.model}:/opt/ml/model:ro", *USER) as container:
        exit_code, took = stopped_after(container, SECONDS * moment / MOMENTS)
        assert exit_code == 0, container.log
        assert took < SECONDS, container.log
        assert "Traceback" not in container.log


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_train(tmp_path: Path, drawn: Mapping[str, Path], hyperparameters: Mapping[str, str], moment: int) -> None:
    """A job that is stopped while it starts ends with 143, or with 0 and a model once it has read its channels."""
    mounts = write_tree(tmp_path, {**hyperparameters, "epochs": "1000"}, drawn)
    with started("train", *mounts, *USER) as container:
        exit_code, took = stopped_after(container, SECONDS * moment / MOMENTS)
        assert exit_code in (0, 143), container.log
        assert exit_code == 143 or list((tmp_path / "model").glob("*.params")), container.log
        assert took < SECONDS, container.log
        assert "Traceback" not in container.log
