"""Series: windows over a CSV file in the order of time; what comes next is forecast, or windows are named."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import keras
import numpy as np

from finetune.config import FinetuneConfig
from finetune.data import series as cuts
from finetune.data.class_checks import class_findings
from finetune.data.findings import Finding
from finetune.data.series_pace import Pace
from finetune.data.series_source import Series
from finetune.data.split import SPLITS, Splits
from finetune.data.targets import Target
from finetune.decide import Decision
from finetune.evaluation.mistakes import Mistake
from finetune.kinds.networks import SERIES
from finetune.kinds.table import new_network, settle_network, settle_training
from finetune.progress import Reporter
from finetune.tasks import mean_and_deviation
from zoo.errors import ConfigError
from zoo.filling import FillMissing
from zoo.scaling import Standardize

NOUN = "windows"
TRUNK_IS_FITTED, STAGED = True, False
INPUT = "window"


@dataclass(frozen=True)
class Data:
    """A checked series and what identifies it."""

    examples: Series

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the file and of what is taken from it."""
        return self.examples.fingerprint


@dataclass(frozen=True)
class Normalizer:
    """The first part of a model for series, fitted to the training steps.

    Attributes:
        model: (batch, window, features) float64 to the same in float32, around 0.
        names: of the features.
        mean: of each feature.
        std: of each feature, 0 for a constant one, which says nothing.
        fillers: what blanks become; empty where they are refused.
        windows: how a series is cut.
        pace: how it goes in time; None where no column says when.
    """

    model: keras.Model
    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fillers: tuple[float, ...]
    windows: cuts.Windows
    pace: Pace | None = None


@dataclass(frozen=True)
class Prepared:
    """Windows of the prepared series, as a view of it."""

    array: np.ndarray
    reused_rows: int = 0
    runtime: None = None


def resolve(config: FinetuneConfig, series: Series) -> tuple[FinetuneConfig, list[Decision]]:
    """Fill in what was left to the run."""
    decisions = settle_network(config, SERIES, "mlp", "quick, and hard to beat on short series")
    decisions += settle_training(config, series)
    if config.units is None and config.model in ("auto", "mlp", "lstm", "gru", "bilstm"):
        decisions.append(Decision("units", (32,), f"for {len(series):,} windows"))
    return config.model_copy(update={decision.what: decision.value for decision in decisions}), decisions


def check(config: FinetuneConfig, series: Series, reporter: Reporter) -> Data:
    """Return the series as it is: it was checked when it was read."""
    return Data(series)


def deal(config: FinetuneConfig, data: Data) -> Splits:
    """Deal the windows to their sides by time.

    Raises:
        ConfigError: folds are asked for.
    """
    if config.folds is not None:
        raise ConfigError(
            f"folds={config.folds} does not go with a series, whose later windows would teach what is tested; "
            f"a series is split by time. Leave folds out"
        )
    series = data.examples
    fractions = {"validation_fraction": config.validation_fraction, "test_fraction": config.test_fraction}
    return cuts.split_by_time(series.windows, len(series.values), **fractions)


def target(data: Data) -> Target:
    """Return what is to be predicted."""
    return data.examples.target


def settle(config: FinetuneConfig, data: Data) -> tuple[FinetuneConfig, list[Decision]]:
    """Decide what only the checked data can tell: nothing."""
    return config, []


def findings(config: FinetuneConfig, data: Data, splits: Splits) -> list[Finding]:
    """Return what the checks have to say."""
    goal, found = data.examples.target, list(data.examples.findings)
    if goal.task == "classification":
        found += _never_learned(goal, splits)
        found += class_findings(goal.values.tolist(), goal.names, splits, class_weights=config.class_weights)
    return found


def lighten(data: Data) -> Data:
    """Return the data without what only the checks need: rows have no such thing."""
    return data


def build_trunk(config: FinetuneConfig, data: Data, splits: Splits) -> Normalizer:
    """Return what brings each feature around 0, fitted on the steps that training windows see."""
    series = data.examples
    last = series.windows.first_targets(len(series.values))[max(splits.train)]
    fitted, fillers = [], []
    for values in series.values[: last + max(series.windows.horizon, 1)].T:
        known = values[~np.isnan(values)] if not np.isnan(values).all() else np.zeros(1)
        mean, std = (float(value[0]) for value in mean_and_deviation(known[:, None]))
        fitted.append((mean, std))
        fillers.append({"mean": mean, "median": float(np.median(known)), "zero": 0.0}.get(config.missing))
    mean, std = zip(*fitted, strict=True)
    normalizer = build_normalizer(series.names, mean, std, () if None in fillers else fillers, series.windows)
    return replace(normalizer, pace=series.pace)


def build_normalizer(
    names: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    fillers: Sequence[float],
    windows: cuts.Windows,
) -> Normalizer:
    """Return the first part of a model with what was fitted."""
    inputs = x = keras.Input((windows.window, len(names)), dtype="float64", name=INPUT)
    if fillers:
        x = FillMissing(list(fillers), dtype="float64", name="fill_missing")(x)
    x = Standardize(list(mean), list(std), name="normalize")(x)
    model = keras.Model(inputs, x, name="series")
    return Normalizer(model, tuple(names), tuple(mean), tuple(std), tuple(fillers), windows)


