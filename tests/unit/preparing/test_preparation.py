"""The story: all steps, once; an empty folder to start in; a summary that a person can read."""

from pathlib import Path

import pytest

from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.preparing import preparation
from sagemaker_gluoncv_container.preparing.settings import Settings
from support.prepared import draw_folders


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings for two classes, and one of a single picture."""
    source = draw_folders(tmp_path / "source", {"bird": 6, "car": 6, "plane": 1})
    return Settings(str(source), tmp_path / "out", progress=False)


def test_all_of_it(settings: Settings) -> None:
    """Channels, classes and reports are there, and the work folder is not."""
    summary = preparation.prepare(settings)
    assert summary["kept"] == 12
    names = {path.name for path in settings.out.iterdir()}
    assert names == {"train", "validation", "classes.json", "pictures.csv", "report.json", "report.html"}


def test_a_class_that_vanishes_is_said(settings: Settings) -> None:
    """The text for the terminal names the class, why, and what can be done with the option's name."""
    text = preparation.as_text(preparation.prepare(settings))
    assert text.startswith("13 found, 12 kept: 2 validation, 10 train\n")
    assert "left out:       1 class-too-small (its class has fewer pictures than --min-per-class)" in text
    assert "warning: Class plane is left out: none of its pictures is kept (1 class-too-small)." in text
    assert 'classes: ["bird", "car"]' in text


def test_a_folder_that_is_not_empty_is_refused(settings: Settings) -> None:
    """Two preparations do not mix, and nothing is written."""
    settings.out.mkdir()
    (settings.out / "notes.txt").write_text("mine")
    with pytest.raises(ClientError, match="is not empty") as raised:
        preparation.prepare(settings)
    assert "--like" in raised.value.do
    assert [path.name for path in settings.out.iterdir()] == ["notes.txt"]


def test_nothing_left_is_an_error(settings: Settings) -> None:
    """With the reasons, and the state stays for another look."""
    (settings.out.parent / "empty").mkdir()
    source = draw_folders(settings.out.parent / "few", {"bird": 1, "car": 1})
    with pytest.raises(ClientError, match="class-too-small: 2"):
        preparation.prepare(Settings(str(source), settings.out, progress=False))
    with pytest.raises(ClientError, match="The source is empty"):
        preparation.prepare(Settings(str(settings.out.parent / "empty"), settings.out.parent / "other", progress=False))
