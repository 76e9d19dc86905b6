"""Checkpoints: what a job that was interrupted needs, to go on as if it had not been.

The folder is copied to S3 all the time and restored on a restart; the copying agent marks files with
`.sagemaker-uploading` and `.sagemaker-uploaded`, and leaves those alone that end in `.sagemaker-ignore`.

    checkpoint-<job>-<epoch>-<batch>.state    weights, optimizer, figures and place in the data; the newest two stay
    epoch-<job>-<epoch>.state                 what the model directory holds of that epoch

<job> is a digest of the hyperparameters and the data, so jobs that share a folder do not meet. A file is the SHA-256 of
the rest, then a NumPy .npz. It is written aside, forced to disk and renamed: whole or absent, whenever we are killed;
what is damaged later shows in the digest. No state of a random generator is in it, because everything random is drawn
from a generator made of (seed, epoch, place in the epoch).
"""

import hashlib
import io
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...arrays import Arrays

logger = logging.getLogger(__name__)


FORMAT_VERSION = 1
KEPT = 2
_UNFINISHED = ".sagemaker-ignore"
_DIGEST = hashlib.sha256
_CONTENT = "content"
# np.savez has an argument called `file`, which no array's name may be.
_PREFIX = "/"


@dataclass
class Progress:
    """How far a job is.

    `batch` is how many batches of `epoch` the net has learnt from. `history` has the figures of each epoch that was
    validated; `running` the counts of the running one. `kept` are the epochs that the model directory holds.
    """

    epoch: int = 0
    batch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    running: dict[str, Any] = field(default_factory=dict)
    kept: list[int] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


class Damaged(Exception):  # noqa: N818
    """A file is not what was written."""


class Checkpoints:
    """The checkpoints of one job in a folder."""

    def __init__(self, folder: Path, job: Mapping[str, Any]) -> None:
        """`job` is what must be the same for a checkpoint to fit: names and values."""
        self._folder, self._job = folder, {name: str(value) for name, value in job.items()}
        text = json.dumps({"format_version": FORMAT_VERSION, **self._job}, sort_keys=True)
        self._digest = _DIGEST(text.encode()).hexdigest()[:8]
        self._needed: dict[Path, list[int]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob(f"*.state{_UNFINISHED}"):
            path.unlink()

    def newest(self) -> tuple[Progress, Arrays] | None:
        """Return the newest whole checkpoint of this job; None, and a line in the log that says why, if none is."""
        found = None
        for path in self._own():
            try:
                arrays, content = _read_checkpoint(path)
                progress = Progress(**content["progress"])
                for epoch in progress.kept:
                    self.kept(epoch)
            except Damaged as error:
                logger.warning("Passed over the checkpoint %s: %s", path.name, error)
                path.unlink()
                continue
            self._needed[path] = progress.kept
            found = progress, arrays
        if found is None:
            self._explain()
        return found

    def write(self, progress: Progress, arrays: Arrays) -> None:
        """Write a checkpoint, and remove what the newest two do not need. Raises OSError."""
        content = json.dumps({"job": self._job, "progress": asdict(progress)})
        path = self._folder / f"checkpoint-{self._digest}-{progress.epoch:06d}-{progress.batch:08d}.state"
        _write(path, {**arrays, _CONTENT: np.array(content)})
        self._needed[path] = list(progress.kept)
        self._prune()

    def keep(self, epoch: int, arrays: Arrays) -> None:
        """Write what the model directory holds of an epoch, for the next checkpoint to name. Raises OSError."""
        _write(self._epoch_path(epoch), arrays)

    def kept(self, epoch: int) -> Arrays:
        """Return what was kept of an epoch. Raises Damaged."""
        return _read(self._epoch_path(epoch))

    def _epoch_path(self, epoch: int) -> Path:
        return self._folder / f"epoch-{self._digest}-{epoch:06d}.state"

    def _own(self) -> list[Path]:
        """Return this job's checkpoints, oldest first; the markers of the copying agent are none."""
        return sorted(self._folder.glob(f"checkpoint-{self._digest}-*.state"))

    def _prune(self) -> None:
        for path in self._own()[:-KEPT]:
            path.unlink()
        needed = {self._epoch_path(epoch) for path in self._own() for epoch in self._needed.get(path, [])}
        for path in set(self._folder.glob(f"epoch-{self._digest}-*.state")) - needed:
            path.unlink()

    def _explain(self) -> None:
        """Log why a job that finds checkpoints of other jobs does not go on from them."""
        for path in sorted(self._folder.glob("checkpoint-*.state"), key=lambda path: path.stat().st_mtime)[-1:]:
            try:
                other = _read_checkpoint(path)[1]["job"]
            except Damaged as error:
                logger.warning("Starting anew: the checkpoint %s is of no use: %s", path.name, error)
                continue
            names = [name for name in {**other, **self._job} if other.get(name) != self._job.get(name)]
            changes = "; ".join(f"{name} was {other.get(name)}, is {self._job.get(name)}" for name in names)
            logger.warning("Starting anew: the checkpoint %s is of another job: %s", path.name, changes or "its format")


def _write(path: Path, arrays: Arrays) -> None:
    """Write a file so that it is whole or absent, even if the machine goes down. Raises OSError."""
    buffer = io.BytesIO()
    np.savez(buffer, **{f"{_PREFIX}{name}": array for name, array in arrays.items()})
    body = buffer.getbuffer()
    unfinished = path.with_name(path.name + _UNFINISHED)
    with unfinished.open("wb") as file:
        file.write(_DIGEST(body).digest())
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
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
        raise Damaged(f"{path.name} is cut or damaged: it is not what its digest says")
    with np.load(io.BytesIO(data[size:]), allow_pickle=False) as arrays:
        return {name.removeprefix(_PREFIX): arrays[name] for name in arrays.files}


def _read_checkpoint(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays of a checkpoint and what stands beside them. Raises Damaged."""
    arrays = _read(path)
    content: dict[str, Any] = json.loads(str(arrays.pop(_CONTENT)))
    return arrays, content
