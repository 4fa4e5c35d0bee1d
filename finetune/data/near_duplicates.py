"""Pictures that look the same though their bytes differ: re-encoded, resized, made brighter or a little trimmed.

Candidates have hashes that differ in few bits. Each is then confirmed on the thumbnails. How alike two pictures must be
to count as one is measured on the data set itself: where all pictures look much alike, as clothes on black or cells
under a microscope do, only closer copies count.
"""

from dataclasses import dataclass

import numpy as np

from finetune.data.picture_facts import THUMBNAIL
from finetune.data.similar_hashes import similar

# One minus the correlation of two thumbnails: a pair below the first always counts, above the second never. Re-encoded
# and resized photos lie below 0.003, with a fiftieth of each side cut off around 0.02.
LEAST_LIMIT, GREATEST_LIMIT = 0.002, 0.04

# Pairs that unlike pictures may make by chance in the whole data set.
_CHANCE_PAIRS = 0.5
# Pictures that the others are measured against, and which of the nearest of them stand for the usual distance: eight
# pictures may be copies of one another before the measure is taken in.
_REFERENCES, _NEAR, _FAR = 2000, 8, 32
# Below this standard deviation of the thumbnail there is nothing to compare.
_FLAT = 3.0
# How much more contrast one of the two may have, and how far their colours may lie apart.
_CONTRAST, _TINT = 2.5, 12.0
# Numbers a picture that most candidates are turned away by.
_SKETCH = 12
# Two pictures that were compared with so many others each are not compared: the frames of a still scene would make
# millions of pairs.
_ENOUGH = 100
_AT_ONCE = 4096


@dataclass(frozen=True)
class NearPairs:
    """Pairs of pictures that look the same.

    Attributes:
        first: index of one picture of each pair, (pairs,) int64, ascending.
        second: index of the other one, greater than the first.
        difference: one minus the correlation of their thumbnails, (pairs,) float32.
    """

    first: np.ndarray
    second: np.ndarray
    difference: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


def near_pairs(facts: np.ndarray) -> NearPairs:
    """Return the pairs of pictures that look the same.

    Args:
        facts: (n,) records of `finetune.data.picture_facts.FACTS`.

    Returns:
        The pairs, in order; pictures without contrast are in none. Of a picture that looks like hundreds of others not
        every pair is there.
    """
    every = _parts(np.arange(len(facts)))
    described = np.concatenate([part[_standardized(facts[part])[1] > _FLAT] for part in every])
    pairs, differences = [np.empty((2, 0), np.int64)], [np.empty(0, np.float32)]
    if len(described) > 1:
        limits, sketches = _limits(facts, described)
        compared = np.zeros(len(described), np.int64)
        for candidates in similar(facts["hash"][described]):
            candidates = candidates[:, compared[candidates].min(axis=0) < _ENOUGH]
            near = candidates[:, _are_near(sketches, limits, candidates)]
            compared += np.bincount(near.ravel(), minlength=len(compared))
            for part in _parts(np.arange(near.shape[1])):
                found = described[near[:, part]]
                same, difference = _compared(facts[found[0]], facts[found[1]], limits[near[:, part]].min(axis=0))
                pairs.append(found[:, same])
                differences.append(difference[same])
    all_pairs = np.concatenate(pairs, axis=1)
    _, order = np.unique(all_pairs[0] * len(facts) + all_pairs[1], return_index=True)
    return NearPairs(*all_pairs[:, order], np.concatenate(differences)[order])


def _parts(indices: np.ndarray) -> list[np.ndarray]:
    return np.array_split(indices, len(indices) // _AT_ONCE + 1)


def _standardized(facts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return thumbnails as float32 rows of mean 0 and length 1, whose products are correlations, and their contrast."""
    rows = facts["thumbnail"].reshape(-1, THUMBNAIL**2).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows /= np.maximum(lengths, 1e-6)[:, None]
    return rows, lengths / THUMBNAIL


def _limits(facts: np.ndarray, described: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each described picture how much another may differ from it and still be the same, and its sketch.

    Around a picture the number of others grows with a power of the distance; 2.5 to 4 was measured on small pictures of
    one kind, 6 on photos. That power and the distance to the eighth nearest tell how near a stranger comes by chance.
    """
    count = len(described)
    some, _ = _standardized(facts[np.sort(np.random.default_rng(0).permutation(described)[:_REFERENCES])])
    near, far = min(_NEAR, len(some) - 1), min(_FAR, len(some) - 1)
    distances, sketches = [], []
    for part in _parts(described):
        thumbnails, _ = _standardized(facts[part])
        ordered = np.partition(1 - thumbnails @ some.T, (near, far), axis=1)
        distances.append(np.maximum(ordered[:, [near, far]], 1e-6))
        sketches.append(thumbnails @ _WAVES)
    nearest, farther = np.concatenate(distances).T
    growth = float(np.median(np.log(farther / nearest)))
    power = np.clip(np.log(far / near) / max(growth, 1e-6), 2, 8) if far > near else 4.0
    share = 2 * _CHANCE_PAIRS * len(some) / (near * float(count) ** 2)
    return np.clip(nearest * share ** (1 / power), LEAST_LIMIT, GREATEST_LIMIT), np.concatenate(sketches)


def _are_near(sketches: np.ndarray, limits: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    # The distance within the sketch is a part of the whole one, whose square is twice the difference.
    apart = sketches[pairs[0]] - sketches[pairs[1]]
    return np.einsum("ij,ij->i", apart, apart) <= 2 * limits[pairs].min(axis=0) + 1e-5


def _compared(first: np.ndarray, second: np.ndarray, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each two pictures look the same, and how much their thumbnails differ."""
    (one, first_contrast), (other, second_contrast) = _standardized(first), _standardized(second)
    difference = np.maximum(1 - np.einsum("ij,ij->i", one, other), 0)
    contrast = second_contrast / first_contrast
    same = (difference <= limits) & (np.maximum(contrast, 1 / contrast) < _CONTRAST)
    same[same] = _same_colours(first[same], second[same], contrast[same])
    return same, difference


def _same_colours(first: np.ndarray, second: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    # A copy without any colour is a copy; a red lamp and a green one are not.
    grey = (np.minimum(first["colour"], second["colour"]) == 0) & (np.maximum(first["colour"], second["colour"]) > 0)
    ours = first["tint"] * contrast[:, None, None, None]
    apart, most = (np.abs(tint).max(axis=(1, 2, 3), initial=0) for tint in (ours - second["tint"], ours))
    return grey | (apart <= _TINT + most / 4)


def _waves() -> np.ndarray:
    # The lowest frequencies of a thumbnail as columns of length 1, at right angles to each other.
    places, frequencies = np.arange(THUMBNAIL), np.arange(5)[:, None]
    waves = np.cos(np.pi * (2 * places + 1) * frequencies / (2 * THUMBNAIL))
    waves /= np.linalg.norm(waves, axis=1, keepdims=True)
    down, right = np.mgrid[0:5, 0:5]
    lowest = np.argsort((down**2 + right**2).ravel(), kind="stable")[1 : _SKETCH + 1]
    both = np.einsum("iy,jx->ijyx", waves, waves).reshape(25, -1)[lowest]
    return both.T.astype(np.float32)


_WAVES = _waves()
