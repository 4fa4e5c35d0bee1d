"""What a run is asked to do: one flat, frozen record, checked once, every fault reported together."""

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from zoo.errors import ConfigError, brief, nearest
from zoo.weights.sources import DEFAULT_CACHE_DIR

Rate = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


def _listed(value: object) -> object:
    """Read "a, b" as two names, and a single value as a list of one; JSON's lists pass."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return (value,) if isinstance(value, int) else value


Optimizers = Literal[
    *("adam", "adamw", "sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "adafactor"),
    *("lion", "lamb", "ftrl", "muon"),
]
Schedules = Literal[
    *("auto", "constant", "step", "exponential", "inverse_time", "polynomial", "cosine", "cosine_restarts"),
    *("one_cycle", "plateau"),
]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class FinetuneConfig(BaseModel):
    """Settings of one run. A field left at None (or "auto") is decided by the run, which says what it chose and why.

    Attributes:
        data: folder of class folders, or of train/validation/test folders that hold class folders; or a CSV file, of a
            table or a series.
        target: column of a CSV file that is to be predicted; None takes one named target, label, class or y, or else
            the last. Of pictures also several columns of 0 and 1, "red,blue".
        task: "classification", "regression", "forecasting", or "multi_label" for pictures; "auto" goes by the target.
        path: column of a CSV file that holds paths of pictures; None takes one that is called path, file, image or
            filename where its cells are picture files.
        label_separator: sign between the labels of one picture in a cell of a CSV file; None finds | and ;.
        numeric: columns to take as numbers whatever they look like.
        categorical: columns to take as texts whatever they look like.
        ignore: columns to leave out.
        missing: what a blank number becomes: "mean", "median" (of the training rows) or "zero"; "refuse" refuses it.
        missing_texts: texts that mean a blank cell, such as NA or ?, but for the target.
        separator: between the cells of a CSV file, a character or comma, semicolon, tab, pipe; None detects it.
        decimal: sign between whole and fraction in a CSV file's numbers, "." or ",".
        time: column that says when; makes a CSV file a series. None takes a column of dates in even steps, or a first
            column of such numbers.
        window: steps that a series' model looks back; makes a CSV file a series. None decides by the series' period.
        horizon: steps that it looks ahead.
        stride: steps from one window to the next.
        group: column whose equal values stay on one side of the split, such as a patient.
        side: column that says "train", "validation" or "test" for each row.
        sample_weight: column of weights in the loss, 0 or more.
        class_weights: "none", or "balanced": each class counts the same in the loss, however many examples it has.
        model: name from `finetune models`, or "auto"; for tables mlp or linear, for series also lstm, gru, bilstm,
            cnn1d and cnn_lstm.
        units: of each hidden layer; None decides.
        l2: penalty on the weights of hidden layers.
        method: of pretrained networks: "head" (the trunk is frozen, the head learns), "two_phase" (then the upper
            stages too), "gradual" (one stage more at a time), "full" (all of it), "reinit" (upper stages begin from
            random weights); or "scratch" (all begins from them), or "auto".
        unfreeze: stages before the head that two_phase, gradual and reinit let learn; None decides.
        reinit: of these, how many begin from random weights in method reinit; None for 1.
        freeze: layers that never learn, by name or by patterns of whole names.
        bn: batch normalization in pretrained stages that learn: "frozen" keeps all of it, "statistics" lets the moving
            statistics follow, "train" lets the weights learn too.
        fine_tune_epochs: most epochs of each phase in which pretrained stages learn.
        fine_tune_factor: what the learning rate is multiplied by in those.
        weights: "imagenet", a full tag, or the path of a weights file.
        run_dir: directory to write; None makes the next free `runs/<data>-<n>`.
        seed: of the split, the initial weights, dropout and the order of examples.
        image_size: side of the square in pixels; None takes that of the weights.
        resize: how a picture meets the square: "crop" cuts the middle out, as the weights were trained; "pad" keeps all
            of it; "stretch" keeps all and gives up its shape; "auto" goes by how the shapes vary.
        augmentation: how much training pictures differ from epoch to epoch; "none", "light" (mirrored and moved),
            "medium" (also turned, zoomed, lighter and darker) or "strong"; for method scratch.
        mixup: parameter of the Beta distribution that blends two pictures; 0 for none; for method scratch.
        cutmix: the same for patches of one picture in another.
        store_gigabytes: decoded pictures that the cache may keep for training; more are decoded in every epoch.
        epochs: most passes over the training set; None: 60 for pictures, 200 for rows.
        patience: epochs without a lower validation loss before training stops; the best weights are kept. None: 8 for
            pictures, 20 for rows.
        batch_size: examples a step, in training and in the trunk; None: 32 for pictures, 16 to 1024 for rows.
        learning_rate: the highest of the optimizer's; None: 0.001 for pictures, 0.005 for rows.
        optimizer: by name; momentum and nesterov are SGD with it.
        momentum: of optimizers momentum, nesterov and rmsprop; sgd has none.
        weight_decay: share of each weight that is taken away a step, times the learning rate; not of biases and norms.
            Without it adamw is adam.
        schedule: how the learning rate goes over a phase; "auto" is one_cycle for pictures from random weights,
            else constant; plateau lowers it when the validation loss stands still.
        warmup_epochs: over which the learning rate grows from 0, before any schedule.
        decay_factor: of schedules step, exponential and plateau: what the rate is multiplied by; of inverse_time: what
            is added to its divisor, which is 1 at first.
        decay_epochs: in which that happens once; of cosine_restarts the first period, of plateau the patience. None: a
            third of the phase, of plateau a third of `patience`.
        end_factor: share of the learning rate that polynomial and cosine end at.
        layer_decay: what the learning rate is multiplied by from each stage to the one below it; 1 for all the same.
        clip_value: largest element of a gradient. At most one of the three clips is set.
        clip_norm: largest norm of one variable's gradient.
        global_clip_norm: largest norm of all gradients together.
        accumulation_steps: batches whose gradients make one step.
        ema: momentum of averaged weights, which are then what is validated and kept; None for none.
        loss: "auto" by the task; crossentropy, focal; mse, mae, huber, quantile.
        label_smoothing: share of each class's probability that is spread over all.
        focal_gamma: how much focal turns from what is easy; 0 is cross-entropy.
        huber_delta: where huber turns from squared to absolute, in standard deviations of the target.
        quantile: that loss=quantile estimates.
        dropout: rate before the classifier; None takes that of the model.
        validation_fraction: share of every class that picks the best epoch, unless folders say it.
        test_fraction: share of every class that is looked at once, at the end, unless folders say it.
        folds: instead of one test side, this many that take turns: every example is tested once, by a model that did
            not learn from it, and the model that is kept learns from all. None for one test side.
        drop_empty_classes: leave classes without pictures out instead of refusing them.
        strict: make warnings about the data fatal.
        max_image_pixels: larger pictures are left out, judged by their header before anything is decoded.
        datasets_dir: folder that holds data sets for `keras:NAME` and `tfds:NAME`; None looks where their libraries do.
        max_array_bytes: of arrays, unpacked: of a .npz file, a data set by name, or a data set of Python's.
        max_columns: of a CSV file.
        max_row_bytes: of one row of a CSV file, with the line ends in quoted cells.
        max_cell_characters: of one cell of a CSV file.
        max_cells: rows times columns of a CSV file.
        max_texts: different texts of all columns of a CSV file.
        threads: that decode pictures; None takes one a core.
        checkpoint_seconds: between two states that a run keeps, by which it goes on after it was stopped.
        cache_dir: where converted weights, verdicts on files and features are kept for the next run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    data: str | None = None
    target: str | None = None
    task: Literal["auto", "classification", "multi_label", "regression", "forecasting"] = "auto"
    path: str | None = None
    label_separator: Annotated[str | None, Field(min_length=1, max_length=8)] = None
    numeric: Names = ()
    categorical: Names = ()
    ignore: Names = ()
    missing: Literal["refuse", "mean", "median", "zero"] = "refuse"
    missing_texts: Names = ()
    separator: str | None = None
    decimal: Literal[".", ","] = "."
    time: str | None = None
    window: Annotated[int | None, Field(ge=1, le=100_000)] = None
    horizon: int = Field(1, ge=1, le=10_000)
    stride: int = Field(1, ge=1, le=100_000)
    group: str | None = None
    side: str | None = None
    sample_weight: str | None = None
    class_weights: Literal["none", "balanced"] = "none"
    model: str = "auto"
    units: Annotated[tuple[Annotated[int, Field(ge=1, le=65_536)], ...] | None, BeforeValidator(_listed)] = None
    l2: float = Field(0.0, ge=0, le=10, allow_inf_nan=False)
    method: Literal["auto", "head", "two_phase", "gradual", "full", "reinit", "scratch"] = "auto"
    unfreeze: Annotated[int | None, Field(ge=0, le=100)] = None
    reinit: Annotated[int | None, Field(ge=1, le=100)] = None
    freeze: Names = ()
    bn: Literal["frozen", "statistics", "train"] = "frozen"
    fine_tune_epochs: int = Field(15, ge=1, le=100_000)
    fine_tune_factor: float = Field(0.1, gt=0, le=1, allow_inf_nan=False)
    weights: str = "imagenet"
    run_dir: str | None = None
    seed: int = Field(0, ge=0, lt=2**32)
    # the zoo's networks take 32 and more; the upper end keeps one batch within a gigabyte
    image_size: Annotated[int | None, Field(ge=8, le=1024)] = None
    augmentation: Literal["none", "light", "medium", "strong"] = "none"
    mixup: float = Field(0.0, ge=0, le=10, allow_inf_nan=False)
    cutmix: float = Field(0.0, ge=0, le=10, allow_inf_nan=False)
    store_gigabytes: float = Field(20.0, ge=0, allow_inf_nan=False)
    resize: Literal["auto", "crop", "pad", "stretch"] = "crop"
    epochs: Annotated[int | None, Field(ge=1, le=100_000)] = None
    patience: Annotated[int | None, Field(ge=1)] = None
    batch_size: Annotated[int | None, Field(ge=1, le=65_536)] = None
    learning_rate: Annotated[float | None, Field(gt=0, le=10, allow_inf_nan=False)] = None
    optimizer: Optimizers = "adam"
    momentum: float = Field(0.9, ge=0, lt=1, allow_inf_nan=False)
    weight_decay: float = Field(0.0, ge=0, lt=1, allow_inf_nan=False)
    schedule: Schedules = "auto"
    warmup_epochs: float = Field(0.0, ge=0, le=100_000, allow_inf_nan=False)
    decay_factor: float = Field(0.1, gt=0, le=10, allow_inf_nan=False)
    decay_epochs: Annotated[float | None, Field(gt=0, le=100_000, allow_inf_nan=False)] = None
    end_factor: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)
    layer_decay: float = Field(1.0, gt=0, le=1, allow_inf_nan=False)
    clip_value: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    clip_norm: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    global_clip_norm: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    accumulation_steps: int = Field(1, ge=1, le=10_000)
    ema: Annotated[float | None, Field(gt=0, lt=1, allow_inf_nan=False)] = None
    loss: Literal["auto", "crossentropy", "focal", "mse", "mae", "huber", "quantile"] = "auto"
    label_smoothing: float = Field(0.0, ge=0, lt=1, allow_inf_nan=False)
    focal_gamma: float = Field(2.0, ge=0, le=10, allow_inf_nan=False)
    huber_delta: float = Field(1.0, gt=0, allow_inf_nan=False)
    quantile: float = Field(0.5, gt=0, lt=1, allow_inf_nan=False)
    dropout: Annotated[float | None, Field(ge=0, lt=1, allow_inf_nan=False)] = None
    validation_fraction: Rate = 0.15
    test_fraction: Rate = 0.15
    folds: Annotated[int | None, Field(ge=2, le=100)] = None
    drop_empty_classes: bool = False
    strict: bool = False
    max_image_pixels: int = Field(89_000_000, ge=1, le=178_000_000)
    datasets_dir: str | None = None
    max_array_bytes: int = Field(4_000_000_000, ge=1)
    max_columns: int = Field(10_000, ge=1)
    max_row_bytes: int = Field(4_000_000, ge=1)
    max_cell_characters: int = Field(131_072, ge=1)
    max_cells: int = Field(500_000_000, ge=1)
    max_texts: int = Field(10_000_000, ge=1)
    checkpoint_seconds: float = Field(60.0, ge=0, allow_inf_nan=False)
    threads: int | None = Field(None, ge=1, le=256)
    cache_dir: str = DEFAULT_CACHE_DIR

    @model_validator(mode="after")
    def _fits_together(self) -> "FinetuneConfig":
        clips = [name for name in ("clip_value", "clip_norm", "global_clip_norm") if getattr(self, name) is not None]
        faults = {
            "validation_fraction + test_fraction must be under 0.9, the rest is the training set": (
                self.validation_fraction + self.test_fraction >= 0.9
            ),
            f"only one of {', '.join(clips)} can be set; global_clip_norm is the usual one": len(clips) > 1,
            f"decay_factor must be under 1 with schedule=plateau; received {self.decay_factor:g}": (
                self.schedule == "plateau" and self.decay_factor >= 1
            ),
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
    name = str(item["loc"][0])
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    hint = nearest(str(item["input"]), _choices(name)) if item["type"] == "literal_error" else ""
    return f"{_at(name, places)}{name} {message}; received {brief(item['input'])}.{hint}"


def _choices(name: str) -> tuple[str, ...]:
    return tuple(str(choice) for choice in get_args(FIELDS[name].annotation))


def _at(name: str, places: Mapping[str, str]) -> str:
    return f"{places[name]}: " if name in places else ""
