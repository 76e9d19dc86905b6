"""What is odd about channels, told without decoding a picture."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.data import checks, record_files, recordio
from sagemaker_gluoncv_container.data.checks import Place
from sagemaker_gluoncv_container.data.recordio import MAGIC_BYTES, Writer

JPEG = b"\xff\xd8\xff"


@dataclass
class Picture:
    """A picture as any caller of `checks` gives it."""

    name: str
    labels: tuple[float, ...]
    place: Place


def files(folder: Path, contents: list[bytes]) -> list[Picture]:
    """Write pictures as files, labelled 0."""
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / str(number)).write_bytes(content)
    paths = [folder / str(number) for number in range(len(contents))]
    return [Picture(f"{folder.name}/{path.name}", (0.0,), Place(path, 0, path.stat().st_size)) for path in paths]


def records(folder: Path, contents: list[bytes]) -> list[Picture]:
    """Write pictures as records, labelled 0."""
    folder.mkdir()
    with Writer(folder / "a.rec") as writer:
        for content in contents:
            writer.write((0.0,), content)
    found = record_files.scan(folder / "a.rec")
    return [Picture(f"{folder.name}/{record.number}", record.labels, checks.place(record)) for record in found]


def labelled(*labels: tuple[float, ...]) -> list[Picture]:
    """Return pictures of which only the labels matter."""
    return [Picture(str(number), each, Place(Path(), 0, 0)) for number, each in enumerate(labels)]


Write = Callable[[Path, list[bytes]], list[Picture]]


@pytest.mark.parametrize("train", [files, records])
@pytest.mark.parametrize("validation", [files, records])
def test_equal_pictures(tmp_path: Path, train: Write, validation: Write) -> None:
    """Pictures equal byte for byte are found in either form; those with equal sizes or beginnings are not."""
    long = JPEG + b"x" * 5000
    one = train(tmp_path / "train", [JPEG + b"a", JPEG + b"b", long + b"1", JPEG + b"b"])
    other = validation(tmp_path / "validation", [JPEG + b"c", long + b"2", JPEG + b"b", long + b"1"])
    findings, groups = checks.of_pictures({"train": one, "validation": other})
    assert groups is not None
    named = sorted([picture.name for _, picture in group] for group in groups)
    assert named == [["train/1", "train/3", "validation/2"], ["train/2", "validation/3"]]
    assert [(finding.kind, finding.count) for finding in findings] == [("leakage", 2), ("duplicates", 1)]


def test_a_picture_that_holds_the_magic_number(tmp_path: Path) -> None:
    """A record in several parts equals its copy, and no other."""
    contents = [JPEG + b"x" + MAGIC_BYTES + tail for tail in (b"1234", b"5678", b"1234")]
    _, groups = checks.of_pictures({"train": records(tmp_path / "train", contents)})
    assert groups is not None
    assert [[picture.name for _, picture in group] for group in groups] == [["train/0", "train/2"]]


def test_several_labels_in_a_record(tmp_path: Path) -> None:
    """What lies before the picture grows with the labels; the same picture is found behind one and behind three."""
    with Writer(tmp_path / "a.rec") as writer:
        writer.write((1.0,), JPEG + b"same")
        writer.write((0.0, 1.0, 1.0), JPEG + b"same")
    pictures = [
        Picture(str(each.number), each.labels, checks.place(each)) for each in record_files.scan(tmp_path / "a.rec")
    ]
    kinds = [finding.kind for finding in checks.of_pictures({"train": pictures})[0]]
    assert kinds == ["two-labels", "duplicates"]


def test_where_it_would_cost_too_much(tmp_path: Path) -> None:
    """Where more than so many bytes would be read, equal pictures are not known; the rest is found all the same."""
    pictures = files(tmp_path / "train", [JPEG + b"a" * 97, JPEG + b"a" * 97, b"<html>"])
    findings, groups = checks.of_pictures({"train": pictures}, most_bytes=199)
    assert groups is None
    assert [finding.kind for finding in findings] == ["no-picture"]
    assert "train/2" in findings[0].text
    assert [len(group) for group in checks.of_pictures({"train": pictures}, most_bytes=200)[1] or []] == [2]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """A file that cannot be read, or is gone, equals nothing; it is skipped where it is decoded."""
    pictures = files(tmp_path / "train", [JPEG, JPEG])
    pictures[0].place.path.unlink()
    (tmp_path / "folder").mkdir()
    pictures.append(Picture("folder", (0.0,), Place(tmp_path / "folder", 0, 3)))
    assert checks.of_pictures({"train": pictures}) == ([], [])


def test_classes() -> None:
    """Classes without training pictures are named, in validation and at all; so is a class twenty times another."""
    channels = {"train": labelled(*[(0.0,)] * 41, (1.0,), (1.0,)), "validation": labelled((2.0,), (0.0,))}
    findings = checks.of_labels(channels, ["car", "bird", "plane", "ship"])
    assert [finding.kind for finding in findings] == ["class-without-training", "empty-class", "imbalance"]
    assert findings[0].text == "channel validation has classes that are not in train: plane"
    assert findings[1].text == "channel train has no pictures of classes: plane, ship"
    assert findings[2].text == "class car has 41 training pictures, bird 2"
    assert checks.of_labels({"train": labelled((0.0,), (1.0,))}) == []


def test_classes_of_several_labels() -> None:
    """A vector of 0 and 1 is of the classes where it has 1."""
    channels = {"train": labelled((1.0, 0.0, 0.0), (1.0, 1.0, 0.0))}
    findings = checks.of_labels(channels, ["a", "b", "c"], multi_label=True)
    assert [finding.text for finding in findings] == ["channel train has no pictures of classes: c"]


IN_PARTS = JPEG + b"b" + MAGIC_BYTES * 2 + b"c" * 5000


@pytest.mark.parametrize("count", [1, 2, 3, 40])
@pytest.mark.parametrize("data", [JPEG + b"a" * 61, IN_PARTS], ids=["plain", "in parts"])
def test_records_with_labels_in_a_list(tmp_path: Path, count: int, data: bytes) -> None:
    """A record whose header says that n labels follow, one too, holds a picture as any other."""
    header = struct.pack("<IfQQ", count, 0, 0, 0) + struct.pack(f"<{count}f", *[0.0] * count)
    (tmp_path / "a.rec").write_bytes(recordio.frame(header + data))
    (record,) = record_files.scan(tmp_path / "a.rec")
    train = [Picture("record", (0.0,), checks.place(record))]
    findings, groups = checks.of_pictures({"train": train, "validation": files(tmp_path / "validation", [data])})
    assert [finding.kind for finding in findings] == ["leakage"]
    assert groups
    assert train[0].place.read() == data
