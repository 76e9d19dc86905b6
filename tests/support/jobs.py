"""Training jobs as the platform starts them: a process on a tree like /opt/ml, started, watched, stopped."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from support.processes import TRAIN, Process, environment


class Job(Process):
    """A training job. Its output goes to a file `log` in its tree; a restart's to `log-1`, and so on."""

    def __init__(self, base: Path, command: Sequence[str] = TRAIN, **variables: str) -> None:
        self.base = base
        names = ("log" if number == 0 else f"log-{number}" for number in count())
        log_path = next(path for name in names if not (path := base / name).exists())
        super().__init__(command, log_path, environment(base, **variables))

    @property
    def log(self) -> str:
        """What it has written so far, to stdout and stderr."""
        return self.output

    @property
    def failure(self) -> str:
        """The reason that it gave for its failure; empty if it gave none."""
        path = self.base / "output" / "failure"
        return path.read_text() if path.exists() else ""


def write_hyperparameters(base: Path, hyperparameters: Mapping[str, str]) -> None:
    """Write hyperparameters.json as the platform does."""
    config = base / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "hyperparameters.json").write_text(json.dumps(dict(hyperparameters)))


@contextmanager
def running_job(base: Path, hyperparameters: Mapping[str, str], **variables: str) -> Iterator[Job]:
    """Start a job, and kill it and its children in the end."""
    write_hyperparameters(base, hyperparameters)
    job = Job(base, **variables)
    try:
        yield job
    finally:
        job.kill()


def run_job(base: Path, hyperparameters: Mapping[str, str], **variables: str) -> Job:
    """Run a job to its end. Raises AssertionError with its log unless it ends with 0."""
    with running_job(base, hyperparameters, **variables) as job:
        assert job.wait() == 0, job.log
    return job
