"""Checkpoints: what an interrupted job needs to continue as if it had not been interrupted.

The platform copies the folder to S3 all the time and restores it on a restart. Its agent marks files with
`.sagemaker-uploading` and `.sagemaker-uploaded`, and does not copy files that end in `.sagemaker-ignore`.

    checkpoint-<job>-<epoch>-<batch>.state    weights, optimizer, figures and place in the data; the newest two stay
    epoch-<job>-<epoch>.state                 what the model directory holds of that epoch

<job> is a digest of the hyperparameters and the data, so jobs that share a folder do not meet. A file is a SHA-256 of
what follows, then a NumPy .npz. It is written under another name, forced to disk and renamed, so it is whole or absent
whenever the job is killed. Later damage shows in the digest. No state of a random generator is in it, because all that
is random is drawn from a generator made of (seed, epoch, place in the epoch).
"""

import hashlib
import io
import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ... import disk
from ...arrays import Arrays
from ...errors import ContainerError

logger = logging.getLogger(__name__)


FORMAT_VERSION = 1
KEPT = 2
_UNFINISHED = ".sagemaker-ignore"
_DIGEST = hashlib.sha256
# A checkpoint holds the weights and, with adam, two numbers more per weight.
_WEIGHTS_PER_CHECKPOINT = 3
_CONTENT = "content"
# np.savez has an argument called `file`, which no array's name may be.
_PREFIX = "/"


@dataclass
class Progress:
    """How far a job is.

    `batch` is how many batches of `epoch` the net has learnt from. `history` has the figures of each epoch that was
    validated, `running` the counts of the present one. `kept` are the epochs that the model directory holds.
    `learning_rate` is that of the last step.
    """

    epoch: int = 0
    batch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    running: dict[str, Any] = field(default_factory=dict)
    kept: list[int] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    learning_rate: float = 0.0


class Damaged(Exception):  # noqa: N818
    """A file does not hold what was written."""


class Checkpoints:
    """The checkpoints of one job in a folder."""

    def __init__(self, folder: Path, job: Mapping[str, Any]) -> None:
        """`job` is what must be the same for a checkpoint to fit, by name. Raises ContainerError if it cannot write."""
        self.folder, self._job = folder, {name: str(value) for name, value in job.items()}
        text = json.dumps({"format_version": FORMAT_VERSION, **self._job}, sort_keys=True)
        self._digest = _DIGEST(text.encode()).hexdigest()[:8]
        self._needed: dict[Path, list[int]] = {}
        with disk.writing("A checkpoint", folder):
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.glob(f"*.state{_UNFINISHED}"):
                path.unlink()

    def check_room(self, weights: int) -> None:
        """Log a warning if checkpoints of a net with `weights` bytes have no room. The job can run without them."""
        # While one is written the earlier ones are still there; and the best epoch is kept beside them.
        size = weights * (_WEIGHTS_PER_CHECKPOINT * (KEPT + 1) + KEPT)
        there = sum(path.stat().st_size for path in self._files())
        try:
            disk.check("A checkpoint", self.folder, size - there)
        except ContainerError as error:
            logger.warning("%s Without checkpoints, an interrupted job starts from the beginning.", error)

    def newest(self) -> tuple[Progress, Arrays] | None:
        """Return the newest whole checkpoint of this job. If there is none, return None and log why."""
        found = None
        for path in self._own():
            try:
                arrays, content = _read_checkpoint(path)
                progress = Progress(**content["progress"])
                for epoch in progress.kept:
                    self.kept(epoch)
            except Damaged as error:
                logger.warning("Ignored the checkpoint %s: %s", path.name, error)
                path.unlink()
                continue
            self._needed[path] = progress.kept
            found = progress, arrays
        if found is None:
            self._explain()
        return found

    def write(self, progress: Progress, arrays: Arrays) -> None:
        """Write a checkpoint, and remove what the newest KEPT do not need. Raises OSError."""
        content = json.dumps({"job": self._job, "progress": asdict(progress)})
        path = self.folder / f"checkpoint-{self._digest}-{progress.epoch:06d}-{progress.batch:08d}.state"
        _write(path, {**arrays, _CONTENT: np.array(content)})
        self._needed[path] = list(progress.kept)
        self._prune()

    def keep(self, epoch: int, arrays: Arrays) -> None:
        """Write what the model directory holds of an epoch, for the next checkpoint to refer to. Raises OSError."""
        _write(self._epoch_path(epoch), arrays)

    def kept(self, epoch: int) -> Arrays:
        """Return what was kept of an epoch. Raises Damaged."""
        return _read(self._epoch_path(epoch))

    def _epoch_path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{self._digest}-{epoch:06d}.state"

    def _own(self) -> list[Path]:
        """Return this job's checkpoints, oldest first, without the markers of the copying agent."""
        return sorted(self.folder.glob(f"checkpoint-{self._digest}-*.state"))

    def _files(self) -> list[Path]:
        return [*self._own(), *self.folder.glob(f"epoch-{self._digest}-*.state")]

    def _prune(self) -> None:
        for path in self._own()[:-KEPT]:
            path.unlink()
        needed = {self._epoch_path(epoch) for path in self._own() for epoch in self._needed.get(path, [])}
        for path in set(self.folder.glob(f"epoch-{self._digest}-*.state")) - needed:
            path.unlink()

    def _explain(self) -> None:
        """Log why a job does not continue from the newest checkpoint of another job that it finds."""
        for path in sorted(self.folder.glob("checkpoint-*.state"), key=lambda path: path.stat().st_mtime)[-1:]:
            try:
                other = _read_checkpoint(path)[1]["job"]
            except Damaged as error:
                logger.warning("Starting from the beginning: the checkpoint %s cannot be used: %s", path.name, error)
                continue
            names = [name for name in {**other, **self._job} if other.get(name) != self._job.get(name)]
            changes = "; ".join(f"{name} was {other.get(name)}, is {self._job.get(name)}" for name in names)
            text = "Starting from the beginning: the checkpoint %s is of another job: %s"
            logger.warning(text, path.name, changes or "its format differs")


def _write(path: Path, arrays: Arrays) -> None:
    """Write a file so that it is whole or absent, even if the machine fails. Raises OSError."""
    buffer = io.BytesIO()
    np.savez(buffer, **{f"{_PREFIX}{name}": array for name, array in arrays.items()})
    body = buffer.getbuffer()
    unfinished = path.with_name(path.name + _UNFINISHED)
    try:
        with unfinished.open("wb") as file:
            file.write(_DIGEST(body).digest())
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        # On a full disk, what could not be finished would take the room of the next one.
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> Arrays:
    """Return the arrays of a file. Raises Damaged."""
    try:
        data = memoryview(path.read_bytes())
    except OSError as error:
        raise Damaged(f"{path.name} cannot be read: {error.strerror}") from error
    size = _DIGEST().digest_size
    if bytes(data[:size]) != _DIGEST(data[size:]).digest():
        raise Damaged(f"{path.name} is cut or damaged: its digest differs")
    with np.load(io.BytesIO(data[size:]), allow_pickle=False) as arrays:
        return {name.removeprefix(_PREFIX): arrays[name] for name in arrays.files}


def _read_checkpoint(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays of a checkpoint, and the job and progress in it. Raises Damaged."""
    arrays = _read(path)
    content: dict[str, Any] = json.loads(str(arrays.pop(_CONTENT)))
    return arrays, content
