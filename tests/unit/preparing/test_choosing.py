"""Shares: exact within one picture, and steady from one count to the next."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from sagemaker_gluoncv_container.preparing.choosing import apportion, borders, label_vector
from sagemaker_gluoncv_container.preparing.settings import SIDES

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
