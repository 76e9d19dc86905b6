"""Names that are not data."""

from pathlib import Path

import pytest

from sagemaker_gluoncv_container import junk


@pytest.mark.parametrize(
    "path",
    [
        ".DS_Store",
        "a/.1.jpg",
        "._old.rec",
        ".ipynb_checkpoints/1-checkpoint.jpg",
        "a/@eaDir/t.jpg",
        "@eaDir/a/SYNOPHOTO_THUMB_M.jpg",
        "__MACOSX/a/._1.jpg",
        "a/Thumbs.db",
        "a/thumbs.DB",
        "Desktop.ini",
        "_SUCCESS",
        "_committed_123",
        "cats_$folder$",
        "$RECYCLE.BIN/1.jpg",
        "System Volume Information/1.jpg",
        "lost+found/1.jpg",
        "#recycle/a.jpg",
        "#snapshot/a/a.jpg",
        ".Trash-1000/files/a.jpg",
        "a/Icon\r",
        "a/1.jpg~",
        "a/~$list.csv",
        "a/1.jpg.sagemaker-uploading",
        "a/__pycache__/x.pyc",
        "_temporary/0/1.jpg",
    ],
)
def test_junk(path: str) -> None:
    """What systems leave is junk, wherever it lies."""
    assert junk.is_junk(path)


@pytest.mark.parametrize(
    "path",
    ["a/1.jpg", "success/1.jpg", "_cats/1.jpg", "recycle/1.jpg", "a.b/1.jpg", "tmp/1.jpg", "@home/1.jpg", "icon/1.jpg"],
)
def test_data(path: str) -> None:
    """Names of classes that merely resemble junk are kept."""
    assert not junk.is_junk(path)


def touch(folder: Path, *names: str) -> None:
    """Make empty files."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_files(tmp_path: Path) -> None:
    """Files come in order, without junk; the folder itself may be called anything."""
    root = tmp_path / ".hidden"
    touch(root, "b/1.jpg", "a/2.jpg", "a/@eaDir/2.jpg", "a/.2.jpg", "c.rec", ".ipynb_checkpoints/x.jpg")
    assert [path.relative_to(root).as_posix() for path in junk.files(root)] == ["c.rec", "a/2.jpg", "b/1.jpg"]


def test_files_with_junk(tmp_path: Path) -> None:
    """Who reports on every file gets junk files, but not what lies in junk folders."""
    touch(tmp_path, "a/2.jpg", "a/@eaDir/2.jpg", "a/.DS_Store")
    names = [path.relative_to(tmp_path).as_posix() for path in junk.files(tmp_path, with_junk=True)]
    assert names == ["a/.DS_Store", "a/2.jpg"]


def test_links(tmp_path: Path) -> None:
    """A linked folder is read as any other; a link to a folder above itself is not followed for ever."""
    touch(tmp_path / "elsewhere", "1.jpg")
    touch(tmp_path / "root" / "a", "2.jpg")
    (tmp_path / "root" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "a" / "up").symlink_to(tmp_path / "root")
    names = [path.relative_to(tmp_path / "root").as_posix() for path in junk.files(tmp_path / "root")]
    assert names == ["a/2.jpg", "b/1.jpg"]
