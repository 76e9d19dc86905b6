"""The search for near duplicates finds every pair, and only pairs, within the distance."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagemaker_gluoncv_container.preparing import duplicates
from sagemaker_gluoncv_container.preparing.duplicates import DISTANCE, candidates
from sagemaker_gluoncv_container.preparing.inspecting import Inspection
from sagemaker_gluoncv_container.preparing.journal.rows import numbers_of
from sagemaker_gluoncv_container.preparing.journal.store import Journal
from support.journals import fill, inspection, item


def pairs_of(hashes: list[int]) -> set[tuple[int, int]]:
    """Return the pairs that the search yields."""
    found: set[tuple[int, int]] = set()
    for first, second in candidates(np.array(hashes, np.uint64)):
        found.update(zip(first.tolist(), second.tolist(), strict=True))
    return found


@given(st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(0, 63), max_size=9)), max_size=30))
def test_all_pairs_and_no_others(changes: list[tuple[int, list[int]]]) -> None:
    """Comparing each with each gives the same pairs, for hashes that differ from four others in up to nine bits."""
    origins = [0, (1 << 64) - 1, 0x0123456789ABCDEF, 0xF0F0F0F0F0F0F0F0]
    hashes = []
    for origin, bits in changes:
        value = origins[origin]
        for bit in bits:
            value ^= 1 << bit
        hashes.append(value)
    wanted = {
        (one, other)
        for other in range(len(hashes))
        for one in range(other)
        if (hashes[one] ^ hashes[other]).bit_count() <= DISTANCE
    }
    assert pairs_of(hashes) == wanted


def test_many_unlike_hashes_are_few_candidates() -> None:
    """Of 20,000 random hashes, which make 200 million pairs, next to none are looked at twice."""
    hashes = np.random.default_rng(0).integers(0, 1 << 64, 20_000, np.uint64)
    assert sum(len(first) for first, _ in candidates(hashes)) == 0


def test_many_equal_hashes_come_in_slices(monkeypatch: object) -> None:
    """Where all hashes are equal the pairs come in pieces of bounded size, each pair among them."""
    count = 1500
    found: set[tuple[int, int]] = set()
    for first, second in candidates(np.zeros(count, np.uint64)):
        assert len(first) <= duplicates._PAIRS + count
        found.update(zip(first.tolist(), second.tolist(), strict=True))
        if len(found) == count * (count - 1) // 2:
            return
    raise AssertionError(len(found))


def test_alike_is_about_shape_and_level() -> None:
    """Brighter is alike; another picture, and the same one in negative, is not; flat ones go by their level."""
    picture = np.random.default_rng(1).uniform(0, 200, (1, 768)).astype(np.float32)
    other = np.random.default_rng(2).uniform(0, 200, (1, 768)).astype(np.float32)
    flat = np.full((1, 768), 128, np.float32)
    assert duplicates._alike(picture, picture * 1.1)
    assert duplicates._alike(flat, flat)
    for one, two in ((picture, other), (picture, 200 - picture), (flat, flat + 5), (picture, flat)):
        assert not duplicates._alike(one, two)


def shifted(content: str, bits: int, **fields: object) -> Inspection:
    """Return what is seen of a near duplicate: a hash that differs in some bits, and the same thumbnail."""
    seen = inspection(content)
    return replace(seen, phash=seen.phash ^ ((1 << bits) - 1), sha=f"{content}{bits}{fields}".encode(), **fields)  # type: ignore[arg-type]


def noted(journal: Journal, names: list[str], seen: list[Inspection]) -> None:
    """List pictures and note what is seen of each."""
    fill(journal, [item(name) for name in names])
    for number, each in enumerate(seen):
        journal.pictures.note(number, each, each.sha[:8], None, each.length)


def test_groups_are_what_is_connected(journal: Journal) -> None:
    """a and c differ in more bits than the distance, but b is near both: one group. Others are in none."""
    a, b, c = inspection("x"), shifted("x", 5), shifted("x", 10)
    noted(journal, ["bird/a", "bird/z", "bird/b", "bird/c", "bird/y"], [a, inspection("z"), b, c, inspection("y")])
    assert [sorted(group) for group in duplicates.near_groups(journal)] == [[0, 2, 3]]


def test_a_near_hash_is_not_enough(journal: Journal) -> None:
    """Another thumbnail is another picture."""
    other = replace(shifted("x", 1), thumb=inspection("other").thumb)
    noted(journal, ["bird/a", "bird/b"], [inspection("x"), other])
    assert list(duplicates.near_groups(journal)) == []


def test_groups_joined_late_are_one(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """With pairs that are compared one at a time, as with any other number at a time, groups come out the same."""
    seen = [shifted("x", bits) for bits in (0, 3, 6, 9, 12, 15)] + [shifted("y", bits) for bits in (0, 6, 12)]
    noted(journal, [f"bird/{number}" for number in range(9)], seen)
    expected = [[0, 1, 2, 3, 4, 5], [6, 7, 8]]
    for count in (1, 2, 4096):
        monkeypatch.setattr(duplicates, "_THUMBS", count)
        assert [sorted(group) for group in duplicates.near_groups(journal)] == expected


def test_many_alike_pictures_are_compared_few_times(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2,000 pictures that are all alike, two million pairs, next to none have to be compared."""
    noted(journal, [f"bird/{number}" for number in range(2000)], [shifted("x", 0)] * 2000)
    compared = 0
    thumbs = duplicates._thumbs

    def counting(one: Journal, numbers: Any) -> Any:
        nonlocal compared
        compared += len(numbers)
        return thumbs(one, numbers)

    monkeypatch.setattr(duplicates, "_thumbs", counting)
    (group,) = duplicates.near_groups(journal)
    assert len(group) == 2000
    assert compared < 2 * 50_000


def reasons(journal: Journal) -> dict[str, tuple[str, str]]:
    """Return reason and resembled picture of each that is left out, by name."""
    return {
        each.name: (reason, each.resembles)
        for reason in journal.totals.reasons()
        for each in journal.totals.left_out(reason)
    }


def test_the_largest_stays(journal: Journal) -> None:
    """The others of its group are left out and name it."""
    noted(journal, ["bird/a", "bird/b", "bird/c"], [shifted("x", 0), shifted("x", 2, width=90), shifted("x", 3)])
    duplicates.treat_near(journal, "leave-out")
    assert reasons(journal) == {"bird/a": ("near-duplicate", "bird/b"), "bird/c": ("near-duplicate", "bird/b")}


def test_two_labels_leave_all_out(journal: Journal) -> None:
    """Whichever treatment is asked for, since nobody knows which label is right."""
    noted(journal, ["bird/a", "car/b"], [shifted("x", 0), shifted("x", 2)])
    duplicates.treat_near(journal, "keep")
    assert reasons(journal) == {"bird/a": ("two-labels", "car/b"), "car/b": ("two-labels", "bird/a")}


def test_kept_ones_are_a_unit(journal: Journal) -> None:
    """Under the smallest of their keys; ignored ones are not looked for."""
    noted(journal, ["bird/a", "bird/b"], [shifted("x", 0), shifted("x", 2)])
    duplicates.treat_near(journal, "ignore")
    assert {each.unit for each in journal.pictures.decisions(numbers_of(0))} == {None}
    duplicates.treat_near(journal, "keep")
    smallest = min(each.key for each in journal.choices.candidates([0, 1]))
    assert {each.unit for each in journal.pictures.decisions(numbers_of(0))} == {smallest}
    assert reasons(journal) == {}
