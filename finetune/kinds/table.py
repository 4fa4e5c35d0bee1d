"""Tables: columns are typed and checked, an encoder is fitted on the training rows, and a small network learns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

import zoo
from finetune.config import FinetuneConfig
from finetune.data import dealing
from finetune.data.class_checks import class_findings
from finetune.data.columns import Table
from finetune.data.findings import Finding
from finetune.data.known import row_marks
from finetune.data.rows import Rows, column_values
from finetune.data.split import SPLITS, Splits
from finetune.data.table_source import read_rows
from finetune.data.targets import Target
from finetune.decide import Decision
from finetune.evaluation.mistakes import Mistake
from finetune.kinds.networks import TABLE
from finetune.kinds.table_findings import on_sides, rare_texts
from finetune.progress import Reporter
from finetune.training.weights import require_weights
from finetune.transfer.encoder import Encoder, build_encoder, fit_columns, model_inputs
from zoo.errors import ConfigError, nearest

NOUN = "rows"
TRUNK_IS_FITTED, STAGED = True, False
# Least share of rows that differ from all others, for a row that is met again to be taken for the same one.
_UNLIKE = 0.99
# A batch through the encoder: large, for there is little to do for each row.
_ENCODED_AT_ONCE = 8192


@dataclass(frozen=True)
class Data:
    """Checked rows and what identifies them."""

    examples: Rows

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the file and of what is taken from it."""
        return self.examples.fingerprint

    @property
    def marks(self) -> np.ndarray | None:
        """A mark for each row, (rows,); None where rows repeat by nature, and a new one may well be like an old one."""
        marks = row_marks(self.examples.columns)
        return marks if len(np.unique(marks)) >= _UNLIKE * len(marks) else None


@dataclass(frozen=True)
class Encoded:
    """Encoded rows, in memory; nothing is reused, for encoding takes seconds at most."""

    array: np.ndarray
    reused_rows: int = 0
    runtime: None = None


def scan(config: FinetuneConfig, table: Table, target: str) -> Rows:
    """Return the rows of a table with target, groups, weights and sides."""
    return read_rows(config, table, target)


def resolve(config: FinetuneConfig, rows: Rows) -> tuple[FinetuneConfig, list[Decision]]:
    """Fill in what was left to the run."""
    decisions = settle_network(config, TABLE, "mlp", "a small network for tables")
    decisions += settle_training(config, rows)
    if config.units is None and config.model in ("auto", "mlp"):
        units = (32, 16) if len(rows) < 3000 else (128, 64)
        decisions.append(Decision("units", units, f"for {len(rows):,} rows"))
    filled = {decision.what: decision.value for decision in decisions}
    # there are no pretrained weights for tables, whatever the default says
    return config.model_copy(update=filled), decisions


def settle_network(config: FinetuneConfig, known: Sequence[str], chosen: str, why: str) -> list[Decision]:
    """Decide on the network where that is open, or refuse one that takes no such data.

    Raises:
        ConfigError: the model is none of those known here, or a setting goes with pictures only.
    """
    if config.model not in ("auto", *known):
        raise ConfigError(
            f"model {config.model!r} does not go with this data; accepted: {', '.join(known)}."
            f"{nearest(config.model, known)}"
        )
    if config.method not in ("auto", "scratch", "custom"):
        raise ConfigError(f"method {config.method!r} needs a pretrained network; for this data there is scratch")
    return [
        *([Decision("model", chosen, why)] if config.model == "auto" else []),
        *([Decision("method", "scratch", "no pretrained network takes such data")] if config.method == "auto" else []),
    ]


def settle_training(config: FinetuneConfig, rows: Rows) -> list[Decision]:
    """Decide how long and in what steps to train, where that is open."""
    batch_size = int(np.clip(2 ** round(np.log2(max(len(rows) / 50, 1))), 16, 1024))
    wishes = {"epochs": 200, "patience": 20, "batch_size": batch_size, "learning_rate": 5e-3, "dropout": 0.0}
    why = f"usual for {len(rows):,} rows"
    return [Decision(name, value, why) for name, value in wishes.items() if getattr(config, name) is None]


def check(config: FinetuneConfig, rows: Rows, reporter: Reporter) -> Data:
    """Return the rows as they are: they were checked when they were read."""
    return Data(rows)


def deal(config: FinetuneConfig, data: Data) -> Splits:
    """Deal the rows to their sides.

    Raises:
        DataError: there are too few rows for that, or no side to learn from has weight.
    """
    splits = dealing.deal(config, data.examples)
    for part in (splits, *splits.folds):
        require_weights(data.examples.weights, part.train)
    return splits


def target(data: Data) -> Target:
    """Return what is to be predicted."""
    return data.examples.target


def settle(config: FinetuneConfig, data: Data) -> tuple[FinetuneConfig, list[Decision]]:
    """Decide what only the checked data can tell: nothing."""
    return config, []


def findings(config: FinetuneConfig, data: Data, splits: Splits) -> list[Finding]:
    """Return what the checks have to say, on the sizes of the classes too."""
    found = [on_sides(finding, data.examples, splits) for finding in data.examples.findings]
    found += rare_texts(data.examples, splits)
    if data.examples.target.task == "classification":
        goal = data.examples.target
        found += class_findings(goal.values.tolist(), goal.names, splits, class_weights=config.class_weights)
    return found


