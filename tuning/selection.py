"""Which models to average: greedily, from a library of answers, by a score on examples that nobody was chosen by.

Caruana et al., Ensemble Selection from Libraries of Models (ICML 2004), section 2: begin with the best, then add again
and again whichever model makes the average best, the same one more than once if need be.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

ROUNDS = 20


def choose_members(answers: Sequence[np.ndarray], cost: Callable[[np.ndarray], float]) -> list[int]:
    """Return how often each model counts in the average.

    Args:
        answers: of each model, (examples, outputs).
        cost: of answers; small is good.

    Returns:
        A count for each model; the average is of these counts, and its cost is at most that of the best model alone.
    """
    chosen = [min(range(len(answers)), key=lambda at: cost(answers[at]))]
    rounds = [chosen]
    for _ in range(ROUNDS - 1):
        total = np.sum([answers[at] for at in chosen], axis=0)
        costs = [cost((total + answer) / (len(chosen) + 1)) for answer in answers]
        chosen = [*chosen, int(np.argmin(costs))]
        rounds.append(chosen)
    # the round that was best, and of equals the one with the fewest models
    best = min(rounds, key=lambda some: (round(cost(average(answers, some)), 9), len(set(some)), len(some)))
    counts = [best.count(at) for at in range(len(answers))]
    return [count // math.gcd(*counts) for count in counts]


def average(answers: Sequence[np.ndarray], chosen: Sequence[int]) -> np.ndarray:
    """Return the mean of the answers of some models, which may be named more than once."""
    return np.mean([answers[at] for at in chosen], axis=0)
