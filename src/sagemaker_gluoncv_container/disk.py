"""Room on disk: how much there is, and what to say when something cannot be written.

A job writes into three folders, and each may be full or read-only: `model`, `checkpoints` and `output`.
"""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import AlgorithmError, ClientError, ContainerError

# What whoever starts a job can change: how large the volume is, and how it is mounted.
_FULL = {errno.ENOSPC, errno.EDQUOT}
_CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
_LARGER = "Give the job a larger volume (volume_size), or remove what it does not need there"
_WRITABLE = "Mount the folder so that the job may write to it"


def shown(size: float) -> str:
    """Return a number of bytes as people read it, like 45.2 MB."""
    return next((f"{size / unit:.1f} {name}" for unit, name in _UNITS if size >= unit), f"{size:.0f} bytes")


def free_bytes(folder: Path) -> int:
    """Return how many bytes can still be written to a folder, which need not exist yet. Raises OSError."""
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(existing).free


def failure(what: str, folder: Path, error: OSError) -> ContainerError:
    """Return the error for `what`, like "The model", which could not be written to a folder.

    It is a ClientError if a larger or a writable volume would help, else an AlgorithmError.
    """
    try:
        free = free_bytes(folder)
        room = f"{free:,} bytes ({shown(free)}) are free there"
    except OSError:
        room = "How much is free there is not known"
    what, why = f"{what} cannot be written to {folder}", f"{error.strerror or error}"
    if error.errno in _FULL:
        return ClientError(what, f"{why}. {room}", _LARGER)
    if error.errno in _CLOSED:
        return ClientError(what, f"{why}. {room}", _WRITABLE)
    return AlgorithmError(what, f"{why}. {room}")


@contextmanager
def writing(what: str, folder: Path) -> Iterator[None]:
    """Raise an OSError of what is done here as `failure` says it."""
    try:
        yield
    except OSError as error:
        raise failure(what, folder, error) from error


def check(what: str, folder: Path, size: int) -> None:
    """Raise ClientError or AlgorithmError if a folder, which is made if there is none, has no room for `size` bytes."""
    with writing(what, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = free_bytes(folder)
    if free < size:
        why = f"{free:,} bytes ({shown(free)}) are free there, and it needs about {shown(size)}"
        raise ClientError(f"{what} does not fit into {folder}", why, _LARGER)
