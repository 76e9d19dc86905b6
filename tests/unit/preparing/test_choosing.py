"""Shares: exact within one picture, and steady from one count to the next."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.preparing import choosing
from sagemaker_gluoncv_container.preparing.choosing import apportion, borders, label_vector
from sagemaker_gluoncv_container.preparing.journal.rows import numbers_of
from sagemaker_gluoncv_container.preparing.journal.store import Journal
from sagemaker_gluoncv_container.preparing.settings import SIDES, Settings
from support.journals import fill, inspection, item

RATIOS = st.integers(0, 100).flatmap(
    lambda test: st.integers(0, 100 - test).map(
        lambda validation: dict(
            zip(
                SIDES,
                (Decimal(test) / 100, Decimal(validation) / 100, Decimal(100 - test - validation) / 100),
                strict=True,
            )
        )
    )
)


@given(st.integers(0, 5000), RATIOS)
def test_each_side_is_within_one_of_its_share(count: int, ratios: dict[str, Decimal]) -> None:
    """All pictures are given away, each side has its share within one, and none is empty that need not be."""
    parts = borders(count, ratios)
    assert sum(parts.values()) == count
    wanted = [side for side in SIDES if ratios[side] > 0]
    for side in SIDES:
        assert parts[side] >= (1 if side in wanted and count >= len(wanted) else 0)
        # A side whose share is under one picture may still get that one, at the cost of its neighbour.
        assert abs(parts[side] - ratios[side] * count) <= (
            1 if min(ratios[each] * count for each in wanted) >= 1 else 2
        )


@given(st.integers(0, 3000), RATIOS)
def test_one_more_moves_each_border_by_one(count: int, ratios: dict[str, Decimal]) -> None:
    """From one count to the next no border goes back, and none jumps: so one picture moves one at most across it."""
    before, after = borders(count, ratios), borders(count + 1, ratios)
    first, second = before["test"], after["test"]
    if count >= 3:
        assert 0 <= second - first <= 1
        assert 0 <= second + after["validation"] - first - before["validation"] <= 1


def test_the_guides_numbers() -> None:
    """1200 at 0.9 are 1080 and 120: the ratio is read as tenths, not as the nearest binary fraction."""
    ratios = {"test": Decimal(0), "validation": 1 - Decimal("0.9"), "train": Decimal("0.9")}
    assert [borders(count, ratios)["train"] for count in (1200, 1000, 300, 10)] == [1080, 900, 270, 9]


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 500), min_size=1, max_size=8), st.integers(1, 900)
)
def test_a_limit_is_met_in_proportion(counts: dict[str, int], total: int) -> None:
    """The parts add up to the limit, and each is within one picture of its share."""
    parts = apportion(counts, total)
    whole = sum(counts.values())
    assert sum(parts.values()) == min(total, whole)
    for name, count in counts.items():
        assert abs(parts[name] - count * min(total, whole) / whole) < 1 + 1e-9
        assert parts[name] <= count


def test_label_vectors() -> None:
    """One label is a number; several are a 0 or 1 for each class."""
    assert label_vector(["car"], ["bird", "car"], numbered=False, multi=False) == (1.0,)
    assert label_vector(["4"], ["a", "b"], numbered=True, multi=False) == (4.0,)
    assert label_vector(["car", "bird"], ["bird", "bus", "car"], numbered=False, multi=True) == (1.0, 0.0, 1.0)
    assert label_vector([], ["bird", "car"], numbered=False, multi=True) == (0.0, 0.0)


def decided(journal: Journal, **changes: Any) -> dict[str, tuple[str | None, str | None]]:
    """Return reason and side of each picture by name, after deciding."""
    choosing.decide(journal, replace(Settings("heap", Path("out")), near_duplicates="ignore", **changes))
    names = {each.number: each.name for each in journal.pictures.facts(numbers_of(0))}
    return {names[each.number]: (each.reason, each.side) for each in journal.pictures.decisions(numbers_of(0))}


def test_a_decision_is_made_once(journal: Journal) -> None:
    """Sides, classes and warnings; a second call changes nothing, whatever it is asked for."""
    fill(
        journal,
        [item(f"{name}/{number}.jpg") for name in ("car", "bird") for number in range(10)] + [item("one/1.jpg")],
    )
    first = decided(journal)
    assert first["one/1.jpg"] == ("class-too-small", None)
    assert Counter(side for _, side in first.values()) == {"train": 18, "validation": 2, None: 1}
    assert journal.classes == ["bird", "car"]
    assert ["one" in warning for warning in journal.warnings] == [True]
    assert decided(journal, train_ratio=Decimal("0.5"), per_class={"bird": 1}) == first


def test_quotas(journal: Journal) -> None:
    """By class, for all others, and over all; what is over them is not chosen."""
    fill(journal, [item(f"{name}/{number}.jpg") for name in ("a", "b", "c") for number in range(20)])
    kept = Counter(name[0] for name, (reason, _) in decided(journal, per_class={"a": 5, "*": 9}).items() if not reason)
    assert kept == {"a": 5, "b": 9, "c": 9}


@pytest.mark.parametrize(
    ("changes", "words"), [({"per_class": {"zebra": 3}}, "zebra"), ({"min_per_class": 99}, "No picture")]
)
def test_refusals_leave_the_journal_undecided(journal: Journal, changes: dict[str, Any], words: str) -> None:
    """An unknown class, or nothing left: an error, and the next try starts from the same state."""
    fill(journal, [item(f"{name}/{number}.jpg") for name in ("a", "b") for number in range(5)])
    with pytest.raises(ClientError, match=words):
        decided(journal, **changes)
    assert not journal.decided
    assert journal.totals.reasons() == {}


def test_a_class_with_less_than_its_quota_is_a_warning(journal: Journal) -> None:
    """All of it is taken."""
    fill(journal, [item(f"a/{number}.jpg") for number in range(5)])
    decided(journal, per_class={"a": 50})
    assert journal.warnings == ["Class a has 5 fit pictures, and 50 were asked for."]


def test_classes_are_sorted_as_numbers_if_they_are(journal: Journal) -> None:
    """2 comes before 10; a .lst's numbers stay what they are, with their names."""
    fill(journal, [item(f"{name}/{number}.jpg") for name in ("10", "2") for number in range(3)])
    decided(journal)
    assert journal.classes == ["2", "10"]


