"""Finds near duplicates and decides what to do with them.

They are found in two steps. Candidates are pictures whose perceptual hashes, 64 bits, differ in at most DISTANCE. Of
four bands of 16 bits, one then differs in at most one bit. So looking up 17 values per band in a sorted array finds
them all, without comparing each picture with every other (multi-index hashing: Norouzi, Punjani, Fleet, "Fast Search in
Hamming Space with Multi-Index Hashing", 2012). Candidates are then confirmed by their thumbnails, whose correlation
tells a picture that was encoded again from another one of the same composition.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..arrays import Flags, Floats, Integers, Pixels
from .inspecting import THUMB_SIDE
from .journal.rows import Candidate
from .journal.store import Journal

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


def treat_near(journal: Journal, treatment: str) -> None:
    """Treat groups of near duplicates, as one of settings.NEAR_DUPLICATES says.

    All of a group are left out if their labels differ. Else all but the largest picture are left out, or the group is
    kept together: its pictures get one `unit`, the smallest key among them, and are split as one.
    """
    if treatment == "ignore":
        return
    for numbers in near_groups(journal):
        members = journal.choices.candidates(numbers)
        if len({each.labels for each in members}) > 1:
            _leave_out_two_labels(journal, members)
        elif treatment == "keep":
            journal.choices.unite(numbers, min(each.key for each in members))
        else:
            best = min(members, key=lambda each: (-each.pixels, each.name, each.number))
            for each in members:
                if each is not best:
                    journal.choices.leave_out(each.number, "near-duplicate", resembles=best.name)


def _leave_out_two_labels(journal: Journal, members: list[Candidate]) -> None:
    for each in members:
        other = next(one.name for one in members if one.labels != each.labels)
        journal.choices.leave_out(each.number, "two-labels", "a near duplicate has other labels", other)


def near_groups(journal: Journal, *, distinct: bool = False) -> Iterator[list[int]]:
    """Yield the numbers of the pictures in each group of near duplicates among those that are fit.

    A group is whatever is connected by pairs that are alike. With `distinct`, one picture stands for all with the same
    bytes, side and labels. Memory: about 40 bytes a picture.
    """
    numbers, hashes = journal.choices.hashes(distinct=distinct)
    groups = np.arange(len(numbers))
    for pairs in map(np.stack, candidates(hashes.view(np.uint64))):
        for start in range(0, pairs.shape[1], _THUMBS):
            part = pairs[:, start : start + _THUMBS]
            # Those in one group already are not compared: of many pictures that are all alike, few pairs are.
            part = part[:, groups[part[0]] != groups[part[1]]]
            alike = _alike(*(_thumbs(journal, numbers[indices]) for indices in part))
            if alike.any():
                groups = _merged(groups, part[:, alike])
    order = np.argsort(groups, kind="stable")
    _, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    for start, count in zip(starts[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
        yield numbers[order[start : start + count]].tolist()


def _merged(groups: Integers, pairs: Integers) -> Integers:
    """Return the group of each picture once the groups of these pairs, shape (2, pairs), are one."""
    links = coo_array((np.ones(pairs.shape[1], np.int8), tuple(groups[pairs])), (len(groups), len(groups)))
    merged: Integers = connected_components(links, directed=False)[1][groups]
    return merged


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


def _bits(values: Hashes) -> Pixels:
    """Return how many bits are set in each 64-bit value."""
    parts = values.view(np.uint16).reshape(-1, 4)
    counts: Pixels = _BITS_OF[parts].sum(axis=1, dtype=np.uint8)
    return counts


def _thumbs(journal: Journal, numbers: Integers) -> Floats:
    """Return thumbnails, float32 of shape (n, values), levels 0-255."""
    wanted = numbers.tolist()
    found = journal.pictures.thumbnails(wanted)
    joined = b"".join(found[number] for number in wanted)
    return np.frombuffer(joined, np.uint8).reshape(len(wanted), 3 * THUMB_SIDE**2).astype(np.float32)


def _alike(one: Floats, other: Floats) -> Flags:
    """Return which thumbnails, row by row, show the same picture. Flat ones only resemble by their level."""
    difference = np.abs(one - other).mean(axis=1)
    one, other = one - one.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    norms = np.sqrt((one * one).sum(axis=1) * (other * other).sum(axis=1))
    correlation = (one * other).sum(axis=1) / np.maximum(norms, 1e-6)
    alike: Flags = ((correlation >= CORRELATION) & (difference <= _MEAN_DIFFERENCE)) | (difference < 1)
    return alike
