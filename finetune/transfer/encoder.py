"""The first part of a model for tables: columns in, features out; fitted on training rows and then frozen."""

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from finetune.tasks import mean_and_deviation
from zoo.errors import RunStateError
from zoo.filling import FillMissing
from zoo.scaling import Standardize

NUMBERS = "numbers"
_FILL, _NORMALIZE, _FEATURES, _MODEL = "fill_missing", "normalize", "features", "encoder"
_OWN_NAMES = (NUMBERS, _FILL, _NORMALIZE, _FEATURES, _MODEL)
# What layers of the networks that follow are called: flatten, dense1, dense1_relu, dense2_dropout, logits, outputs …
_OF_A_HEAD = re.compile(r"(flatten|dense\d+|logits|probabilities|outputs)(_\w+)?")
# One-hot columns a text may take; rarer texts share the place of unknown ones.
MOST_CATEGORIES = 256
MISSING = ("refuse", "mean", "median", "zero")


@dataclass(frozen=True)
class InputColumn:
    """How one column of a table enters the model.

    Attributes:
        name: of the column, as the user wrote it.
        kind: "numeric" or "categorical".
        input: name of the model's input that holds it: "numbers", or its own.
        mean: of the training rows; numeric only.
        std: of the training rows, 0 for a constant column, which says nothing; numeric only.
        filler: what a blank becomes; None where blanks are refused; numeric only.
        categories: texts of the training rows, the most frequent first; categorical only.
    """

    name: str
    kind: str
    input: str
    mean: float = 0.0
    std: float = 1.0
    filler: float | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Encoder:
    """The encoding part of a model and what it was fitted to.

    Attributes:
        model: {"numbers": (batch, numeric columns) float64, and for each categorical column (batch, 1) text} to
            (batch, width) float32.
        columns: in the order of the table; numeric ones are in this order in "numbers".
    """

    model: keras.Model
    columns: tuple[InputColumn, ...]

    def card(self) -> dict[str, object]:
        """Return what model.json keeps of it."""
        return {"columns": [asdict(column) | {"categories": list(column.categories)} for column in self.columns]}


def fit_columns(
    values: Mapping[str, np.ndarray], train: np.ndarray, *, missing: str = "refuse"
) -> tuple[InputColumn, ...]:
    """Return how each column is encoded, by its training rows alone.

    Args:
        values: column to (n,) float with NaN for blanks, or to (n,) texts with "" for blanks.
        train: indices of the training rows.
        missing: filler for blank numbers: "mean", "median", "zero", or "refuse" where there are none.
    """
    inputs = _input_names([name for name, column in values.items() if column.dtype.kind not in "fiu"])
    columns = []
    for name, column in values.items():
        known = column[train]
        if name in inputs:
            # counted by codes: an array of fixed width would take the longest text for every row
            counts = Counter(known.tolist())
            most = tuple(sorted(counts, key=lambda text: (-counts[text], text))[:MOST_CATEGORIES])
            columns.append(InputColumn(name, "categorical", inputs[name], categories=most))
            continue
        known = known[~np.isnan(known)].astype("float64")
        if not len(known):
            known = np.zeros(1)
        mean, std = (float(value[0]) for value in mean_and_deviation(known[:, None]))
        filler = {"mean": mean, "median": np.median(known), "zero": 0.0}.get(missing)
        filler = None if filler is None else float(filler)
        columns.append(InputColumn(name, "numeric", NUMBERS, mean, std, filler))
    return tuple(columns)


def build_encoder(columns: Sequence[InputColumn]) -> Encoder:
    """Return the encoder of fitted columns: blanks filled, numbers to mean 0 and deviation 1, texts one-hot.

    A text that no training row had, and one beyond the 256 most frequent, goes to a place of its own.
    """
    numeric = [column for column in columns if column.kind == "numeric"]
    inputs, parts = {}, []
    if numeric:
        inputs[NUMBERS] = x = keras.Input((len(numeric),), dtype="float64", name=NUMBERS)
        fillers = [column.filler for column in numeric]
        if None not in fillers:
            x = FillMissing(fillers, dtype="float64", name=_FILL)(x)
        mean, std = [column.mean for column in numeric], [column.std for column in numeric]
        parts.append(Standardize(mean, std, name=_NORMALIZE)(x))
    for column in columns:
        if column.kind == "categorical":
            inputs[column.input] = text = keras.Input((1,), dtype="string", name=column.input)
            # a text of the data that looks like the sign for unknown ones would be refused by Keras
            one_hot = keras.layers.StringLookup(
                vocabulary=list(column.categories),
                output_mode="one_hot",
                oov_token=_unknown(column.categories),
                name=_layer_name(column.input),
            )
            parts.append(one_hot(text))
    features = keras.layers.Concatenate(name=_FEATURES)(parts) if len(parts) > 1 else parts[0]
    return Encoder(keras.Model(inputs, features, name=_MODEL), tuple(columns))


def model_inputs(values: Mapping[str, np.ndarray], columns: Sequence[InputColumn]) -> dict[str, np.ndarray]:
    """Return a table's columns as a model takes them.

    Args:
        values: as in `fit_columns`, with at least the encoder's columns.
        columns: of the encoder.
    """
    numeric = [values[column.name] for column in columns if column.kind == "numeric"]
    inputs = {NUMBERS: np.stack(numeric, axis=1).astype("float64")} if numeric else {}
    for column in columns:
        if column.kind == "categorical":
            inputs[column.input] = keras.ops.convert_to_tensor(values[column.name][:, None])
    return inputs


def read_columns(described: Mapping[str, object], path: Path) -> tuple[InputColumn, ...]:
    """Return the columns that model.json lists.

    Raises:
        RunStateError: it lists none, or lists them otherwise than a run does.
    """
    try:
        columns = tuple(
            InputColumn(**{**column, "categories": tuple(column["categories"])}) for column in described["columns"]
        )
    except (KeyError, TypeError) as error:
        raise RunStateError(
            f"{path}: its columns are missing or damaged; start the run again with --overwrite"
        ) from error
    if not columns or not all(isinstance(column.name, str) and isinstance(column.input, str) for column in columns):
        raise RunStateError(f"{path}: its columns are damaged; start the run again with --overwrite")
    return columns


def _unknown(categories: Sequence[str]) -> str:
    token = "[UNK]"
    while token in categories:
        token = f"[{token}]"
    return token


def _input_names(names: Sequence[str]) -> dict[str, str]:
    """Return for each column a name that Keras takes for an input, that no other layer of a saved model has."""
    found: dict[str, str] = {}
    taken = set(_OWN_NAMES)
    for name in names:
        plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "column"
        plain = f"column_{plain}" if _OF_A_HEAD.fullmatch(plain) else plain
        candidates = (plain if number == 1 else f"{plain}_{number}" for number in itertools.count(1))
        found[name] = next(one for one in candidates if taken.isdisjoint({one, _layer_name(one)}))
        taken |= {found[name], _layer_name(found[name])}
    return found


def _layer_name(name: str) -> str:
    return f"encode_{name}"
