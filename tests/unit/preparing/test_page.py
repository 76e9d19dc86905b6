"""report.html: the verdict first, everything explained, strangers' names escaped."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sagemaker_gluoncv_container.preparing import page, reporting, scanning
from sagemaker_gluoncv_container.preparing.choosing import decide
from sagemaker_gluoncv_container.preparing.journal.store import Journal
from sagemaker_gluoncv_container.preparing.processing import ProcessingJob
from sagemaker_gluoncv_container.preparing.references import References
from sagemaker_gluoncv_container.preparing.settings import Settings
from support.prepared import draw_folders, encoded

LOCAL = References((), 1)


@pytest.fixture
def prepared(journal: Journal, tmp_path: Path) -> dict[str, Any]:
    """Return the summary of a preparation with a near duplicate, a small picture, a vanished class, an odd name."""
    source = draw_folders(tmp_path / "source", {"bird": 12, "car": 8, "plane": 1})
    (source / "car").rename(source / "<b>car")
    first = source / "bird" / "bird-00000.jpg"
    (source / "bird" / "near.jpg").write_bytes(encoded(Image.open(first), quality=60))
    (source / "bird" / "small.jpg").write_bytes(encoded(Image.open(first).resize((20, 20))))
    settings = Settings(str(source), tmp_path / "out", progress=False)
    scanning.list_source(journal, settings, LOCAL, ProcessingJob())
    scanning.scan(journal, settings, LOCAL)
    decide(journal, settings)
    summary = reporting.summarize(journal, settings)
    return {**summary, "warnings": [*summary["warnings"], "A hint."]}


def test_the_page(journal: Journal, prepared: dict[str, Any]) -> None:
    """First the counts, then the warnings, then the rest."""
    text = page.render(journal, LOCAL, prepared, ["A hint."], reporting.REASONS, reporting.FIXES)
    verdict, warning = text.index("20 of 23 pictures are kept, in 2 classes"), text.index("Class plane is left out")
    assert verdict < warning < text.index("<h2>Classes") < text.index("<h2>Left out") < text.index("A hint.")
    assert "18 train, 2 validation." in text
    assert "No picture is on two sides" in text
    assert "1 near-duplicate: the same picture as another" in text
    assert "test" not in text.partition("<h2>Left out")[0].partition("<h1>")[2]


def test_names_are_escaped(journal: Journal, prepared: dict[str, Any]) -> None:
    """A folder's name is text, not markup."""
    text = page.render(journal, LOCAL, prepared, ["A hint."], reporting.REASONS, reporting.FIXES)
    assert "<b>car" not in text
    assert "&lt;b&gt;car" in text


def test_pictures_are_shown(journal: Journal, prepared: dict[str, Any]) -> None:
    """A sheet of each class, and both of a near duplicate's pictures; a picture that is gone leaves a gap."""
    text = page.render(journal, LOCAL, prepared, ["A hint."], reporting.REASONS, reporting.FIXES)
    # 20 kept ones, the near duplicate and its twin, and the small one.
    assert text.count("data:image/jpeg;base64,") == 23
    Path(prepared["settings"]["source"], "bird", "small.jpg").unlink()
    text = page.render(journal, LOCAL, prepared, ["A hint."], reporting.REASONS, reporting.FIXES)
    assert text.count("data:image/jpeg;base64,") == 22
