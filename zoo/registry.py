"""The explicit list of families, and how a name finds its row."""

import fnmatch
import importlib
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


def find(name: str | Path) -> Variant:
    """Return the row of a model.

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
        hint = nearest(name, _VARIANTS) or f" Known: {', '.join(_VARIANTS)}."
        raise ConfigError(f"unknown model {name!r}.{hint}")
    return _VARIANTS[name]


def list_models(pattern: str = "*") -> list[str]:
    """Return the names that match a shell pattern, in the order of the registry.

    Example:
        >>> list_models("*lite0")
        ['efficientnet_lite0']
    """
    return [name for name in _VARIANTS if fnmatch.fnmatchcase(name, pattern)]
