"""The median rule: a trial that is worse than half of the others were at the same epoch is ended early.

Golovin et al., Google Vizier (KDD 2017), section 3.2: the best value of the trial up to an epoch is held against the
median of what finished trials had reached by then.
"""

import itertools
import statistics
from collections.abc import Sequence

from tuning.trial import Trial

# Medians of fewer trials say little, and the first epochs say little of the last.
MIN_TRIALS, MIN_EPOCHS = 5, 3
# Metrics of the history that mean the same whatever was trained on, and which way is better.
WATCHED = {"val_accuracy": "max", "val_mae": "min"}


def median_curve(trials: Sequence[Trial]) -> tuple[str, tuple[float, ...]] | None:
    """Return the watched metric and, for epochs from 1, the median over finished trials of its best value so far.

    Returns:
        None where too few trials have finished.
    """
    finished = [trial for trial in trials if trial.status == "completed" and trial.curve]
    for metric, direction in WATCHED.items():
        curves = [best_so_far(trial, metric, direction) for trial in finished if metric in trial.curve]
        if len(curves) >= MIN_TRIALS:
            length = max(map(len, curves))
            # one that ended early stays where it was
            filled = [[*curve, *[curve[-1]] * (length - len(curve))] for curve in curves]
            return metric, tuple(statistics.median(values) for values in zip(*filled, strict=True))
    return None


def best_so_far(trial: Trial, metric: str, direction: str) -> list[float]:
    """Return the best value up to each epoch from 1; between epochs that were kept, the earlier counts."""
    known = dict(zip(trial.curve_epochs, trial.curve[metric], strict=True))
    values = itertools.accumulate(
        (known.get(epoch) for epoch in range(1, max(known) + 1)), lambda last, value: _better(last, value, direction)
    )
    return list(values)


def is_hopeless(best: float, epoch: int, metric: str, medians: Sequence[float]) -> bool:
    """Whether a trial whose best value after `epoch` epochs (from 1) is `best` should end.

    Args:
        best: of the watched metric so far.
        epoch: that has just ended, from 1.
        metric: watched.
        medians: of `median_curve`.
    """
    if epoch < MIN_EPOCHS or not medians:
        return False
    median = medians[min(epoch, len(medians)) - 1]
    return best < median if WATCHED[metric] == "max" else best > median


def _better(last: float, value: float | None, direction: str) -> float:
    if value is None:
        return last
    return max(last, value) if direction == "max" else min(last, value)
