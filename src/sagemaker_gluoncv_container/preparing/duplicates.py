"""Finds exact and near duplicates.

Near duplicates are found in two steps. Candidates: perceptual hashes of 64 bits that differ in at most DISTANCE. Of
four bands of 16 bits, one then differs in at most one bit, so that looking up 17 values a band in a sorted array finds
them all, without comparing each picture with each (multi-index hashing: Norouzi, Punjani, Fleet, "Fast Search in
Hamming Space with Multi-Index Hashing", 2012). Then they are confirmed by their thumbnails, whose correlation tells a
picture that was encoded again from one of the same composition.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Integers
from .journal import Journal
from .settings import Settings

# On clothing-small's 3,409 photos, unlike pictures reach a correlation of 0.96 at this distance; a picture encoded at
# quality 40, halved, brightened by 10 % or cut by 1 % stays within the distance and over 0.98 (docs/preparing.md).
DISTANCE = 6
CORRELATION = 0.98
# Beyond this mean difference of levels, the same shapes are another picture: a logo in black and in white.
_MEAN_DIFFERENCE = 40.0
_BANDS, _BAND_BITS = 4, 16
# Hashes looked up, and candidate pairs compared, at once, which bounds memory.
_BLOCK = 1 << 14
_PAIRS = 1 << 14
_THUMBS = 4096
Hashes = NDArray[np.uint64]


def leave_out_exact(journal: Journal) -> None:
    """Leave out pictures of the same bytes: all if they have different labels, else all but the first by name."""
    journal.run(
        "UPDATE pictures SET reason = 'two-labels', detail = 'the same bytes have other labels too', "
        "resembles = (SELECT p.name FROM pictures p WHERE p.sha = pictures.sha AND p.reason IS NULL "
        "AND p.labels <> pictures.labels ORDER BY p.name, p.number LIMIT 1) "
        "WHERE number IN (SELECT number FROM pictures WHERE sha IN (SELECT sha FROM pictures WHERE reason IS NULL "
        "GROUP BY sha HAVING count(DISTINCT labels) > 1) AND reason IS NULL)"
    )
    journal.run(
        "UPDATE pictures SET reason = 'exact-duplicate', resembles = (SELECT p.name FROM pictures p "
        "WHERE p.sha = pictures.sha AND p.reason IS NULL ORDER BY p.name, p.number LIMIT 1) WHERE number IN "
        "(SELECT number FROM (SELECT number, row_number() OVER (PARTITION BY sha ORDER BY name, number) AS nth "
        "FROM pictures WHERE reason IS NULL) WHERE nth > 1)"
    )


def treat_near(journal: Journal, settings: Settings) -> None:
    """Treat groups of near duplicates: left out if labels differ; else all but the largest picture, or kept together.

    Kept together they get one `unit`, the smallest key among them, and are split as one.
    """
    if settings.near_duplicates == "ignore":
        return
    for members in near_groups(journal, "reason IS NULL"):
        _treat(journal, members, settings.near_duplicates == "keep")


def near_groups(journal: Journal, which: str) -> Iterator[list[int]]:
    """Yield the numbers of the pictures in each group of near duplicates among those that a condition names.

    A group is whatever hangs together. Memory: some 32 bytes a picture.
    """
    query = f"FROM pictures WHERE {which} ORDER BY name, number"
    numbers = np.fromiter((row[0] for row in journal.rows(f"SELECT number {query}")), np.int64)
    hashes = np.fromiter((row[0] for row in journal.rows(f"SELECT phash {query}")), np.int64).view(np.uint64)
    parents = np.arange(len(numbers))
    for first, second in candidates(hashes):
        apart = _roots(parents, first) != _roots(parents, second)
        first, second = first[apart], second[apart]
        for start in range(0, len(first), _THUMBS):
            one, other = first[start : start + _THUMBS], second[start : start + _THUMBS]
            alike = _alike(_thumbs(journal, numbers[one]), _thumbs(journal, numbers[other]))
            for a, b in zip(one[alike].tolist(), other[alike].tolist(), strict=True):
                _join(parents, a, b)
    roots = _roots(parents, np.arange(len(parents)))
    order = np.argsort(roots, kind="stable")
    _, starts, counts = np.unique(roots[order], return_index=True, return_counts=True)
    for start, count in zip(starts[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
        yield numbers[order[start : start + count]].tolist()


def candidates(hashes: Hashes) -> Iterator[tuple[Integers, Integers]]:
    """Yield arrays of indices (first, second) of all pairs within DISTANCE; a pair may come more than once."""
    flips = [0, *(1 << bit for bit in range(_BAND_BITS))]
    for band in range(_BANDS):
        values = (hashes >> np.uint64(band * _BAND_BITS)).astype(np.uint16)
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        for flip in flips:
            for block in range(0, len(values), _BLOCK):
                sought = values[block : block + _BLOCK] ^ np.uint16(flip)
                starts = np.searchsorted(ordered, sought, "left")
                counts = np.searchsorted(ordered, sought, "right") - starts
                for begin, end in _slices(counts):
                    repeats = counts[begin:end]
                    first = np.repeat(np.arange(block + begin, block + end), repeats)
                    nth = np.arange(len(first)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
                    second = order[np.repeat(starts[begin:end], repeats) + nth]
                    close = (first < second) & (_bits(hashes[first] ^ hashes[second]) <= DISTANCE)
                    if close.any():
                        yield first[close], second[close]


def _slices(counts: Integers) -> Iterator[tuple[int, int]]:
    """Yield ranges whose counts add up to about _PAIRS, at least one index each."""
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        before = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + _PAIRS, "right")))
        yield begin, end
        begin = end


_BITS_OF = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)


def _bits(values: Hashes) -> NDArray[np.uint8]:
    """Return how many bits are set in each 64-bit value."""
    parts = values.view(np.uint16).reshape(-1, 4)
    counts: NDArray[np.uint8] = _BITS_OF[parts].sum(axis=1, dtype=np.uint8)
    return counts


def _roots(parents: Integers, indices: Integers) -> Integers:
    roots: Integers = parents[indices]
    while True:
        above: Integers = parents[roots]
        if np.array_equal(above, roots):
            return roots
        roots = above


def _join(parents: Integers, one: int, other: int) -> None:
    """Unite two groups under the smaller index, so that the outcome does not hang on the order of the pairs."""
    while parents[one] != one:
        one = int(parents[one])
    while parents[other] != other:
        other = int(parents[other])
    parents[max(one, other)] = min(one, other)


def _thumbs(journal: Journal, numbers: Integers) -> NDArray[np.float32]:
    """Return thumbnails, float32 of shape (n, values), levels 0-255."""
    found = dict.fromkeys(numbers.tolist(), b"")
    wanted = list(found)
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        marks = ",".join("?" * len(some))
        found.update(journal.rows(f"SELECT number, thumb FROM thumbs WHERE number IN ({marks})", *some))
    joined = b"".join(found[number] for number in numbers.tolist())
    return np.frombuffer(joined, np.uint8).reshape(len(numbers), -1).astype(np.float32)


def _alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which thumbnails, row by row, show the same picture. Flat ones only resemble by their level."""
    difference = np.abs(one - other).mean(axis=1)
    one, other = one - one.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    norms = np.sqrt((one * one).sum(axis=1) * (other * other).sum(axis=1))
    correlation = (one * other).sum(axis=1) / np.maximum(norms, 1e-6)
    alike: NDArray[np.bool_] = ((correlation >= CORRELATION) & (difference <= _MEAN_DIFFERENCE)) | (difference < 1)
    return alike


def _treat(journal: Journal, members: list[int], keep: bool) -> None:
    rows = [_member(journal, number) for number in members]
    if len({row["labels"] for row in rows}) > 1:
        for row in rows:
            other = next(each["name"] for each in rows if each["labels"] != row["labels"])
            journal.run(
                "UPDATE pictures SET reason = 'two-labels', detail = 'a near duplicate has other labels', "
                "resembles = ? WHERE number = ?",
                other,
                row["number"],
            )
    elif keep:
        unit = min(row["key"] for row in rows)
        journal.run_many("UPDATE pictures SET unit = ? WHERE number = ?", ((unit, number) for number in members))
    else:
        best = min(rows, key=lambda row: (-row["pixels"], row["name"], row["number"]))
        journal.run_many(
            "UPDATE pictures SET reason = 'near-duplicate', resembles = ? WHERE number = ?",
            ((best["name"], number) for number in members if number != best["number"]),
        )


def _member(journal: Journal, number: int) -> dict[str, Any]:
    names = ("number", "name", "labels", "key", "pixels")
    query = "SELECT number, name, labels, key, width * height FROM pictures WHERE number = ?"
    return dict(zip(names, next(journal.rows(query, number)), strict=True))
