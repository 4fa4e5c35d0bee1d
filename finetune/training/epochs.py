"""Epochs of a phase: how many there are, which is the best, and when it is enough."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from zoo.errors import ConfigError

Row = dict[str, object]
Weights = Callable[[], list[np.ndarray]]


@dataclass(frozen=True)
class Course:
    """How a phase goes.

    Attributes:
        batch_size: rows a step.
        epochs: most epochs of this phase.
        patience: epochs without a lower validation loss before it ends.
        to_the_end: whether the weights of the last epoch are kept, unless they are clearly worse than those that the
            phase began with. For schedules that end at 0.
        seed: of the order of rows.
        phase: its name in the history.
        first_epoch: epochs that phases before it took; orders and the history count on from there.
        unit: what a mean absolute error is multiplied by for the history.
    """

    batch_size: int
    epochs: int
    patience: int
    seed: int
    phase: str = "head"
    first_epoch: int = 0
    unit: float = 1.0
    to_the_end: bool = False


@dataclass
class Progress:
    """Where a phase stands: with the variables of model, optimizer and metrics, all that a resumed phase needs.

    Attributes:
        epoch: epochs that are done.
        step: steps of the next epoch that are done.
        rows: of the history, one for each epoch done.
        best: row of the epoch whose weights are kept; what a later one must beat. None before the first.
        best_weights: of the model then.
        waited: epochs since then.
        seconds: that the epoch so far took.
        plateau: state of what lowers the learning rate, where it does.
    """

    epoch: int = 0
    step: int = 0
    rows: list[Row] = field(default_factory=list)
    best: Row | None = None
    best_weights: list[np.ndarray] | None = None
    waited: int = 0
    seconds: float = 0.0
    plateau: dict[str, float] | None = None

    @property
    def best_loss(self) -> float:
        """The validation loss of the best epoch; infinite before the first."""
        return self.best["val_loss"] if self.best else math.inf


class Diverged(ConfigError):
    """The loss is not finite any more: `progress` is that of the phase until then, and `epoch` counts from 1."""

    def __init__(self, epoch: int, rate: float, progress: Progress):
        super().__init__(
            f"the loss is not finite any more in epoch {epoch}; "
            f"lower learning_rate (now {rate:g}), for instance --set learning_rate={rate / 10:g}"
        )
        self.epoch, self.progress = epoch, progress


def remember(progress: Progress, row: Row, course: Course, weights: Weights) -> None:
    """Count an epoch as done, and keep its weights where it is the best.

    Args:
        progress: of the phase, which is changed.
        row: of the epoch, with a finite "val_loss".
        course: of the phase.
        weights: gives those of the epoch.
    """
    progress.rows.append(row)
    progress.epoch, progress.step, progress.seconds = progress.epoch + 1, 0, 0.0
    progress.waited += 1
    if row["val_loss"] < progress.best_loss and not (course.to_the_end and _is_earlier(progress.best, course)):
        progress.best, progress.best_weights, progress.waited = row, weights(), 0


def keep_the_end(progress: Progress, course: Course, num_validation: int, weights: Weights) -> None:
    """Make the last epoch the best one, unless the phase began with clearly better weights."""
    last, best = progress.rows[-1], progress.best
    if not _is_earlier(best, course) or last["val_loss"] < best["val_loss"] or _stands(last, best, num_validation):
        progress.best, progress.best_weights = last, weights()


def _is_earlier(row: Row | None, course: Course) -> bool:
    """Whether an epoch is of a phase before this one."""
    return row is not None and row["epoch"] <= course.first_epoch


def _stands(row: Row, best: Row, num_validation: int) -> bool:
    """Whether an epoch is as often right on the validation side as the best one, up to one standard error.

    The rule of one standard error: Breiman et al., Classification and Regression Trees, 1984, section 3.4.3. The loss
    of a few dozen examples tells how sure a network is rather than how often it is right.
    """
    if "val_accuracy" not in row:
        return False
    right = (row["val_accuracy"] + best["val_accuracy"]) / 2
    return best["val_accuracy"] - row["val_accuracy"] <= math.sqrt(right * (1 - right) / num_validation)


def is_over(progress: Progress, course: Course) -> bool:
    """Whether a phase has had all its epochs, or has waited long enough for a better one."""
    return progress.epoch >= course.epochs or progress.epoch > 1 and progress.waited >= course.patience


def require_finite(loss: float, epoch: int, rate: Callable[[], float], progress: Progress) -> None:
    """Refuse a loss that is NaN or infinite.

    Raises:
        Diverged: it is one.
    """
    if not math.isfinite(loss):
        raise Diverged(epoch, rate(), progress)
