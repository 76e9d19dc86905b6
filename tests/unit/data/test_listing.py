"""What is found in a channel's folder."""

import logging
import os
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.data import listing, record_files
from sagemaker_gluoncv_container.data.channel_config import ChannelConfig
from sagemaker_gluoncv_container.data.recordio import Writer

CONFIG = ChannelConfig("train")


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_files_are_sorted_and_not_hidden(tmp_path: Path) -> None:
    """Files come sorted, from folders of any depth; hidden ones are passed over."""
    _touch(tmp_path, "b/2.jpg", "b/1.jpg", "a/c/3.jpg", ".DS_Store", "a/.1.jpg")
    assert [str(path.relative_to(tmp_path)) for path in listing.files(tmp_path)] == ["a/c/3.jpg", "b/1.jpg", "b/2.jpg"]


def test_some_names() -> None:
    """A message names five, and counts the rest."""
    assert listing.some([]) == "nothing"
    assert listing.some(list("abcde")) == "a, b, c, d, e"
    assert listing.some(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_class_folders(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The first folder is the class, whatever lies between; endings count in any case; other files are named."""
    _touch(tmp_path, "b/2.JPG", "a/deep/1.png", "c/3.webp", "c/notes.txt", "classes.json")
    with caplog.at_level(logging.INFO):
        samples, classes = listing.from_folders(tmp_path, CONFIG, ())
    assert classes == ("a", "b", "c")
    assert [(sample.name, sample.labels) for sample in samples] == [
        ("train/a/deep/1.png", (0.0,)),
        ("train/b/2.JPG", (1.0,)),
        ("train/c/3.webp", (2.0,)),
    ]
    assert "skipped what is not a picture by its name: c/notes.txt, classes.json" in caplog.text


def test_lines_of_a_list(tmp_path: Path) -> None:
    """Windows' line ends and mark, blank lines, spaces in names, "./" and repeated pictures are all right."""
    _touch(tmp_path / "train", "a b/1.jpg", "2.jpg")
    (tmp_path / "train_lst").mkdir()
    text = "\ufeff0\t1.0\ta b/1.jpg\r\n\r\n7\t0\t./2.jpg\r\n8\t2\t2.jpg\r\n"
    (tmp_path / "train_lst" / "x.lst").write_bytes(text.encode())
    samples = listing.from_list(tmp_path / "train", tmp_path / "train_lst", CONFIG)
    assert [sample.labels for sample in samples] == [(1.0,), (0.0,), (2.0,)]
    assert [sample.path.name for sample in samples] == ["1.jpg", "2.jpg", "2.jpg"]


def test_fast_file_is_scanned_in_large_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In FastFile mode .rec files are read in large blocks, else only the heads of records."""
    with Writer(tmp_path / "a.rec") as writer:
        writer.write((1.0,), b"picture")
    blocks = []
    whole = record_files.scan
    monkeypatch.setattr(record_files, "scan", lambda path, **block: blocks.append(block) or whole(path, **block))
    for mode in ("File", "FastFile"):
        samples = listing.from_records(tmp_path, ChannelConfig("train", mode))
        assert [sample.name for sample in samples] == ["train/a.rec record 0"]
    assert blocks == [{}, {"block": 8 << 20}]


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    """A file whose name is in another encoding is found, from folders and from a list, and can be printed."""
    name = os.fsdecode("caf\u00e9.jpg".encode("latin-1"))
    _touch(tmp_path / "train" / "a", name)
    (tmp_path / "train_lst").mkdir()
    (tmp_path / "train_lst" / "x.lst").write_bytes(b"0\t0\ta/" + os.fsencode(name))
    for samples in (
        listing.from_folders(tmp_path / "train", CONFIG, ())[0],
        listing.from_list(tmp_path / "train", tmp_path / "train_lst", CONFIG),
    ):
        assert [sample.name for sample in samples] == ["train/a/caf\ufffd.jpg"]
        assert samples[0].read() == b""
