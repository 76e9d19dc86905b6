"""The search for near duplicates finds every pair, and only pairs, within the distance."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sagemaker_gluoncv_container.preparing import duplicates
from sagemaker_gluoncv_container.preparing.duplicates import DISTANCE, candidates


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
