"""From a trial's values to settings of a run, and whether a space holds such values at all."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from finetune.config import FIELDS, make_config
from tuning.dimensions import Dimension, Float, Int
from tuning.space import Space
from tuning.trial import Value
from zoo.errors import ConfigError, nearest

NUM_LAYERS = "num_layers"
_UNITS_OF_LAYER = re.compile(r"units_([1-9]\d?)")
MAX_LAYERS = 99
# Settings that change what is learned from or how it is judged: scores under them cannot be compared.
_NOT_SEARCHED = (
    *("data", "target", "task", "path", "label_separator", "time", "window", "horizon", "stride", "group", "side"),
    *("sample_weight", "run_dir", "seed", "split_seed", "validation_fraction", "test_fraction", "folds", "model"),
    *("datasets_dir", "cache_dir", "checkpoint_seconds", "threads", "strict", "store_gigabytes"),
)


def settings_of(values: Mapping[str, Value]) -> dict[str, object]:
    """Return the settings that a trial's values mean.

    `num_layers` with `units_1`, `units_2`, … becomes the setting `units`, as does `num_layers` with one `units` for all
    layers, and `units_1`, … without `num_layers`. All other names are settings.

    Args:
        values: every active hyperparameter by name.

    Raises:
        ConfigError: `num_layers` asks for layers without units.

    Example:
        >>> settings_of({"num_layers": 2, "units_1": 64, "units_2": 32, "l2": 0.0})
        {'l2': 0.0, 'units': (64, 32)}
    """
    of_layer = {int(found[1]): values[name] for name in values if (found := _UNITS_OF_LAYER.fullmatch(name))}
    layers = values.get(NUM_LAYERS)
    settings = {
        name: value for name, value in values.items() if name != NUM_LAYERS and not _UNITS_OF_LAYER.fullmatch(name)
    }
    if layers is None and not of_layer:
        return settings
    wanted = range(1, (max(of_layer) if layers is None else layers) + 1)
    if of_layer:
        missing = [f"units_{layer}" for layer in wanted if layer not in of_layer]
        if missing:
            raise ConfigError(f"{len(wanted)} layers, but the space gives no {', '.join(missing)}")
        return settings | {"units": tuple(of_layer[layer] for layer in wanted)}
    if not isinstance(values.get("units"), int):
        raise ConfigError(f"{NUM_LAYERS} needs units_1, units_2, … or one number `units` in the space")
    return settings | {"units": (values["units"],) * len(wanted)}


def check_settings(space: Space, places: Mapping[tuple, str] = MappingProxyType({})) -> None:
    """Refuse a space whose names or values are not settings of a run.

    Args:
        space: to check.
        places: path of keys → where it stands ("space.yaml line 4"), for messages.

    Raises:
        ConfigError: a line for each fault.
    """
    faults = [
        f"{places[at]}: {fault}" if (at := ("space", dimension.name)) in places else fault
        for dimension in space.dimensions
        for fault in _faults(dimension)
    ]
    if not faults:
        faults = list(_layer_faults(space))
    if faults:
        raise ConfigError("\n".join(dict.fromkeys(faults)))


def _faults(dimension: Dimension) -> Iterator[str]:
    name = dimension.name
    if name in _NOT_SEARCHED:
        yield f"space.{name} cannot be searched: scores under different values of it cannot be compared"
    elif name == NUM_LAYERS:
        yield from (
            f"space.{name} must be whole numbers from 1 to {MAX_LAYERS}; received {value!r}"
            for value in _ends(dimension)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_LAYERS
        )
    elif _UNITS_OF_LAYER.fullmatch(name) or name in FIELDS:
        field = name if name in FIELDS else "units"
        yield from (fault for value in _ends(dimension) if (fault := _refused(name, field, value)))
    else:
        near = nearest(name, (*FIELDS.keys() - set(_NOT_SEARCHED), NUM_LAYERS, "units_1"))
        yield f"space.{name} is no setting of `finetune fit`.{near}"


def _ends(dimension: Dimension) -> tuple[Value, ...]:
    """Return all values, or of a range the two between which they lie."""
    return (dimension.low, dimension.high) if isinstance(dimension, Int | Float) else dimension.values


def _refused(name: str, field: str, value: Value) -> str:
    try:
        make_config({field: value})
    except ConfigError as error:
        return f"space.{name}: {error}"
    return ""


def _layer_faults(space: Space) -> Iterator[str]:
    """Return what is wrong with layers and their units, by the largest number of layers."""
    names = {dimension.name: dimension for dimension in space.dimensions}
    if NUM_LAYERS in names:
        of_layer = [name for name in names if _UNITS_OF_LAYER.fullmatch(name)]
        most = max(_ends(names[NUM_LAYERS]))
        units = [f"units_{layer}" for layer in range(1, most + 1)]
        missing = [name for name in units if name not in names]
        if of_layer and missing:
            yield f"space.{NUM_LAYERS} goes up to {most}, but there is no {', '.join(missing)}"
        elif not of_layer and not isinstance(names.get("units"), Int):
            yield f"space.{NUM_LAYERS} needs units_1 to units_{most}, or one `units: {{type: int, …}}` for all layers"
