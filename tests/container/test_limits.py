"""Promise: given too little to serve with, the container says what is missing and ends; given little, it serves."""

import pytest

from support.containers import USER, Job, serving, started

SECONDS = 60


@pytest.mark.parametrize("processes", ["4", "5", "7", "9"])
def test_too_few_processes(trained: Job, processes: str) -> None:
    """It does not hang when threads or processes cannot be had: one sentence or three, and exit code 2."""
    flags = ("--pids-limit", processes, "--cpus", "2", "--volume", f"{trained.model}:/opt/ml/model:ro", *USER)
    with started("serve", *flags) as container:
        assert container.wait(SECONDS) == 2, container.log
        assert "more processes and threads" in container.log
        assert "--pids-limit" in container.log
        assert "Traceback" not in container.log


@pytest.mark.parametrize("processes", ["20", "100"])
def test_few_processes(trained: Job, flower: bytes, processes: str) -> None:
    """It takes few: a limit that kept an earlier version from starting is more than enough."""
    with serving(trained.model, "--pids-limit", processes, "--cpus", "2") as server:
        assert server.ask(flower).ok


@pytest.mark.parametrize(
    "flags",
    [
        ("--tmpfs", "/dev/shm:ro"),
        ("--read-only", "--tmpfs", "/dev/shm:ro", "--tmpfs", "/tmp"),
        ("--read-only",),
        ("--read-only", "--tmpfs", "/dev/shm:ro", "--tmpfs", "/a place"),
    ],
    ids=["shm", "tmp", "no tmp", "elsewhere"],
)
def test_any_folder_will_do(trained: Job, flower: bytes, flags: tuple[str, ...]) -> None:
    """One folder to write in is enough, wherever it is."""
    with serving(trained.model, *flags) as server:
        assert server.ask(flower).ok


def test_no_folder(trained: Job) -> None:
    """Without any folder to write in it says so, and what to mount. (root could still write in /dev.)"""
    user = ("--user", "12345:12345")
    flags = ("--read-only", "--tmpfs", "/dev/shm:ro", "--volume", f"{trained.model}:/opt/ml/model:ro", *user)
    with started("serve", *flags) as container:
        assert container.wait(SECONDS) == 2, container.log
        assert "There is no folder to write in." in container.log
        assert "Traceback" not in container.log