def lighten(data: Data) -> Data:
    """Return the data without what only the checks need: rows have no such thing."""
    return data


def build_trunk(config: FinetuneConfig, data: Data, splits: Splits) -> Encoder:
    """Return the encoder of the columns, fitted on the training rows."""
    values = column_values(data.examples.columns)
    return build_encoder(fit_columns(values, np.array(splits.train), missing=config.missing))


def features(config: FinetuneConfig, encoder: Encoder, data: Data, reporter: Reporter) -> Encoded:
    """Encode all rows."""
    values, parts = column_values(data.examples.columns), []
    for first in range(0, len(data.examples), _ENCODED_AT_ONCE):
        rows = {name: column[first : first + _ENCODED_AT_ONCE] for name, column in values.items()}
        parts.append(np.asarray(encoder.model.predict_on_batch(model_inputs(rows, encoder.columns))))
    return Encoded(np.concatenate(parts))


def new_head(config: FinetuneConfig, shape: tuple[int, ...], target: Target) -> keras.Model:
    """Return a new network from features of a shape to logits."""
    return new_network(config, shape, target)


def new_network(config: FinetuneConfig, shape: tuple[int, ...], target: Target) -> keras.Model:
    """Return a new network of the zoo's, from features of a shape to logits."""
    outputs = len(target.names)
    regression = target.task in ("regression", "forecasting")
    if config.model == "linear":
        if regression:
            return zoo.linear_regression(shape, outputs, l2=config.l2, seed=config.seed)
        return zoo.softmax_regression(shape, outputs, l2=config.l2, output_activation=None, seed=config.seed)
    answer = {"task": "regression", "num_outputs": outputs} if regression else {"num_classes": outputs}
    options = {"l2": config.l2, "dropout": config.dropout, "seed": config.seed, "output_activation": None}
    if config.activation != "auto":
        options["activation"] = config.activation
    if config.units is not None:
        options["filters" if config.model == "cnn1d" else "units"] = config.units
    return getattr(zoo, config.model)(shape, **answer, **options)


def training_model(config: FinetuneConfig, head: keras.Model, *, whole: bool) -> keras.Model:
    """Return what is trained: the head itself."""
    return head


def mixing(config: FinetuneConfig) -> None:
    """Return how batches are mixed: not at all."""


def samples(config: FinetuneConfig, trunk: object, data: object, splits: Splits) -> None:
    """Return what training makes of some examples as a picture: it takes them as they are."""


def some_inputs(config: FinetuneConfig, encoder: Encoder, data: Data) -> tuple[dict[str, np.ndarray], Sequence[int]]:
    """Return the first rows as the joined model takes them, and their indices."""
    count = min(len(data.examples), 256)
    values = {name: column[:count] for name, column in column_values(data.examples.columns).items()}
    return model_inputs(values, encoder.columns), range(count)


def describe_data(data: Data, splits: Splits, findings: Sequence[Finding]) -> dict[str, object]:
    """Return data.json."""
    return describe_rows("table", data.examples, splits, findings)


def describe_rows(kind: str, rows: Rows, splits: Splits, findings: Sequence[Finding]) -> dict[str, object]:
    """Return what data.json says of rows of any kind."""
    classes = rows.target.names if rows.target.task == "classification" else ()
    per_class = {name: dict.fromkeys(SPLITS, 0) for name in classes}
    for side in splits.sizes() if classes else ():
        for label, count in enumerate(np.bincount(rows.target.values[list(getattr(splits, side))])):
            per_class[classes[label]][side] = int(count)
    return {
        "kind": kind,
        "source": rows.root,
        "fingerprint": rows.fingerprint,
        "task": rows.target.task,
        "class_names": list(classes),
        "outputs": [] if classes else list(rows.target.names),
        "columns": [{"name": name, "kind": column.kind, "why": column.why} for name, column in rows.columns.items()],
        "num_examples": len(rows),
        "splits": splits.sizes(),
        "folds": len(splits.folds),
        "per_class": per_class,
        "skipped": [vars(item) for item in rows.skipped],
        "left_out": [vars(item) for item in rows.left_out],
        "findings": [finding.as_json() for finding in findings],
        "warnings": [finding.message for finding in findings if finding.severity == "warning"],
        "notes": list(rows.notes),
    }


def describe_inputs(config: FinetuneConfig, encoder: Encoder) -> dict[str, object]:
    """Return what model.json says of how inputs are prepared."""
    return {"kind": "table", **encoder.card()}


def guesses(data: Data, splits: Splits) -> None:
    """Return answers that need no model, beyond those that every task has: none."""


def mistakes(config: FinetuneConfig, data: Data, indices: Sequence[int], outputs: np.ndarray) -> list[Mistake]:
    """Return wrong answers with their pictures: rows have none."""
    return []


def sizes(features: Encoded, seconds: Mapping[str, float]) -> str:
    """Return in a line what the encoder did."""
    rows, width = features.array.shape
    return f"features: {rows:,} rows encoded as {width:,} numbers each ({seconds['features']:.1f} s)"


def labels_of(data: Data, indices: Sequence[int]) -> list[str]:
    """Return which line of the file each of some rows begins at."""
    return [f"line {data.examples.lines[index]}" for index in indices]
