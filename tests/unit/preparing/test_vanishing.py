"""Classes that vanish are named, whatever the reason."""

import pytest

from sagemaker_gluoncv_container.preparing import vanishing
from sagemaker_gluoncv_container.preparing.journal.store import Journal
from support.journals import fill, item


@pytest.mark.parametrize(
    "reason", ["class-too-small", "unreadable", "too-small", "two-labels", "missing", "not-chosen"]
)
def test_a_class_without_pictures_is_named(journal: Journal, reason: str) -> None:
    """With how many pictures were left out, and why; a class that lost only some is not."""
    fill(journal, [item("bird/1.jpg"), item("bird/2.jpg"), item("car/1.jpg"), item("car/2.jpg")])
    for number in (1, 2, 3):
        journal.choices.leave_out(number, reason)
    assert vanishing.warnings(journal) == [f"Class car is left out: none of its pictures is kept (2 {reason})."]


def test_reasons_are_counted(journal: Journal) -> None:
    """The commonest comes first."""
    fill(journal, [item("bird/1.jpg"), *(item(f"car/{number}.jpg") for number in range(3))])
    for number, reason in ((1, "unreadable"), (2, "too-small"), (3, "too-small")):
        journal.choices.leave_out(number, reason)
    (warning,) = vanishing.warnings(journal)
    assert warning == "Class car is left out: none of its pictures is kept (2 too-small, 1 unreadable)."


def test_one_of_several_labels_vanishes(journal: Journal) -> None:
    """A label that only pictures had that were left out."""
    fill(journal, [item("a.jpg", "bird"), item("b.jpg", "bird", "night")], kind="manifest", multi=True)
    journal.choices.leave_out(1, "low-confidence")
    assert vanishing.warnings(journal) == ["Class night is left out: none of its pictures is kept (1 low-confidence)."]


def test_a_numbered_class_has_its_name(journal: Journal) -> None:
    """The number is what the records hold, the name what people know."""
    fill(journal, [item("a.jpg", "0"), item("b.jpg", "1")], kind="lst", numbered=True, names=["bird", "car"])
    journal.choices.leave_out(1, "missing")
    assert "Class 1 car is left out" in vanishing.warnings(journal)[0]


def test_a_folder_without_pictures_is_named(journal: Journal) -> None:
    """Its files have other names, so it is not even a class; a class that holds a text file too is not named."""
    other = {"reason": "other-file", "detail": ""}
    fill(
        journal, [item("bird/1.jpg"), item("bird/a.txt", **other), item("video/a.mp4", **other), item("b.md", **other)]
    )
    journal.classes = ["bird"]
    assert vanishing.warnings(journal) == ["Folder video is not a class: none of its files has the name of a picture."]


def test_many_are_summed_up(journal: Journal) -> None:
    """Of a thousand lost classes the first are named."""
    fill(journal, [item(f"c{number:04d}/1.jpg") for number in range(1000)])
    for number in range(1000):
        journal.choices.leave_out(number, "class-too-small")
    warnings = vanishing.warnings(journal)
    assert len(warnings) == 21
    assert warnings[-1] == "980 more classes are left out. They are in report.json."


def test_nothing_is_said_of_nothing(journal: Journal) -> None:
    """All classes are kept."""
    fill(journal, [item("bird/1.jpg"), item("car/1.jpg")])
    assert vanishing.warnings(journal) == []


def test_an_empty_folder_is_named(journal: Journal) -> None:
    """Nothing of it could be listed, but its name is known."""
    fill(journal, [item("bird/1.jpg"), item("car/1.jpg")], names=["bird", "car", "plane"])
    journal.classes = ["bird", "car"]
    assert vanishing.warnings(journal) == ["Folder plane is not a class: it is empty."]
