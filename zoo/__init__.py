"""Model zoo: which models there are, and how to build them with the right weights and preprocessing.

Names are resolved on first use, so that `import zoo` costs milliseconds and Keras is loaded only to build a model.
"""

import importlib

_HOMES = {
    "create": "zoo.factory",
    "backbone": "zoo.factory",
    "list_models": "zoo.registry",
    "find": "zoo.registry",
    "Variant": "zoo.spec",
    "Weights": "zoo.spec",
    "Preprocessing": "zoo.spec",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
