"""What whoever runs trials is handed, and gives back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tuning.trial import Trial


@dataclass(frozen=True)
class Job:
    """A trial to run, and what is known of others.

    Attributes:
        trial: with its values and its seed.
        keep_under: cost (see `Objective.cost`) under which its weights are worth keeping.
        medians: median over finished trials of the best value up to each epoch, of the watched metric; a trial that is
            worse there is hopeless. Empty where no trial is ended early.
        ended: whether its outcome is known; it learns once more so that those beside it learn as they did with it.
    """

    trial: Trial
    keep_under: float = float("inf")
    medians: Sequence[float] = field(default=())
    ended: bool = False

    @property
    def leaves_nothing(self) -> bool:
        """Whether neither weights nor a state are wanted, however good it is: only its score, or its time, are."""
        return self.keep_under == float("-inf")


# Runs a job to its end, whatever that is: a fault of the trial is a failed trial, not an exception.
Runner = Callable[[Job], Trial]
