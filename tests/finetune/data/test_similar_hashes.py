"""The search for hashes that differ in few bits."""

import numpy as np
import pytest

from finetune.data import similar_hashes
from finetune.data.similar_hashes import MAX_BITS, similar


def pairs_of(hashes: np.ndarray) -> list[tuple[int, int]]:
    """Give all pairs that are found."""
    return [pair for pairs in similar(hashes) for pair in zip(*pairs.tolist(), strict=True)]


def all_pairs(hashes: np.ndarray) -> set[tuple[int, int]]:
    """Give the pairs that are near, by comparing each with each."""
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None])
    return set(zip(*(found.tolist() for found in np.nonzero(np.triu(apart <= MAX_BITS, 1))), strict=True))


def flipped(hashes: np.ndarray, bits: int, seed: int) -> np.ndarray:
    """Turn so many random bits of each hash."""
    generator = np.random.default_rng(seed)
    chosen = generator.permuted(np.tile(np.arange(64, dtype=np.uint64), (len(hashes), 1)), axis=1)[:, :bits]
    return hashes ^ (np.uint64(1) << chosen).sum(axis=1, dtype=np.uint64)


def random_hashes(count: int) -> np.ndarray:
    """Give random hashes."""
    return np.random.default_rng(0).integers(0, 2**64, count, np.uint64)


@pytest.mark.parametrize("bits", range(12))
def test_all_near_pairs_are_found_once(bits):
    """Up to nine bits nothing is missed, whichever bits they are, and nothing comes twice."""
    hashes = random_hashes(300)
    hashes = np.concatenate([hashes, flipped(hashes, bits, 1)])
    found = pairs_of(hashes)
    assert set(found) == all_pairs(hashes) and len(set(found)) == len(found)
    assert (len(found) >= 300) == (bits <= MAX_BITS)


def test_uneven_bits_change_nothing():
    """Where the pictures are much alike most hashes share most bits, and all near pairs are still found."""
    hashes = random_hashes(600) & random_hashes(1200)[600:] & np.uint64(0x0F0F_3333_5555_0303)
    found = pairs_of(hashes)
    assert set(found) == all_pairs(hashes) and len(set(found)) == len(found) > 1000


@pytest.mark.parametrize("count", [0, 1, 2, 64, 65, 500])
def test_equal_hashes_are_joined(count):
    """Few pictures of one hash meet each other; of many, each meets the one before it."""
    found = pairs_of(np.full(count, 7, np.uint64))
    expected = count * (count - 1) // 2 if count <= 64 else count - 1
    assert len(set(found)) == len(found) == expected and {(i, i + 1) for i in range(count - 1)} <= set(found)


def test_full_buckets_are_cut(monkeypatch):
    """Where comparing would take for ever fewer pairs are looked at, and copies are still found."""
    monkeypatch.setattr(similar_hashes, "_MOST_PAIRS", 0)
    monkeypatch.setattr(similar_hashes, "_MOST_PAIRS_EACH", 0)
    hashes = random_hashes(300)
    hashes = np.concatenate([hashes, flipped(hashes, 1, 1)])
    assert {(index, index + 300) for index in range(300)} <= set(pairs_of(hashes))
