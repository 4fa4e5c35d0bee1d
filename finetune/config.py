"""What a run is asked to do: one flat, frozen record, checked once, every fault reported together."""

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, get_args

from pydantic import Field, ValidationError, model_validator

from finetune.settings.data import DataSettings
from finetune.settings.training import TrainingSettings
from zoo.errors import ConfigError, brief, nearest
from zoo.weights.sources import DEFAULT_CACHE_DIR


class FinetuneConfig(TrainingSettings, DataSettings):
    """Settings of one run: those of the data, those of the training, and what is about neither.

    Attributes:
        run_dir: directory to write; None makes the next free `runs/<data>-<n>`.
        seed: of the split, the initial weights, dropout and the order of examples.
        split_seed: of the split alone; None goes by `seed`.
        tensorboard: write the numbers of each epoch where TensorBoard reads them too, in the run's folder tensorboard.
        checkpoint_seconds: between two states that a run keeps, by which it goes on after it was stopped.
        cache_dir: where converted weights, verdicts on files and features are kept for the next run.
    """

    run_dir: str | None = None
    seed: int = Field(0, ge=0, lt=2**32)
    split_seed: Annotated[int | None, Field(ge=0, lt=2**32)] = None
    tensorboard: bool = False
    checkpoint_seconds: float = Field(60.0, ge=0, allow_inf_nan=False)
    cache_dir: str = DEFAULT_CACHE_DIR

    @model_validator(mode="before")
    @classmethod
    def _is_custom(cls, values: dict[str, object]) -> dict[str, object]:
        return (
            values | {"method": "custom"} if values.get("phases") and values.get("method") in (None, "auto") else values
        )

    @model_validator(mode="after")
    def _fits_together(self) -> "FinetuneConfig":
        clips = [name for name in ("clip_value", "clip_norm", "global_clip_norm") if getattr(self, name) is not None]
        faults = {
            "validation_fraction + test_fraction must be under 0.9, the rest is the training set": (
                self.validation_fraction + self.test_fraction >= 0.9
            ),
            f"only one of {', '.join(clips)} can be set; global_clip_norm is the usual one": len(clips) > 1,
            f"decay_factor must be under 1 with schedule=plateau; received {self.decay_factor:g}": (
                "plateau" in (self.schedule, *(phase.schedule for phase in self.phases)) and self.decay_factor >= 1
            ),
            f"phases are those of method custom; received method={self.method}": (
                bool(self.phases) and self.method != "custom"
            ),
            "method custom needs phases: a list in the config file": self.method == "custom" and not self.phases,
        }
        if any(faults.values()):
            raise ValueError("\n".join(fault for fault, found in faults.items() if found))
        return self

    @property
    def cache_path(self) -> Path:
        """The cache directory with `~` resolved."""
        return Path(self.cache_dir).expanduser()


FIELDS = FinetuneConfig.model_fields


def make_config(values: Mapping[str, object], *, places: Mapping[str, str] | None = None) -> FinetuneConfig:
    """Check values and return the config.

    Args:
        values: field to value; text is read as the field's type, so "1e-3" is a number where a number is due.
        places: field to where it came from ("wine.yaml line 3"), for messages.

    Raises:
        ConfigError: one message with a line for every fault.

    Example:
        >>> make_config({"data": "photos", "epochs": "5"}).epochs
        5
    """
    places = places or {}
    faults = [
        f"{_at(name, places)}unknown setting {name!r}.{nearest(name, FIELDS) or ' See `finetune fit --help`.'}"
        for name in values
        if name not in FIELDS
    ]
    known = {name: _read(name, value) for name, value in values.items() if name in FIELDS}
    try:
        config = FinetuneConfig(**known)
    except ValidationError as error:
        faults += [_fault(item, places) for item in error.errors()]
    if faults:
        raise ConfigError("\n".join(faults))
    return config


def _read(name: str, value: object) -> object:
    """Turn a Path into text, and the words for nothing into None where a field may be None."""
    if isinstance(value, Path):
        return str(value)
    optional = types.NoneType in get_args(FIELDS[name].annotation)
    return None if optional and isinstance(value, str) and value.lower() in ("null", "none", "~", "") else value


def _fault(item: dict, places: Mapping[str, str]) -> str:
    if not item["loc"]:
        return item["msg"].removeprefix("Value error, ")
    name, *parts = map(str, item["loc"])
    place = name
    if name == "phases":  # deeper parts are what a union tried, and no place that a user knows
        place += "".join(f" {int(part) + 1}" if part.isdecimal() else f": {part}" for part in parts[:2])
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if item["type"] == "extra_forbidden":
        message = "is no setting there"
    hint = nearest(str(item["input"]), _choices(name)) if item["type"] == "literal_error" else ""
    return f"{_at(name, places)}{place} {message}; received {brief(item['input'])}.{hint}"


def _choices(name: str) -> tuple[str, ...]:
    return tuple(str(choice) for choice in get_args(FIELDS[name].annotation))


def _at(name: str, places: Mapping[str, str]) -> str:
    return f"{places[name]}: " if name in places else ""
