"""What a search makes small or large: the name of a score on the validation side, and its direction."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from zoo.errors import ConfigError, nearest

Direction = Literal["min", "max"]
# Scores that `finetune` measures on the validation side, and which way is better.
DIRECTIONS: Mapping[str, Direction] = MappingProxyType(
    {
        **{"val_loss": "min", "val_accuracy": "max", "val_exact_match": "max", "val_f1_macro": "max"},
        **{"val_precision_macro": "max", "val_recall_macro": "max", "val_ece": "min"},
        **{"val_mae": "min", "val_rmse": "min", "val_r2": "max"},
    }
)
# Of them, those of each task.
_OF_NUMBERS = ("val_loss", "val_mae", "val_rmse", "val_r2")
MEASURED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "classification": (
            *("val_loss", "val_accuracy", "val_f1_macro", "val_precision_macro", "val_recall_macro", "val_ece"),
        ),
        "multi_label": ("val_loss", "val_accuracy", "val_exact_match", "val_f1_macro"),
        "regression": _OF_NUMBERS,
        "forecasting": _OF_NUMBERS,
    }
)
# The loss of classes and labels is their cross-entropy whatever was trained on, so trials can be compared by it.
USUAL: Mapping[str, str] = MappingProxyType(
    {"classification": "val_loss", "multi_label": "val_loss", "regression": "val_mae", "forecasting": "val_mae"}
)


@dataclass(frozen=True)
class Objective:
    """A score and its direction.

    Attributes:
        name: of the score.
        direction: "min" or "max".
    """

    name: str
    direction: Direction

    def __str__(self) -> str:
        return f"{self.name}:{self.direction}"

    def better(self, one: float, other: float) -> bool:
        """Whether one score is strictly better than another."""
        return one < other if self.direction == "min" else one > other

    def cost(self, score: float | None) -> float:
        """Return what is small for good scores, and infinite for none."""
        if score is None or not math.isfinite(score):
            return math.inf
        return score if self.direction == "min" else -score


def parse_objective(text: str) -> Objective:
    """Return the objective that "val_loss", "val_accuracy:max" or the like names.

    Raises:
        ConfigError: the direction is neither given nor known, or is not the one that the score has.

    Example:
        >>> str(parse_objective("val_accuracy"))
        'val_accuracy:max'
    """
    name, colon, direction = text.partition(":")
    known = DIRECTIONS.get(name)
    if colon and direction not in ("min", "max"):
        raise ConfigError(f"objective {text!r}: the direction is min or max; received {direction!r}")
    if not name:
        raise ConfigError("objective has no name; it is given as NAME:min or NAME:max")
    if not colon and known is None:
        raise ConfigError(
            f"objective {name!r} is not known, nor whether it is to be small or large: say {name}:min or {name}:max."
            f"{nearest(name, DIRECTIONS)}"
        )
    if colon and known and known != direction:
        raise ConfigError(f"objective {name}: {known} is better; received {direction}")
    return Objective(name, direction if colon else known)


def objective_for(task: str, text: str | None = None) -> Objective:
    """Return the objective of a task: the one that is named, or the usual one.

    Raises:
        ConfigError: what is named is not measured for this task, or has no direction.
    """
    name = (text or "").partition(":")[0]
    if name and name not in MEASURED[task]:
        raise ConfigError(
            f"objective {name} is not measured for {task}; accepted: {', '.join(MEASURED[task])}."
            f"{nearest(name, MEASURED[task])}"
        )
    return parse_objective(USUAL[task] if text is None else text)
