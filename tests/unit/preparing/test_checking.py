"""`--check`: findings by decoding, indices, and the text for people."""

import shutil
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from sagemaker_gluoncv_container.data.recordio import Writer
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.preparing import checking
from sagemaker_gluoncv_container.preparing.settings import Settings
from support.prepared import draw, encoded


def write(folder: Path, *pictures: tuple[int, bytes]) -> Path:
    """Write a channel; return its record file."""
    folder.mkdir(parents=True)
    with Writer(folder / "a.rec") as writer:
        for label, data in pictures:
            writer.write((float(label),), data)
    return folder / "a.rec"


def check(folder: Path) -> dict[str, str]:
    """Return the findings' texts by kind."""
    report = checking.check(folder, Settings(str(folder), folder, progress=False))
    return {each["kind"]: each["text"] for each in report["findings"]}


def test_a_folder_without_records(tmp_path: Path) -> None:
    """Junk does not count as a record file."""
    (tmp_path / "._a.rec").write_bytes(b"junk")
    with pytest.raises(ClientError, match="holds no RecordIO file"):
        check(tmp_path)


def test_one_channel_and_several(tmp_path: Path) -> None:
    """A folder with record files is one channel by its name; else its folders are the channels."""
    write(tmp_path / "train", (0, draw("bird", 1)), (1, draw("car", 1)))
    write(tmp_path / "validation", (0, draw("bird", 2)))
    for folder, channels in ((tmp_path, {"train": 2, "validation": 1}), (tmp_path / "train", {"train": 2})):
        report = checking.check(folder, Settings(str(folder), folder, progress=False))
        assert report == {"channels": channels, "findings": []}
        assert checking.as_text(report).endswith("Nothing is wrong with them.")
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "a.idx",
        "a.idx",
        "a.rec",
        "a.rec",
        "train",
        "validation",
    ]


def test_what_only_decoding_finds(tmp_path: Path) -> None:
    """A picture encoded again in the other channel and under another label; a cut one."""
    again = encoded(Image.open(BytesIO(draw("bird", 1))), quality=60)
    write(tmp_path / "train", (0, draw("bird", 1)), (1, draw("car", 1)), (1, draw("car", 2)[:900]))
    write(tmp_path / "validation", (1, again))
    found = check(tmp_path)
    assert found.keys() == {"near-leakage", "near-two-labels", "unreadable"}
    assert "train/a.rec#0 = validation/a.rec#0" in found["near-leakage"]
    assert found["unreadable"] == "1 pictures are unreadable: train/a.rec#2"


def test_a_wrong_index(tmp_path: Path) -> None:
    """One of another file; to have none is not a fault."""
    first = write(tmp_path / "train", (0, draw("bird", 1)), (1, draw("car", 1)))
    second = write(tmp_path / "validation", (0, draw("bird", 2)), (1, draw("car", 2)), (1, draw("car", 3)))
    shutil.copy(second.with_suffix(".idx"), first.with_suffix(".idx"))
    assert check(tmp_path).keys() == {"wrong-index"}
    first.with_suffix(".idx").unlink()
    assert check(tmp_path) == {}


def test_the_text_names_findings() -> None:
    """A line for each channel, and one for each finding."""
    report = {"channels": {"train": 3}, "findings": [{"kind": "leakage", "count": 1, "text": "Twice."}]}
    assert checking.as_text(report) == "channel train: 3 pictures\n  leakage: Twice."