def test_numbered_classes_keep_their_numbers(journal: Journal) -> None:
    """Names that are given come first, and numbers without a name are their own."""
    items = [item(f"{number}.jpg", str(label)) for label in (0, 3) for number in range(label * 10, label * 10 + 3)]
    fill(journal, items, kind="lst", numbered=True, names=["bird", "car"])
    decided(journal)
    assert journal.classes == ["bird", "car", "2", "3"]


def test_like_takes_an_output_folder(journal: Journal, tmp_path: Path) -> None:
    """Without a pictures.csv it is an error; with one, what is in it stays on its side."""
    fill(journal, [item(f"a/{number}.jpg") for number in range(10)])
    with pytest.raises(ClientError, match=r"pictures\.csv"):
        decided(journal, like=tmp_path)
    shas = [inspection(f"a/{number}.jpg").sha.hex() for number in range(4)]
    rows = [f"a/{number}.jpg,validation,a,{sha},1,1,1" for number, sha in enumerate(shas)]
    (tmp_path / "pictures.csv").write_text("\n".join(["name,side,labels,sha256,width,height,bytes", *rows]))
    sides = {name: side for name, (_, side) in decided(journal, like=tmp_path).items()}
    assert [sides[f"a/{number}.jpg"] for number in range(4)] == ["validation"] * 4
    assert set(sides.values()) == {"train", "validation"}
