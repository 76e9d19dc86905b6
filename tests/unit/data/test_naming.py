"""Names as systems write them, and what they mean."""

import os
import unicodedata
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.data import naming

NFC, NFD = "Zürich", unicodedata.normalize("NFD", "Zürich")


def folder_with(folder: Path, *names: str) -> naming.Files:
    """Make files in a folder and return what finds them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return naming.Files(folder, [folder / name for name in names])


def test_both_forms_of_a_class_are_one() -> None:
    """Composed and decomposed letters mean the same class."""
    assert NFC != NFD
    assert naming.class_name(NFD) == naming.class_name(NFC) == NFC


@pytest.mark.parametrize(
    "path", ["/a/b.jpg", "C:\\a\\b.jpg", "c:/a/b.jpg", "s3://bucket/a.jpg", "\\\\server\\share\\a.jpg"]
)
def test_absolute(path: str) -> None:
    """The roots of Unix, Windows, network shares and S3 are known."""
    assert naming.is_absolute(path)


@pytest.mark.parametrize("path", ["a/b.jpg", "a\\b.jpg", "./a.jpg", "a:b.jpg", ""])
def test_relative(path: str) -> None:
    """Anything else counts from the folder."""
    assert not naming.is_absolute(path)


@pytest.mark.parametrize(
    ("there", "written"),
    [
        ("a/1.jpg", "a/1.jpg"),
        ("a/1.jpg", "./a//1.jpg"),
        ("a/1.jpg", "a\\1.jpg"),
        ("a/1.jpg", ".\\a\\1.jpg"),
        (f"{NFC}/1.jpg", f"{NFD}/1.jpg"),
        (f"{NFD}/1.jpg", f"{NFC}\\1.jpg"),
        (f"a/{NFC}.jpg", os.fsdecode("a/Zürich.jpg".encode("cp1252"))),
        (os.fsdecode(b"a/caf\xe9.jpg"), os.fsdecode(b"a/caf\xe9.jpg")),
        ("a/IMG_1.jpg", "a/img_1.JPG"),
        ("a/1.jpg", "/home/me/pictures/a/1.jpg"),
        ("a/1.jpg", "C:\\Users\\me\\pictures\\a\\1.jpg"),
        ("a/1.jpg", "s3://bucket/train/a/1.jpg"),
        ("a/1.jpg", "train/a/1.jpg"),
        ("a b/1.jpg", "D:/Data Sets/a b/1.jpg"),
    ],
)
def test_paths_whose_meaning_is_plain(tmp_path: Path, there: str, written: str) -> None:
    """One file is meant, however its path is written."""
    root = tmp_path / "train"
    assert folder_with(root, there, "other/9.jpg").find(written) == root / there


@pytest.mark.parametrize("written", ["a/2.jpg", "1.jpg", "/home/me/b/1.jpg", "../train/a/1.jpg", "other/a/1.jpg", "a"])
def test_paths_that_mean_nothing(tmp_path: Path, written: str) -> None:
    """No file is guessed."""
    assert folder_with(tmp_path / "train", "a/1.jpg").find(written) is None


def test_whole_paths_share_their_beginning(tmp_path: Path) -> None:
    """The first of another machine's paths says where its folder was; one from elsewhere is not taken for ours."""
    files = folder_with(tmp_path, "a/1.jpg", "a/2.jpg", "2.jpg")
    assert files.find("/data/set/a/1.jpg") == tmp_path / "a/1.jpg"
    assert files.find("/data/set/a/2.jpg") == tmp_path / "a/2.jpg"
    assert files.find("/other/set/a/2.jpg") is None
    assert files.find("/data/a/2.jpg") is None


def test_two_files_that_look_alike(tmp_path: Path) -> None:
    """Where both forms are there, each is found by its own, and a third spelling is not guessed."""
    files = folder_with(tmp_path, f"{NFC}.jpg", f"{NFD}.jpg", "a.jpg", "A.jpg")
    assert files.find(f"{NFD}.jpg") == tmp_path / f"{NFD}.jpg"
    assert files.find("A.jpg") == tmp_path / "A.jpg"
    assert files.find("a.JPG") is None
    assert len(files) == 4
