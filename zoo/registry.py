"""The explicit list of families, and how a name finds its row."""

import fnmatch
import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo.errors import ConfigError, nearest
from zoo.families.applications import table as applications
from zoo.families.densenet import table as densenet
from zoo.families.efficientnet_lite import table as efficientnet_lite
from zoo.families.hub.table import PREFIX
from zoo.families.resnet import table as resnet
from zoo.families.saved.table import is_path
from zoo.spec import Variant

_FAMILIES = (resnet, densenet, efficientnet_lite, applications)

_VARIANTS = {variant.name: variant for family in _FAMILIES for variant in family.VARIANTS}


def find(name: str | Path, *, also: Iterable[str] = ()) -> Variant:
    """Return the row of a model.

    Args:
        name: of a row, of a backbone of KerasHub's behind "hub:", or the path of a saved model.
        also: names that the message is to know, though they have no row.

    Raises:
        ConfigError: there is no such model; the message names the nearest.
    """
    if not isinstance(name, str | Path):
        raise ConfigError(f"a model's name must be a text or a path; received {name!r}")
    name = str(name)
    if name.startswith(PREFIX):
        return importlib.import_module("zoo.families.hub.presets").find_preset(name)
    if is_path(name):
        return importlib.import_module("zoo.families.saved.rows").find_saved(name)
    if name not in _VARIANTS:
        raise unknown(name, [*_VARIANTS, *also])
    return _VARIANTS[name]


def unknown(name: str, known: Sequence[str]) -> ConfigError:
    """Return the error that a name is none of those that are known; it says which is near, or else all of them."""
    hint = nearest(name, known) or f" Known: {', '.join(known)}."
    return ConfigError(f"unknown model {name!r}.{hint}")


def list_models(pattern: str = "*") -> list[str]:
    """Return the names that match a shell pattern, in the order of the registry.

    Example:
        >>> list_models("*lite0")
        ['efficientnet_lite0']
    """
    return [name for name in _VARIANTS if fnmatch.fnmatchcase(name, pattern)]
