"""Rows of a table that say the same as an earlier one."""

from collections.abc import Sequence

import numpy as np

# Odd constants of a multiplicative hash (splitmix64: Steele, Lea, Flood, OOPSLA 2014).
_FIRST, _SECOND, _STEP = (np.uint64(number) for number in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0x9E3779B97F4A7C15))


def repeated_rows(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Find rows with the same values in all columns; two blanks are the same.

    Args:
        columns: (rows,) arrays of one length, float64 or int32.

    Returns:
        (n, 2) int64: the first of the equal rows, and each later one, ordered by the later.
    """
    if not columns:
        return np.empty((0, 2), np.int64)
    hashes = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        hashes = _mixed(hashes + _STEP + _bits(column))
    order = np.argsort(hashes, kind="stable")
    is_first = np.concatenate(([True], hashes[order[1:]] != hashes[order[:-1]]))
    first = order[is_first][np.cumsum(is_first) - 1]
    pairs = np.stack((first, order), axis=1)[~is_first]
    # Two rows in 2^64 share a hash by chance, so the values decide.
    same = np.ones(len(pairs), bool)
    for column in columns:
        bits = _bits(column[pairs])
        same &= bits[:, 0] == bits[:, 1]
    pairs = pairs[same]
    return pairs[np.argsort(pairs[:, 1])]


def repeats_by_chance(columns: Sequence[np.ndarray]) -> float:
    """Return how many rows would equal an earlier one if the values of each column came in any combination.

    Numbers may take every value between the smallest and the largest, in steps of the smallest difference that occurs;
    categories come as often as they do.

    Args:
        columns: (rows,) arrays of one length, float64 or int32 codes.
    """
    count, combinations = len(columns[0]), 1.0
    for column in columns:
        combinations *= _possible_numbers(column) if column.dtype == np.float64 else _possible_codes(column)
    # the expected number of different rows among so many draws
    return count + combinations * float(np.expm1(count * np.log1p(-1 / max(combinations, 1 + 1e-9))))


def repeats_across(columns: Sequence[np.ndarray], learned: np.ndarray, judged: np.ndarray) -> int:
    """Return how many rows of those that are judged equal one that is learned.

    Args:
        columns: (rows,) arrays of one length.
        learned: indices of rows.
        judged: indices of rows.
    """
    pairs = repeated_rows(columns)
    first = np.arange(len(columns[0]))
    first[pairs[:, 1]] = pairs[:, 0]
    return int(np.isin(first[judged], first[learned]).sum())


def _possible_numbers(values: np.ndarray) -> float:
    found = np.unique(values[~np.isnan(values)])
    return 1 + (found[-1] - found[0]) / np.diff(found).min() if len(found) > 1 else 1.0


def _possible_codes(codes: np.ndarray) -> float:
    shares = np.bincount(codes + 1) / len(codes)
    return 1 / float((shares**2).sum())


def _bits(values: np.ndarray) -> np.ndarray:
    """Return values as uint64 that are equal where the values are: one zero, one NaN."""
    if values.dtype != np.float64:
        return values.astype(np.int64).view(np.uint64)
    values = values + 0.0
    values[np.isnan(values)] = np.nan
    return values.view(np.uint64)


def _mixed(values: np.ndarray) -> np.ndarray:
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))
