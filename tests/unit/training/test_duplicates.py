"""Pictures that lie in both channels are found."""

from pathlib import Path

import pytest

from sagemaker_gluoncv_container import recordio
from sagemaker_gluoncv_container.recordio import Writer
from sagemaker_gluoncv_container.training.duplicates import duplicates_between
from sagemaker_gluoncv_container.training.samples import FileSample, Listed, RecordSample


def _files(folder: Path, contents: list[bytes]) -> Listed:
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / f"{number}.jpg").write_bytes(content)
    return Listed([FileSample(f"{folder.name}/{path.name}", (0.0,), path) for path in sorted(folder.iterdir())])


def _records(folder: Path, contents: list[bytes]) -> Listed:
    folder.mkdir()
    with Writer(folder / "a.rec") as writer:
        for content in contents:
            writer.write((0.0,), content)
    records = recordio.scan(folder / "a.rec")
    return Listed([RecordSample(f"{folder.name}/{record.number}.jpg", record.labels, record) for record in records])


@pytest.mark.parametrize("train", [_files, _records])
@pytest.mark.parametrize("validation", [_files, _records])
def test_equal_bytes(tmp_path: Path, train: object, validation: object) -> None:
    """Pictures that are equal byte for byte are paired, whatever form either channel has; equal sizes do not do."""
    one = train(tmp_path / "train", [b"aaaaa", b"bbbbb", b"ccccccc", b"ccccccc"])  # type: ignore[operator]
    other = validation(tmp_path / "validation", [b"xxxxx", b"ccccccc", b"bbbbb", b"aaaaaa"])  # type: ignore[operator]
    found = duplicates_between(one, other)
    assert found is not None
    assert sorted(found) == [("train/1.jpg", "validation/2.jpg"), ("train/2.jpg", "validation/1.jpg")]


def test_where_it_would_cost_too_much(tmp_path: Path) -> None:
    """Remote pictures, and more than so many bytes, are not read; the answer is that it is not known."""
    one, other = (_files(tmp_path / name, [b"a" * 100]) for name in ("train", "validation"))
    assert duplicates_between(one, other) == [("train/0.jpg", "validation/0.jpg")]
    assert duplicates_between(one, other, most_bytes=199) is None
    assert duplicates_between(Listed(one.samples, local=False), other) is None


def test_a_picture_that_cannot_be_read(tmp_path: Path) -> None:
    """A picture that cannot be read equals none; it is skipped where it is decoded."""
    folder = tmp_path / "folder.jpg"
    folder.mkdir()
    one = _files(tmp_path / "train", [b"a" * folder.stat().st_size])
    assert duplicates_between(one, Listed([FileSample("validation/folder.jpg", (0.0,), folder)])) == []
