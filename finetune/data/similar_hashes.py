"""Pairs of 64-bit hashes that differ in few bits, found without comparing each with each.

A hash is cut into five bands. Two that differ in at most nine bits have a band that differs in at most one, so only
those are compared that stand in the same bucket of a band, or in buckets one bit apart (multi-index hashing: Norouzi,
Punjani and Fleet, CVPR 2012).
"""

from collections.abc import Iterator

import numpy as np

MAX_BITS = 9
_BANDS = 5
# Neighbouring bits go together in pictures, so each band takes every fifth of them.
_MASKS = [sum(1 << bit for bit in range(band, 64, _BANDS)) for band in range(_BANDS)]

_PAIRS_AT_ONCE = 1 << 19
# Where buckets are so full that more pairs than this would be compared, each hash meets only its neighbours in order.
_MOST_PAIRS, _MOST_PAIRS_EACH = 400_000_000, 5000
_NEIGHBOURS = 16
# Of so many pictures with one hash each meets each; of more, each meets the one before it.
_ALL_MEET = 64
# Of two hashes with so many pairs of pictures each picture meets each; of two with more, the first meets the first.
_ALL_PAIRS = 16


def similar(hashes: np.ndarray) -> Iterator[np.ndarray]:
    """Yield pairs of indices whose hashes differ in at most nine bits.

    Where many have the very same hash not all of their pairs come: each of them with the one before it, and the first
    of them with that of another hash. Where hashes are so alike that comparing them would take minutes, pairs are
    missed, and some come twice.

    Args:
        hashes: (n,) uint64.

    Yields:
        (2, pairs) int64, the smaller index first.
    """
    distinct, places, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    members = np.argsort(places, kind="stable")
    starts = np.cumsum(counts) - counts
    yield from _with_equal_hash(members, starts, counts)
    first = np.ones_like(counts)
    for one, other in _near(distinct):
        few = counts[one] * counts[other] <= _ALL_PAIRS
        for sizes, chosen in ((counts, few), (first, ~few)):
            for left, right in _products(starts, sizes, one[chosen], other[chosen]):
                yield np.sort(np.stack([members[left], members[right]]), axis=0)


def _with_equal_hash(members: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> Iterator[np.ndarray]:
    small = np.flatnonzero((counts > 1) & (counts <= _ALL_MEET))
    for left, right in _products(starts, counts, small, small):
        yield np.stack([members[left], members[right]])
    for group in np.flatnonzero(counts > _ALL_MEET):
        run = members[starts[group] : starts[group] + counts[group]]
        yield np.stack([run[:-1], run[1:]])


def _near(hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the places of pairs of these distinct hashes that differ in at most nine bits."""
    searched: list[int] = []
    for band, mask in enumerate(_MASKS):
        buckets = np.zeros(len(hashes), np.int64)
        for place, bit in enumerate(range(band, 64, _BANDS)):
            buckets |= ((hashes >> np.uint64(bit)) & np.uint64(1)).astype(np.int64) << place
        # The hashes are distinct and sorted, so within a bucket they stay so.
        order = np.argsort(buckets, kind="stable")
        ordered = hashes[order]
        flips = [0, *(1 << place for place in range(mask.bit_count()))]
        sizes = np.bincount(buckets, minlength=1 << mask.bit_count())
        full = _num_pairs(sizes, flips) > max(_MOST_PAIRS, _MOST_PAIRS_EACH * len(hashes))
        for left, right in _neighbours(len(hashes)) if full else _joined(np.cumsum(sizes) - sizes, sizes, flips):
            bits = ordered[left] ^ ordered[right]
            found = np.flatnonzero(np.bitwise_count(bits) <= MAX_BITS)
            # Whoever is near in a band that was searched before was found there.
            for earlier in searched:
                found = found[np.bitwise_count(bits[found] & np.uint64(earlier)) > 1]
            yield order[left[found]], order[right[found]]
        searched += [] if full else [mask]


def _neighbours(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the positions of all pairs that are at most so many places apart."""
    positions = np.arange(count)
    for apart in range(1, min(_NEIGHBOURS, count - 1) + 1):
        yield positions[:-apart], positions[apart:]


def _num_pairs(sizes: np.ndarray, flips: list[int]) -> int:
    filled = np.flatnonzero(sizes)
    return sum(int(sizes[filled] @ sizes[filled ^ flip]) for flip in flips) // 2


def _joined(starts: np.ndarray, sizes: np.ndarray, flips: list[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all pairs of positions whose buckets are equal or differ by a flip.

    Args:
        starts: (buckets,) position of the first hash of each.
        sizes: (buckets,) how many hashes each holds.
        flips: bits of the bucket's number to turn; 0 for the same bucket.
    """
    filled = np.flatnonzero(sizes)
    for flip in flips:
        ours = filled[filled <= (filled ^ flip)]
        for part in _parts(sizes[ours] * sizes[ours ^ flip]):
            yield from _products(starts, sizes, ours[part], ours[part] ^ flip)


def _products(
    starts: np.ndarray, sizes: np.ndarray, ours: np.ndarray, theirs: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all pairs of a position in a bucket of `ours` and one in the bucket of `theirs` beside it, in parts.

    Where the two lists are the same, a pair of positions comes once, the smaller first.
    """
    lengths = sizes[ours]
    left = np.repeat(starts[ours] - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
    first, partners = np.repeat(starts[theirs], lengths), np.repeat(sizes[theirs], lengths)
    if np.array_equal(ours, theirs):
        first, partners = left + 1, first + partners - left - 1
    for part in _parts(partners):
        counts = partners[part]
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        yield np.repeat(left[part], counts), np.repeat(first[part], counts) + offsets


def _parts(work: np.ndarray) -> Iterator[slice]:
    """Yield slices whose work adds up to about `_PAIRS_AT_ONCE`, or that are one item long."""
    borders = np.flatnonzero(np.diff(np.cumsum(work) // _PAIRS_AT_ONCE)) + 1
    for start, stop in zip([0, *borders], [*borders, len(work)], strict=True):
        if stop > start:
            yield slice(start, stop)