def features(config: FinetuneConfig, trunk: Normalizer, data: Data, reporter: Reporter) -> Prepared:
    """Prepare the series once; its windows are views."""
    prepared = data.examples.values
    for layer in trunk.model.layers[1:]:
        prepared = layer(prepared)
    return Prepared(trunk.windows.inputs(np.asarray(prepared)))


def new_head(config: FinetuneConfig, shape: tuple[int, ...], target: Target) -> keras.Model:
    """Return a new network from prepared windows of a shape to logits."""
    return new_network(config, shape, target)


def training_model(config: FinetuneConfig, head: keras.Model, *, whole: bool) -> keras.Model:
    """Return what is trained: the head itself."""
    return head


def mixing(config: FinetuneConfig) -> None:
    """Return how batches are mixed: not at all."""


def samples(config: FinetuneConfig, trunk: object, data: object, splits: Splits) -> None:
    """Return what training makes of some examples as a picture: it takes them as they are."""


def some_inputs(config: FinetuneConfig, trunk: Normalizer, data: Data) -> tuple[np.ndarray, Sequence[int]]:
    """Return the first windows as the joined model takes them, and their indices."""
    first = trunk.windows.inputs(data.examples.values)[:256]
    return np.ascontiguousarray(first), range(len(first))


def describe_data(data: Data, splits: Splits, findings: Sequence[Finding]) -> dict[str, object]:
    """Return data.json."""
    series = data.examples
    classes = series.target.names if series.target.task == "classification" else ()
    per_class = {name: dict.fromkeys(SPLITS, 0) for name in classes}
    for side in SPLITS if classes else ():
        for label, count in enumerate(np.bincount(series.target.values[list(getattr(splits, side))])):
            per_class[classes[label]][side] = int(count)
    borders = {side: _border(series, getattr(splits, side)) for side in SPLITS}
    return {
        "kind": "series",
        "source": series.root,
        "fingerprint": series.fingerprint,
        "task": series.target.task,
        "class_names": list(classes),
        "outputs": [] if classes else list(series.target.names),
        "columns": [{"name": name, "kind": "numeric", "why": "looked back on"} for name in series.names],
        "steps": len(series.values),
        "windows": asdict(series.windows),
        "period": series.period,
        "num_examples": len(series),
        "splits": splits.sizes(),
        "folds": 0,
        "per_class": per_class,
        "skipped": [vars(item) for item in series.skipped],
        "left_out": [vars(item) for item in series.left_out],
        "findings": [finding.as_json() for finding in findings],
        "warnings": [finding.message for finding in findings if finding.severity == "warning"],
        "notes": [*series.notes, f"split by time: {', '.join(f'{side} {when}' for side, when in borders.items())}"],
    }


def describe_inputs(config: FinetuneConfig, trunk: Normalizer) -> dict[str, object]:
    """Return what model.json says of how inputs are prepared."""
    fitted = {name: list(getattr(trunk, name)) for name in ("mean", "std", "fillers")}
    pace = trunk.pace.as_json() if trunk.pace else None
    return {"kind": "series", "features": list(trunk.names), **fitted, "windows": asdict(trunk.windows), "pace": pace}


def guesses(data: Data, splits: Splits) -> Mapping[str, np.ndarray] | None:
    """Return forecasts that need no model."""
    series = data.examples
    return cuts.guesses(series.past, series.windows, series.period) if series.target.task == "forecasting" else None


def mistakes(config: FinetuneConfig, data: Data, indices: Sequence[int], outputs: np.ndarray) -> list[Mistake]:
    """Return wrong answers with their pictures: windows have none."""
    return []


def sizes(features: Prepared, seconds: Mapping[str, float]) -> str:
    """Return in a line what was prepared."""
    count, window, width = features.array.shape
    return f"features: {count:,} windows of {window} steps and {width} features ({seconds['features']:.1f} s)"


def labels_of(data: Data, indices: Sequence[int]) -> list[str]:
    """Return the moment that each of some windows is about."""
    series = data.examples
    first = series.windows.first_targets(len(series.values))
    return [series.moments[first[index]] for index in indices]


def _never_learned(goal: Target, splits: Splits) -> list[Finding]:
    """Return a warning of classes that come up only after what is learned."""
    learned = set(goal.values[list(splits.train)].tolist())
    later = [*splits.validation, *splits.test]
    names = [repr(goal.names[label]) for label in sorted(set(goal.values[later].tolist()) - learned)]
    if not names:
        return []
    verb = "comes" if len(names) == 1 else "come"
    message = (
        f"{', '.join(names[:10])} {verb} up only after the time that is learned from, so no window of validation and "
        f"test will be given that name. Bring a longer series, or judge by the other classes."
    )
    return [Finding("never learned", "warning", message, tuple(names[:10]), len(names))]


def _border(series: Series, side: Sequence[int]) -> str:
    first = series.windows.first_targets(len(series.values))
    return f"{series.moments[first[min(side)]]} to {series.moments[first[max(side)]]}"
