"""What a run is asked to do: one flat, frozen record, checked once, every fault reported together."""

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from zoo.errors import ConfigError, nearest
from zoo.weights.sources import DEFAULT_CACHE_DIR

Rate = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class FinetuneConfig(BaseModel):
    """Settings of one run. A field left at None (or "auto") is decided by the run, which says what it chose and why.

    Attributes:
        data: folder of class folders, or of train/validation/test folders that hold class folders.
        model: name from `finetune models`, or "auto".
        method: "head" (frozen trunk, the head learns), or "auto".
        weights: "imagenet", a full tag, or the path of a weights file.
        run_dir: directory to write; None makes the next free `runs/<data>-<n>`.
        seed: of the split, the initial weights, dropout and the order of examples.
        image_size: side of the square in pixels; None takes that of the weights.
        epochs: most passes over the training set.
        patience: epochs without a lower validation loss before training stops; the best weights are kept.
        batch_size: examples a step, in training and in the trunk.
        learning_rate: of Adam.
        dropout: rate before the classifier; None takes that of the model.
        validation_fraction: share of every class that picks the best epoch, unless folders say it.
        test_fraction: share of every class that is looked at once, at the end, unless folders say it.
        drop_empty_classes: leave classes without pictures out instead of refusing them.
        strict: make warnings about the data fatal.
        max_image_pixels: larger pictures are left out, judged by their header before anything is decoded.
        threads: that decode pictures; None takes one a core.
        cache_dir: where converted weights, verdicts on files and features are kept for the next run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    data: str | None = None
    model: str = "auto"
    method: Literal["auto", "head"] = "auto"
    weights: str = "imagenet"
    run_dir: str | None = None
    seed: int = Field(0, ge=0, lt=2**32)
    # five halvings leave one cell of 32 pixels; the upper end keeps one batch within a gigabyte
    image_size: Annotated[int | None, Field(ge=32, le=1024)] = None
    epochs: int = Field(60, ge=1, le=100_000)
    patience: int = Field(8, ge=1)
    batch_size: int = Field(32, ge=1, le=65_536)
    learning_rate: float = Field(1e-3, gt=0, le=10, allow_inf_nan=False)
    dropout: Annotated[float | None, Field(ge=0, lt=1, allow_inf_nan=False)] = None
    validation_fraction: Rate = 0.15
    test_fraction: Rate = 0.15
    drop_empty_classes: bool = False
    strict: bool = False
    max_image_pixels: int = Field(89_000_000, ge=1, le=178_000_000)
    threads: int | None = Field(None, ge=1, le=256)
    cache_dir: str = DEFAULT_CACHE_DIR

    @model_validator(mode="after")
    def _leaves_something_to_learn_from(self) -> "FinetuneConfig":
        if self.validation_fraction + self.test_fraction >= 0.9:
            raise ValueError("validation_fraction + test_fraction must be under 0.9, the rest is the training set")
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
    name = str(item["loc"][0])
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    hint = nearest(str(item["input"]), _choices(name)) if item["type"] == "literal_error" else ""
    return f"{_at(name, places)}{name} {message}; received {item['input']!r}.{hint}"


def _choices(name: str) -> tuple[str, ...]:
    return tuple(str(choice) for choice in get_args(FIELDS[name].annotation))


def _at(name: str, places: Mapping[str, str]) -> str:
    return f"{places[name]}: " if name in places else ""
