"""Spaces of ours and of keras-tuner, each as the other."""

from collections.abc import Mapping

import keras_tuner as kt

from tuning.dimension_reading import Faults, read_dimension
from tuning.dimensions import Choice, Dimension, Fixed, Float, Int
from tuning.space import Space, Values
from zoo.errors import ConfigError


def from_keras(hyperparameters: kt.HyperParameters) -> Space:
    """Return a space with the same combinations, in the same order.

    Args:
        hyperparameters: as a user of keras-tuner made them.

    Raises:
        ConfigError: there are none, or one is of a kind that keras-tuner does not have.
    """
    words = [_words(hp["class_name"], hp["config"]) for hp in hyperparameters.get_config()["space"]]
    return Space.from_mapping({"space": words}, name="keras_tuner.HyperParameters")


def to_keras(space: Space, values: Values | None = None) -> kt.HyperParameters:
    """Return keras-tuner's hyperparameters with the same combinations, but for constraints, which it does not have.

    Args:
        space: to translate.
        values: to set.

    Raises:
        ConfigError: a hyperparameter may be null or mixes kinds of values, which keras-tuner does not know.
    """
    try:
        return kt.HyperParameters.from_config(
            {"space": [_config(dimension) for dimension in space.dimensions], "values": dict(values or {})}
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"keras-tuner cannot hold this space: {error}") from error


def with_values(hyperparameters: kt.HyperParameters, values: Values) -> kt.HyperParameters:
    """Return a copy of a user's hyperparameters, set to a trial's values, for his build function."""
    copied = hyperparameters.copy()
    copied.values = dict(values)
    return copied


def _words(kind: str, config: Mapping[str, object]) -> dict[str, object]:
    """Return the words of a space file for one hyperparameter of keras-tuner's."""
    when = [[parent["config"]["name"], parent["config"]["values"]] for parent in config["conditions"]]
    words: dict[str, object] = {"name": config["name"], "when": when}
    if kind == "Fixed":
        return words | {"type": "fixed", "value": config["value"]}
    if kind == "Boolean":
        return words | {"type": "choice", "values": [False, True]}
    if kind == "Choice":
        return words | {"type": "choice", "values": list(dict.fromkeys(config["values"])), "ordered": config["ordered"]}
    if kind not in ("Int", "Float"):
        raise ConfigError(f"keras_tuner.HyperParameters: {config['name']} is a {kind}, which no space can hold")
    ends = {"low": config["min_value"], "high": config["max_value"]}
    in_range = {"type": kind.lower(), **ends, "scale": config["sampling"], "step": config["step"]}
    faults = Faults({})
    read_dimension((), str(config["name"]), in_range, faults)
    # keras-tuner lets `high` be no whole number of steps away, and stops before it
    return words | ({"type": "choice", "values": _steps(kind, config), "ordered": True} if faults.found else in_range)


def _steps(kind: str, config: Mapping[str, object]) -> list[object]:
    listed = getattr(kt.engine.hyperparameters, kind)(**{**config, "conditions": None}).values
    return sorted(set(int(value) if kind == "Int" else float(value) for value in listed))


def _config(dimension: Dimension) -> dict[str, object]:
    """Return what keras-tuner writes of such a hyperparameter into its JSON."""
    conditions = [
        {"class_name": "Parent", "config": {"name": parent, "values": list(values)}}
        for parent, values in dimension.when
    ]
    common = {"name": dimension.name, "conditions": conditions}
    match dimension:
        case Fixed(value=value):
            return {"class_name": "Fixed", "config": common | {"value": value}}
        case Choice(values=(False, True)) if isinstance(dimension.values[0], bool):
            return {"class_name": "Boolean", "config": common | {"default": False}}
        case Choice(values=values, ordered=ordered):
            is_numeric = not isinstance(values[0], str)
            config = {"values": list(values), "ordered": ordered and is_numeric, "default": None}
            return {"class_name": "Choice", "config": common | config}
        case Int() | Float():
            ends = {"min_value": dimension.low, "max_value": dimension.high, "default": None}
            config = ends | {"step": dimension.step, "sampling": dimension.scale}
            return {"class_name": type(dimension).__name__, "config": common | config}
