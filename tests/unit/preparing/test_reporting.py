"""report.json, pictures.csv and the manifest of what has no label."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.preparing import reporting, scanning
from sagemaker_gluoncv_container.preparing.choosing import decide
from sagemaker_gluoncv_container.preparing.journal.store import Journal
from sagemaker_gluoncv_container.preparing.processing import ProcessingJob
from sagemaker_gluoncv_container.preparing.references import References
from sagemaker_gluoncv_container.preparing.settings import Settings
from support.prepared import draw_folders

LOCAL = References((), 1)


@pytest.fixture
def settings(journal: Journal, tmp_path: Path) -> Settings:
    """Return the settings of a decided preparation: ten birds, eight cars, one cut, one loose picture."""
    source = draw_folders(tmp_path / "source", {"bird": 10, "car": 8})
    cut = source / "car" / "car-00001.jpg"
    cut.write_bytes(cut.read_bytes()[:700])
    (source / "bird" / "bird-00003.jpg").rename(source / "loose.jpg")
    settings = Settings(str(source), tmp_path / "out", progress=False, resize=40)
    scanning.list_source(journal, settings, LOCAL, ProcessingJob())
    scanning.scan(journal, settings, LOCAL)
    decide(journal, settings)
    return settings


def test_the_summary(journal: Journal, settings: Settings) -> None:
    """Counts that add up, under the keys that programs read."""
    summary = reporting.write(journal, settings, LOCAL)
    assert (summary["found"], summary["kept"]) == (18, 16)
    assert summary["sides"] == {"test": 0, "validation": 2, "train": 14}
    assert summary["left_out_counts"] == {"unlabelled": 1, "unreadable": 1}
    assert summary["fixed_counts"] == summary["mended_counts"] == {}
    assert summary["per_class"]["car"] == {"found": 8, "left_out": 1, "test": 0, "validation": 1, "train": 6}
    assert summary["leakage"] == []
    assert [each.partition(":")[0] for each in summary["warnings"]] == [
        "Pictures that have no label, because they are in no class folder"
    ]


def test_report_json_has_every_name(journal: Journal, settings: Settings) -> None:
    """The summary and the names, as one JSON object, the same each time."""
    summary = reporting.write(journal, settings, LOCAL)
    text = (settings.out / "report.json").read_text()
    report = json.loads(text)
    assert {key: report[key] for key in summary} == json.loads(json.dumps(summary))
    assert report["left_out"]["unlabelled"] == [{"name": "loose.jpg", "detail": "it is not in a class folder"}]
    assert [each["name"] for each in report["left_out"]["unreadable"]] == ["car/car-00001.jpg"]
    assert report["fixed"] == report["mended"] == {}
    reporting.write(journal, settings, LOCAL)
    assert (settings.out / "report.json").read_text() == text


def test_pictures_csv_has_every_kept_picture(journal: Journal, settings: Settings) -> None:
    """In the order of the names, with the size of what goes out."""
    reporting.write(journal, settings, LOCAL)
    with (settings.out / "pictures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
    assert len(rows) == 16
    assert {(row["width"], row["height"], row["labels"]) for row in rows} == {("53", "40", "bird"), ("53", "40", "car")}


def test_every_reason_and_fix_is_explained() -> None:
    """Each in words without a full stop, as they stand in a line."""
    for texts in (reporting.REASONS, reporting.FIXES):
        assert all(text and not text.endswith(".") for text in texts.values())


def test_local_pictures_need_no_manifest(journal: Journal, settings: Settings) -> None:
    """Somebody with class folders and one loose picture hears nothing of buckets."""
    summary = reporting.write(journal, settings, LOCAL)
    assert not (settings.out / "to-label.manifest").exists()
    page = (settings.out / "report.html").read_text()
    for text in (page, json.dumps(summary["warnings"])):
        assert "bucket" not in text
        assert "manifest" not in text
    # It stands beside the list of what was left out, not at the top.
    assert page.index("<h2>Left out") < page.index("in no class folder: 1.")


def test_mapped_pictures_are_listed_for_labelling(journal: Journal, settings: Settings) -> None:
    """With a map the loose picture has an S3 location; with another map it has none, and a hint says so."""
    source = Path(settings.source)
    maps = (("s3://bucket/heap/", source),)
    assert reporting.write(journal, replace(settings, maps=maps), References(maps, 1))["warnings"] == []
    manifest = settings.out / "to-label.manifest"
    assert json.loads(manifest.read_text()) == {"source-ref": "s3://bucket/heap/loose.jpg"}
    manifest.unlink()
    maps = (("s3://bucket/heap/", source / "car"),)
    (hint,) = reporting.write(journal, replace(settings, maps=maps), References(maps, 1))["warnings"]
    assert "in no class folder: 1." in hint
    assert "--map" in hint
    assert not manifest.exists()
