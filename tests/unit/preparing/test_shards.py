"""Shards: cut at a size, complete or absent, with the bytes that were inspected."""

from pathlib import Path

import pytest

from sagemaker_gluoncv_container.data import record_files
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.hosts import Hosts
from sagemaker_gluoncv_container.preparing import scanning, shards
from sagemaker_gluoncv_container.preparing.journal.rows import KeptPicture, Location, numbers_of
from sagemaker_gluoncv_container.preparing.journal.store import Journal
from sagemaker_gluoncv_container.preparing.processing import ProcessingJob
from sagemaker_gluoncv_container.preparing.references import References
from sagemaker_gluoncv_container.preparing.settings import Settings
from support.prepared import draw_folders

REFERENCES = References((), 1)


def picture(number: int, length: int) -> KeptPicture:
    """Return a picture of so many bytes."""
    return KeptPicture(number, str(number), "[]", b"", Location("x"), None, length)


@pytest.fixture
def settings(journal: Journal, tmp_path: Path) -> Settings:
    """Return settings for six pictures that are inspected, four of them for training."""
    source = draw_folders(tmp_path / "source", {"bird": 3, "car": 3})
    settings = Settings(str(source), tmp_path / "out", progress=False, shard_bytes=5000)
    scanning.list_source(journal, settings, REFERENCES, ProcessingJob())
    scanning.scan(journal, settings, REFERENCES)
    journal.choices.set_sides((number, "train" if number % 3 else "validation") for number in range(6))
    journal.classes = ["bird", "car"]
    return settings


def test_cutting() -> None:
    """A shard holds what fits with each record's head; a picture over the limit has one by itself."""
    lengths = [100, 100, 500, 100, 36, 100]
    cut = [number for number, _ in shards.numbered(map(picture, range(6), lengths), 264)]
    assert cut == [0, 0, 1, 2, 2, 3]
    assert list(shards.numbered(iter(()), 10)) == []


def test_channels_are_written(journal: Journal, settings: Settings) -> None:
    """Each side has its pictures, with index, list and class names; nothing is left in the work folder."""
    shards.write(journal, settings, REFERENCES, Hosts())
    assert not list((settings.out / "test").glob("*"))
    for side, count in (("train", 4), ("validation", 2)):
        files = sorted((settings.out / side).glob("*.rec"))
        records = [record for path in files for record in record_files.scan(path)]
        assert len(records) == count
        for path in files:
            offsets = [int(line.split("\t")[1]) for line in path.with_suffix(".idx").read_text().splitlines()]
            assert offsets == [record.offset for record in record_files.scan(path)]
            names = [line.split("\t")[-1] for line in path.with_suffix(".lst").read_text().splitlines()]
            labels = [record.labels for record in record_files.scan(path)]
            assert labels == [(float(name.startswith("car")),) for name in names]
        assert (settings.out / side / "classes.json").read_text() == '["bird", "car"]'
    assert len(sorted((settings.out / "train").glob("*.rec"))) > 1
    assert not list(settings.work.glob("*.rec"))


def test_what_is_there_is_not_written_again(journal: Journal, settings: Settings) -> None:
    """An interrupted run's shards stay as they are."""
    shards.write(journal, settings, REFERENCES, Hosts())
    first = sorted((settings.out / "train").glob("*.rec"))[0]
    first.write_bytes(b"mine")
    shards.write(journal, settings, REFERENCES, Hosts())
    assert first.read_bytes() == b"mine"


def test_hosts_name_their_shards(journal: Journal, settings: Settings) -> None:
    """With several hosts, the rank is in the name."""
    shards.write(journal, settings, REFERENCES, Hosts(("a", "b"), 0))
    assert {path.name.rpartition("-")[0] for path in settings.out.glob("*/*.rec")} == {"pictures-0"}


@pytest.mark.parametrize("change", ["other bytes", "gone"])
def test_a_source_that_changes_is_refused(journal: Journal, settings: Settings, change: str) -> None:
    """Nothing that was not inspected is packed; the message names the picture."""
    path = Path(settings.source) / "car" / "car-00001.jpg"
    path.unlink()
    if change == "other bytes":
        path.write_bytes(b"other")
    words = "has changed since" if change == "other bytes" else "can no longer be read"
    with pytest.raises(ClientError, match=f"car/car-00001.jpg {words}"):
        shards.write(journal, settings, REFERENCES, Hosts())


def test_spooled_bytes_come_from_the_spool(journal: Journal, settings: Settings) -> None:
    """The source is not needed for them."""
    at = journal.append(b"spooled")
    kept = KeptPicture(0, "gone", "[]", b"", Location("/gone"), at, 7)
    assert shards.picture_bytes(journal, REFERENCES, kept) == b"spooled"
    assert journal.pictures.count_kept(numbers_of(0)) == 6
