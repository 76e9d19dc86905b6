"""Listing and inspecting: each picture once, spooled if its bytes change, continued after an interruption."""

from dataclasses import replace
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.hosts import Hosts
from sagemaker_gluoncv_container.preparing import scanning
from sagemaker_gluoncv_container.preparing.journal.rows import Location, numbers_of
from sagemaker_gluoncv_container.preparing.journal.store import Journal
from sagemaker_gluoncv_container.preparing.processing import ProcessingJob
from sagemaker_gluoncv_container.preparing.references import References
from sagemaker_gluoncv_container.preparing.settings import Settings
from support.prepared import draw_folders

REFERENCES = References((), 1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings for three birds and two cars of 80 x 60 pixels, one of them cut."""
    source = draw_folders(tmp_path / "source", {"bird": 3, "car": 2})
    cut = source / "car" / "car-00001.jpg"
    cut.write_bytes(cut.read_bytes()[:700])
    return Settings(str(source), tmp_path / "out", progress=False)


def test_everything_is_listed_and_inspected_once(journal: Journal, settings: Settings) -> None:
    """A second call of either changes nothing."""
    for _ in range(2):
        scanning.list_source(journal, settings, REFERENCES, ProcessingJob())
        scanning.scan(journal, settings, REFERENCES)
        assert (journal.pictures.count(), journal.pictures.count_uninspected()) == (5, 0)
        assert journal.listing.kind == "folders"
        assert [each.name for each in journal.totals.left_out("unreadable")] == ["car/car-00001.jpg"]


def test_what_is_encoded_again_is_spooled(journal: Journal, settings: Settings) -> None:
    """The bytes that go out are in the spool; those of an unchanged picture are not."""
    scanning.list_source(journal, settings, REFERENCES, ProcessingJob())
    scanning.scan(journal, replace(settings, resize=40), REFERENCES)
    journal.choices.set_sides((number, "train") for number in range(5))
    kept = list(journal.pictures.kept("train", numbers_of(0)))
    assert len(kept) == 4
    for picture in kept:
        assert picture.spooled is not None
        assert journal.spooled(picture.spooled, picture.length).startswith(b"\xff\xd8\xff")


def test_hosts_list_their_own(tmp_path: Path, settings: Settings, journal: Journal) -> None:
    """With the source on both hosts, each lists what is its own, under its own numbers."""
    draw_folders(Path(settings.source), {"plane": 30})
    job = ProcessingJob(Hosts(("algo-1", "algo-2"), 1))
    scanning.list_source(journal, replace(settings, distribution="replicated"), REFERENCES, job)
    names = {each.name for each in journal.pictures.facts(numbers_of(1))}
    assert 5 < len(names) < 30
    assert names == {each.name for each in journal.pictures.facts(numbers_of(1)) if job.is_mine(each.name)}
    assert list(journal.pictures.facts(numbers_of(0))) == []


def test_a_picture_that_goes_away_is_missing(journal: Journal, settings: Settings) -> None:
    """Between listing and inspecting: one reason, no error."""
    scanning.list_source(journal, settings, REFERENCES, ProcessingJob())
    (Path(settings.source) / "bird" / "bird-00000.jpg").unlink()
    scanning.scan(journal, settings, REFERENCES)
    assert [each.name for each in journal.totals.left_out("missing")] == ["bird/bird-00000.jpg"]


def test_a_folder_with_a_pictures_name_is_unreadable(journal: Journal, settings: Settings) -> None:
    """What the system says of it is the detail."""
    scanning.list_source(journal, settings, REFERENCES, ProcessingJob())
    path = Path(settings.source) / "bird" / "bird-00000.jpg"
    path.unlink()
    path.mkdir()
    scanning.scan(journal, settings, REFERENCES)
    assert "Is a directory" in {each.detail for each in journal.totals.left_out("unreadable")}


def test_keys_depend_on_content_and_seed() -> None:
    """And are 8 bytes."""
    keys = {scanning.order_key(seed, sha) for seed in (0, 1) for sha in (b"a", b"b")}
    assert {len(key) for key in keys} == {8}
    assert len(keys) == 4
    assert scanning.order_key(0, b"a") == scanning.order_key(0, b"a")


def test_a_picture_is_read_from_a_file(tmp_path: Path) -> None:
    """Its bytes, as they are."""
    (tmp_path / "a.jpg").write_bytes(b"bytes")
    assert scanning.read_picture(REFERENCES, Location(str(tmp_path / "a.jpg"))) == b"bytes"
