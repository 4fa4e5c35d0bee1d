"""A trial: what was proposed, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Value = bool | int | float | str | None
# Number and repeat.
Key = tuple[int, int]
Status = Literal["running", "completed", "stopped", "failed"]


@dataclass(frozen=True)
class Proposal:
    """What a trial is to try.

    Attributes:
        values: every active hyperparameter, by name.
        epochs: train up to this many epochs in total; None for the recipe's own.
        continues: number of the trial whose weights, optimizer and schedule go on.
        bracket: of hyperband, counted from 0 in the order of opening.
        round: within the bracket, from 0.
    """

    values: Mapping[str, Value]
    epochs: int | None = None
    continues: int | None = None
    bracket: int | None = None
    round: int | None = None

    @cached_property
    def key(self) -> tuple[tuple[str, Value], ...]:
        """What is equal for equal values only, and can be looked up; a search asks for it at each of its trials."""
        return tuple(sorted(self.values.items()))


@dataclass(frozen=True)
class Trial:
    """A proposal and its outcome so far.

    Attributes:
        number: from 0, in order of proposal.
        proposal: what was tried.
        status: "stopped" is hopeless and ended early.
        score: of the objective; None while running or failed.
        repeat: 0 in the search; from 1 where a good trial is run again with a fresh seed.
        seed: of its initial weights, dropout and order of examples.
        attempts: which attempt it is, from 1; one that ended with the whole search does not count.
        scores: all that was measured on the validation side, by name.
        curve: metrics of the history at `curve_epochs`, by name.
        curve_epochs: from 1, over all phases.
        epochs: that were trained, over all phases.
        parameters: of the model.
        trainable: parameters that learned in the last phase.
        seconds: that it took.
        peak_bytes: of memory that its process had at most while it ran.
        error: why it failed.
        again: whether it may well not fail when it is tried again.
    """

    number: int
    proposal: Proposal
    status: Status
    score: float | None = None
    repeat: int = 0
    seed: int = 0
    attempts: int = 1
    scores: Mapping[str, float] | None = None
    curve: Mapping[str, Sequence[float]] | None = None
    curve_epochs: Sequence[int] = ()
    epochs: int | None = None
    parameters: int | None = None
    trainable: int | None = None
    seconds: float | None = None
    peak_bytes: int | None = None
    error: str | None = None
    again: bool = False

    @property
    def key(self) -> Key:
        """Its number, and which of its repeats it is: no other trial of a study has the same."""
        return self.number, self.repeat

    @property
    def name(self) -> str:
        """How people call it."""
        return f"trial {self.number}" + (f" with fresh seed {self.repeat}" if self.repeat else "")


def repeats(trials: Sequence[Trial]) -> dict[int, int]:
    """Return for each trial whose values an earlier one had, to the same epochs, the number of the first of them."""
    first: dict[tuple, int] = {}
    found = {}
    for trial in trials:
        key = (trial.proposal.key, trial.proposal.epochs)
        if first.setdefault(key, trial.number) != trial.number:
            found[trial.number] = first[key]
    return found
