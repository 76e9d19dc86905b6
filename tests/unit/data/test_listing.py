"""What is found in a channel's folder."""

import logging
import os
import unicodedata
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.data import listing, record_files
from sagemaker_gluoncv_container.data.channel_config import ChannelConfig
from sagemaker_gluoncv_container.data.recordio import Writer
from sagemaker_gluoncv_container.errors import ClientError

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


RUBBISH = [
    ".ipynb_checkpoints/1-checkpoint.jpg",
    "@eaDir/1.jpg",
    "a/@eaDir/t.jpg",
    "a/.ipynb_checkpoints/1.jpg",
    "__MACOSX/a/._1.jpg",
    "a/._1.jpg",
    "._old.rec",
    ".Trash-0/old.rec",
    "lost+found/1.jpg",
    "$RECYCLE.BIN/S-1/1.jpg",
    "System Volume Information/1.png",
    "#recycle/a/1.jpg",
    "_temporary/0/1.jpg",
    "Thumbs.db",
    "_SUCCESS",
]


@pytest.mark.parametrize(
    "junk", [[each] for each in RUBBISH] + [RUBBISH], ids=lambda names: names[0] if len(names) == 1 else "all"
)
def test_junk_is_neither_class_nor_picture_nor_records(tmp_path: Path, junk: list[str]) -> None:
    """What systems leave beside class folders changes neither the classes nor the pictures nor the kind of channel."""
    _touch(tmp_path, "a/1.jpg", "b/2.jpg", *junk)
    assert not listing.has_records(tmp_path)
    samples, classes = listing.from_folders(tmp_path, CONFIG, ())
    assert classes == ("a", "b")
    assert [sample.name for sample in samples] == ["train/a/1.jpg", "train/b/2.jpg"]


def test_both_unicode_forms_of_a_class(tmp_path: Path) -> None:
    """A folder that another system wrote in another form is the same class, in either channel."""
    composed, decomposed = "Zürich", unicodedata.normalize("NFD", "Zürich")
    _touch(tmp_path / "train", f"{composed}/1.jpg", f"{decomposed}/2.jpg", "a/3.jpg")
    _touch(tmp_path / "validation", f"{decomposed}/4.jpg")
    samples, classes = listing.from_folders(tmp_path / "train", CONFIG, ())
    assert classes == (composed, "a") or classes == ("a", composed)
    assert sorted(sample.labels for sample in samples) == sorted(
        [(float(classes.index("a")),), *[(float(classes.index(composed)),)] * 2]
    )
    for known in (classes, (decomposed, "a")):
        (sample,), _ = listing.from_folders(tmp_path / "validation", CONFIG, known)
        assert unicodedata.normalize("NFC", known[int(sample.labels[0])]) == composed


def test_a_list_from_another_system(tmp_path: Path) -> None:
    """UTF-16, backslashes and whole paths of another machine are read where they mean files that are there."""
    _touch(tmp_path / "train", "a b/1.jpg", "c/2.jpg")
    (tmp_path / "train_lst").mkdir()
    text = "0\t0\tC:\\Users\\me\\train\\a b\\1.jpg\r\n1\t1\tC:\\Users\\me\\train\\c\\2.jpg\r\n"
    (tmp_path / "train_lst" / "x.LST").write_bytes(text.encode("utf-16"))
    samples = listing.from_list(tmp_path / "train", tmp_path / "train_lst", CONFIG)
    assert [sample.name for sample in samples] == ["train/a b/1.jpg", "train/c/2.jpg"]


def test_whole_paths_that_lead_nowhere(tmp_path: Path) -> None:
    """The message says that paths must count from the channel's folder."""
    _touch(tmp_path / "train", "a/1.jpg")
    (tmp_path / "train_lst").mkdir()
    (tmp_path / "train_lst" / "x.lst").write_text("0\t0\ta/1.jpg\n1\t0\t/home/me/b/2.jpg\n")
    with pytest.raises(ClientError, match="/home/me/b/2.jpg. Paths must count from the channel's folder"):
        listing.from_list(tmp_path / "train", tmp_path / "train_lst", CONFIG)


@pytest.mark.parametrize("name", ["output.manifest", "train.jsonl", "data.json", "manifest"])
def test_a_manifest_in_file_mode(tmp_path: Path, name: str) -> None:
    """A manifest in place of pictures is called what it is, with the mode that it needs."""
    (tmp_path / name).write_text('{"class": 0, "source-ref": "s3://bucket/1.jpg"}\n')
    why = f"Channel train holds an augmented manifest, {name}, in File mode.* TrainingInputMode Pipe"
    with pytest.raises(ClientError, match=why):
        listing.from_records(tmp_path, CONFIG)
    with pytest.raises(ClientError, match=why):
        listing.from_folders(tmp_path, CONFIG, ())


def test_heic(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """HEIC among other pictures is skipped with the reason; alone it is an error with the same."""
    _touch(tmp_path, "a/1.jpg", "a/2.heic", "b/3.HEIF", "b/4.jpg")
    samples, _ = listing.from_folders(tmp_path, CONFIG, ())
    assert len(samples) == 2
    assert "skipped 2 pictures: a/2.heic, b/3.HEIF. HEIC pictures are not read here" in caplog.text
    for name in ("a/1.jpg", "b/4.jpg"):
        (tmp_path / name).unlink()
    with pytest.raises(ClientError, match="holds no picture.* HEIC pictures are not read here: convert them to JPEG"):
        listing.from_folders(tmp_path, CONFIG, ())
