"""Counts and names for the report."""

import pytest

from sagemaker_gluoncv_container.preparing.journal.rows import ClassCount, Location, numbers_of
from sagemaker_gluoncv_container.preparing.journal.store import Journal
from support.journals import fill, inspection, item


@pytest.fixture
def filled(journal: Journal) -> Journal:
    """Return a journal with three birds on two sides, a car that is left out, and a loose picture."""
    items = [item(f"bird/{number}.jpg") for number in range(3)]
    fill(journal, [*items, item("car/0.jpg"), item("x.jpg", reason="unlabelled", detail="loose")])
    fixes = (("turned", "EXIF orientation 6"), ("converted", "L to RGB"))
    journal.pictures.note(1, inspection("b1", width=30, height=90, fixes=fixes, length=500), b"k", 0, 300)
    journal.choices.set_stratum('["bird"]', "bird")
    journal.choices.set_sides([(0, "train"), (1, "train"), (2, "validation")])
    journal.choices.leave_out(3, "class-too-small", "too few")
    return journal


def test_counts(filled: Journal) -> None:
    """Of what is kept, left out and fixed, and by class."""
    assert filled.totals.kept() == 3
    assert filled.totals.sides() == {"train": 2, "validation": 1}
    assert filled.totals.reasons() == {"class-too-small": 1, "unlabelled": 1}
    assert filled.totals.fixes() == {"converted": 1, "turned": 1}
    assert list(filled.totals.fixed("turned")) == [("bird/1.jpg", "EXIF orientation 6")]
    assert list(filled.totals.classes()) == [
        ClassCount("bird", "", "train", 2),
        ClassCount("bird", "", "validation", 1),
        ClassCount("car", "class-too-small", "", 1),
    ]


def test_sizes(filled: Journal) -> None:
    """The least and greatest sides of what is kept, and its bytes before and after."""
    sizes = filled.totals.sizes()
    assert sizes == {
        "width_min": 30,
        "width_max": 60,
        "height_min": 50,
        "height_max": 90,
        "bytes": 2300,
        "source_bytes": 2500,
    }


def test_names(filled: Journal) -> None:
    """What was left out has its reason's detail and its place; only the first few come if asked."""
    (car,) = filled.totals.left_out("class-too-small")
    assert (car.name, car.detail, car.resembles) == ("car/0.jpg", "too few", "")
    assert car.location == Location("/source/car/0.jpg") == filled.totals.locate("car/0.jpg")
    assert list(filled.totals.left_out("unlabelled", 0)) == []
    assert filled.totals.locate("nowhere") is None
    assert filled.totals.folders("class-too-small") == ["car"]
    assert filled.totals.folders("unlabelled") == []


def test_what_is_packed(filled: Journal) -> None:
    """Rows for pictures.csv, and the first pictures of a class on this host."""
    rows = list(filled.totals.packed())
    assert [(row.name, row.side, row.length) for row in rows] == [
        ("bird/0.jpg", "train", 1000),
        ("bird/1.jpg", "train", 300),
        ("bird/2.jpg", "validation", 1000),
    ]
    assert filled.totals.strata() == ["bird"]
    assert len(filled.totals.sample("bird", numbers_of(0), 2)) == 2
    assert filled.totals.sample("bird", numbers_of(1), 2) == []


def test_leaks(filled: Journal) -> None:
    """The same bytes, or one unit, on two sides are a leak; otherwise there is none."""
    assert filled.totals.leaks() == []
    filled.choices.unite([0, 2], b"unit")
    assert filled.totals.leaks() == [["bird/0.jpg", "bird/2.jpg"]]
