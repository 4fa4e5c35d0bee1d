"""A trial: what was proposed, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Value = bool | int | float | str | None


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


@dataclass(frozen=True)
class Trial:
    """A proposal and its outcome so far.

    Attributes:
        number: from 0, in order of proposal.
        proposal: what was tried.
        status: "stopped" is hopeless and ended early.
        score: of the objective; None while running or failed.
    """

    number: int
    proposal: Proposal
    status: Literal["running", "completed", "stopped", "failed"]
    score: float | None = None
