"""Who stays, as the journal answers it: duplicates, strata, quotas, sides."""

from sagemaker_gluoncv_container.preparing.journal.rows import UnitMember
from sagemaker_gluoncv_container.preparing.journal.store import Journal
from support.journals import fill, inspection, item


def reasons(journal: Journal) -> dict[str, str]:
    """Return the reason of each picture that is left out, by name."""
    return {each.name: reason for reason in journal.totals.reasons() for each in journal.totals.left_out(reason)}


def test_same_bytes(journal: Journal) -> None:
    """With equal labels the first by name stays; with different ones none does; each names another."""
    names = ["bird/b.jpg", "bird/a.jpg", "bird/c.jpg", "car/d.jpg", "bird/e.jpg"]
    same = ["same as x", "same as x", "same as x", "same as y", "same as y"]
    fill(journal, [item(name, detail=detail) for name, detail in zip(names, same, strict=True)])
    journal.choices.leave_out_same_bytes()
    assert reasons(journal) == {
        "bird/b.jpg": "exact-duplicate",
        "bird/c.jpg": "exact-duplicate",
        "car/d.jpg": "two-labels",
        "bird/e.jpg": "two-labels",
    }
    assert {each.resembles for each in journal.totals.left_out("exact-duplicate")} == {"bird/a.jpg"}
    assert [each.resembles for each in journal.totals.left_out("two-labels")] == ["car/d.jpg", "bird/e.jpg"]


def test_hashes_are_those_of_fit_pictures(journal: Journal) -> None:
    """In the order of the names; `distinct` drops what has the same bytes, side and labels."""
    fill(journal, [item("bird/b.jpg"), item("bird/a.jpg"), item("bird/c.jpg", detail="same as bird/a.jpg")])
    numbers, hashes = journal.choices.hashes()
    assert numbers.tolist() == [1, 0, 2]
    assert hashes.tolist() == [inspection(name).phash for name in ("bird/a.jpg", "bird/b.jpg", "bird/a.jpg")]
    assert journal.choices.hashes(distinct=True)[0].tolist() == [1, 0]
    journal.choices.leave_out(1, "not-chosen")
    assert journal.choices.hashes()[0].tolist() == [0, 2]


def test_small_classes_and_quotas(journal: Journal) -> None:
    """A class under the least is left out whole; of another the first by key stay."""
    fill(journal, [item(f"bird/{number}.jpg") for number in range(5)] + [item("car/1.jpg")])
    journal.choices.leave_out_small_classes(2, "too few")
    assert reasons(journal) == {"car/1.jpg": "class-too-small"}
    assert journal.choices.label_counts() == {"bird": 5}
    assert journal.choices.label_sets() == ['["bird"]']
    journal.choices.set_stratum('["bird"]', "bird")
    journal.choices.keep_first("bird", 2)
    assert journal.choices.stratum_counts() == {"bird": 2}
    keys = {each.name: each.key for each in journal.choices.candidates(range(5))}
    kept = sorted(keys, key=lambda name: keys[name])[:2]
    assert reasons(journal).keys() == {"car/1.jpg", *keys} - set(kept)


def test_units_and_sides(journal: Journal) -> None:
    """A unit goes where an earlier picture of it was; sides that are set replace all others."""
    fill(journal, [item(f"bird/{number}.jpg") for number in range(3)])
    journal.choices.set_stratum('["bird"]', "bird")
    journal.choices.unite([0, 2], b"unit")
    journal.choices.note_earlier([(inspection("bird/2.jpg").sha, "test"), (inspection("bird/2.jpg").sha, "train")])
    assert journal.choices.known_sides("bird") == {"test": 2}
    members = {each.number: each for each in journal.choices.units("bird")}
    assert members[0] == UnitMember(b"unit", 0, "test")
    assert members[1].known_side is None
    journal.choices.set_sides([(1, "train")])
    journal.choices.set_sides((number, "test") for number in (0, 2))
    assert [each.side for each in journal.choices.candidates(range(3))] == ["test", None, "test"]
