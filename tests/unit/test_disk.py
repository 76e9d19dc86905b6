"""disk: what is said when something cannot be written, and to whom."""

import errno
import os
import re
from pathlib import Path

import pytest

from sagemaker_gluoncv_container import disk
from sagemaker_gluoncv_container.errors import AlgorithmError, ClientError, ContainerError


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (45_200_000, "45.2 MB"), (2_000, "2.0 kB"), (3_210_000_000, "3.2 GB")],
)
def test_shown(size: int, text: str) -> None:
    """Bytes are shown in the unit that people would take."""
    assert disk.shown(size) == text


def test_free_bytes_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    """They are those of the disk that it will lie on."""
    found = disk.free_bytes(tmp_path / "new" / "deeper")
    room = os.statvfs(tmp_path)
    assert found == pytest.approx(room.f_bavail * room.f_frsize, rel=0.1)


@pytest.mark.parametrize(
    ("number", "kind", "do"),
    [
        (errno.ENOSPC, ClientError, "volume_size"),
        (errno.EDQUOT, ClientError, "volume_size"),
        (errno.EROFS, ClientError, "Mount the folder"),
        (errno.EACCES, ClientError, "Mount the folder"),
        (errno.EPERM, ClientError, "Mount the folder"),
        (errno.EIO, AlgorithmError, ""),
        (errno.ENOTDIR, AlgorithmError, ""),
    ],
)
def test_failure(tmp_path: Path, number: int, kind: type[ContainerError], do: str) -> None:
    """The folder, the reason and the free bytes are named; it is the user's to fix if a larger or open volume helps."""
    error = disk.failure("The model", tmp_path, OSError(number, os.strerror(number), "x"))
    assert type(error) is kind
    pattern = (
        rf"The model cannot be written to {tmp_path}\. {os.strerror(number)}\. [\d,]+ bytes \([\d.]+ \w+\) are free"
    )
    assert re.match(pattern, str(error)), error
    assert do in error.do


def test_failure_where_nothing_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is gone still gives an error that says what could not be written."""

    def gone(_: Path) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(disk, "free_bytes", gone)
    error = disk.failure("The model", tmp_path, OSError(errno.EIO, "Input/output error"))
    assert "How much is free there is not known" in str(error)


@pytest.mark.parametrize("size", [1, 10_000_000])
def test_writing_to_a_full_disk(tmp_path: Path, size: int) -> None:
    """What fails in the middle, or only when the file is closed, is the same error, with its cause."""
    (tmp_path / "file").symlink_to("/dev/full")
    with pytest.raises(ClientError, match="No space left on device") as caught, disk.writing("It", tmp_path):
        (tmp_path / "file").write_bytes(bytes(size))
    assert isinstance(caught.value.__cause__, OSError)


def test_check(tmp_path: Path) -> None:
    """What fits is no error and leaves nothing; what does not is one before it is tried, with both sizes."""
    disk.check("The model", tmp_path / "model", 1000)
    assert list((tmp_path / "model").iterdir()) == []
    with pytest.raises(ClientError) as caught:
        disk.check("The model", tmp_path / "model", 10**18)
    assert caught.value.what == f"The model does not fit into {tmp_path / 'model'}"
    assert re.fullmatch(
        r"[\d,]+ bytes \([\d.]+ \w+\) are free there, and it needs about 1000000000.0 GB", caught.value.why
    )


def test_check_of_something_in_the_way(tmp_path: Path) -> None:
    """A file in the folder's place is not the user's doing."""
    (tmp_path / "model").touch()
    with pytest.raises(AlgorithmError, match="File exists"):
        disk.check("The model", tmp_path / "model", 1)


def test_check_of_a_closed_folder(tmp_path: Path) -> None:
    """A folder in which no file can be made is found before anything is computed: here, one of /proc."""
    with pytest.raises(ContainerError, match=r"The model cannot be written to /proc/self"):
        disk.check("The model", Path("/proc/self/model"), 1)
