"""Single pictures in the journal: what is listed, seen, kept, told to other hosts."""

import json

from sagemaker_gluoncv_container.preparing.journal.rows import Decision, Location, numbers_of
from sagemaker_gluoncv_container.preparing.journal.store import Journal
from support.journals import fill, inspection, item


def test_listing_and_inspecting(journal: Journal) -> None:
    """A picture is uninspected until something is noted; one with a reason never was to be inspected."""
    items = [item(f"bird/{number:04d}.jpg") for number in range(1200)]
    journal.pictures.replace_all([*items, item("x.txt", reason="other-file", detail="no")], 0)
    assert (journal.pictures.count(), journal.pictures.count_uninspected()) == (1201, 1200)
    seen = []
    for picture in journal.pictures.uninspected():
        seen.append(picture.name)
        journal.pictures.note(picture.number, inspection(picture.name), b"k", None, 9)
    assert seen == [each.name for each in items]
    assert journal.pictures.count_uninspected() == 0


def test_names_and_references_that_are_not_utf8(journal: Journal) -> None:
    """A file name of any bytes can be listed and found again; what people see of it can be printed."""
    name = b"bird/\xff.jpg".decode("utf-8", "surrogateescape")
    journal.pictures.replace_all([item(name)], 0)
    (picture,) = journal.pictures.uninspected()
    assert picture.location == Location(f"/source/{name}")
    assert picture.name == "bird/\\xff.jpg"


def test_remote_pictures_are_known(journal: Journal) -> None:
    """Only what is in S3 and not yet inspected counts."""
    fill(journal, [item("bird/1.jpg")])
    assert not journal.pictures.any_remote()
    journal.pictures.replace_all([item("bird/s3.jpg")], 0)
    assert not journal.pictures.any_remote()
    remote = item("s3://bucket/1.jpg", "bird")
    journal.pictures.replace_all([remote.__class__(remote.name, remote.name, ("bird",))], 0)
    assert journal.pictures.any_remote()


def test_kept_pictures_come_in_the_order_of_their_keys(journal: Journal) -> None:
    """Those of a side and of a host, and no others, with where their bytes are."""
    fill(journal, [item(f"bird/{number}.jpg") for number in range(4)])
    for number, key in enumerate((b"d", b"c", b"b", b"a")):
        journal.pictures.note(number, inspection(str(number)), key, 7 if number == 2 else None, 40 + number)
    journal.choices.set_sides([(0, "train"), (1, "validation"), (2, "train"), (3, "train")])
    journal.choices.leave_out(3, "not-chosen")
    first, second = journal.pictures.kept("train", numbers_of(0))
    assert [(each.number, each.spooled, each.length) for each in (first, second)] == [(2, 7, 42), (0, None, 40)]
    assert second.location == Location("/source/bird/0.jpg")
    assert json.loads(second.labels) == ["bird"]
    assert list(journal.pictures.kept("train", numbers_of(1))) == []
    assert journal.pictures.count_kept(numbers_of(0)) == 4


def test_thumbnails_by_number(journal: Journal) -> None:
    """Any number of them, each asked for once or more often."""
    fill(journal, [item(f"bird/{number}.jpg") for number in range(600)])
    wanted = [5, 599, 5, *range(590)]
    found = journal.pictures.thumbnails(wanted)
    assert found.keys() == set(wanted)
    assert found[599] == inspection("bird/599.jpg").thumb


def test_hosts_tell_each_other(journal: Journal) -> None:
    """Facts of one range can be replaced by what was told, thumbnails too, and decisions go back."""
    fill(journal, [item("bird/1.jpg"), item("bird/x", reason="unlabelled", detail="why")])
    mine = list(journal.pictures.facts(numbers_of(0)))
    assert [each.thumb is None for each in mine] == [False, True]
    told = [each.__class__(**{**each.__dict__, "number": numbers_of(1)[0] + each.number}) for each in mine]
    for _ in range(2):
        journal.pictures.replace_facts(numbers_of(1), told)
    assert list(journal.pictures.facts(numbers_of(1))) == told
    assert list(journal.pictures.facts(numbers_of(0))) == mine
    decision = Decision(numbers_of(1)[0], None, "detail", "other", b"unit", "bird", "validation")
    journal.pictures.apply(decision)
    assert next(journal.pictures.decisions(numbers_of(1))) == decision
    assert next(journal.pictures.decisions(numbers_of(0))).side is None
