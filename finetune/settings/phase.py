"""Settings of one phase of training, for those who put a method together themselves."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from finetune.settings.record import Settings, listed

Schedules = Literal[
    *("auto", "constant", "step", "exponential", "inverse_time", "polynomial", "cosine", "cosine_restarts"),
    *("one_cycle", "plateau"),
]


def _numbered(value: object) -> object:
    """Read a whole number, "all" for as many as there are, or names."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return value if isinstance(value, int) or value == "all" else listed(value)


Stages = Annotated[Annotated[int, Field(ge=0, le=1000)] | Literal["all"] | tuple[str, ...], BeforeValidator(_numbered)]


class PhaseSettings(Settings):
    """A phase: which stages learn beside the head, which of them begin anew, for how long and how fast.

    Attributes:
        name: in the history; None for its number.
        stages: that learn beside the head: how many of the last ones, "all", or their names.
        reinit: of these, those that begin from random weights: how many of the last ones, "all", or their names.
        epochs: most epochs; None for the run's.
        patience: epochs without a lower validation loss before it ends; None for the run's.
        learning_rate: the highest; None for the run's.
        schedule: of the learning rate; None for the run's.
    """

    name: Annotated[str | None, Field(min_length=1, max_length=40)] = None
    stages: Stages = 0
    reinit: Stages = 0
    epochs: Annotated[int | None, Field(ge=1, le=100_000)] = None
    patience: Annotated[int | None, Field(ge=1)] = None
    learning_rate: Annotated[float | None, Field(gt=0, le=10, allow_inf_nan=False)] = None
    schedule: Schedules | None = None
