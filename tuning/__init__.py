"""Searches of hyperparameters over many fine-tuning runs, which resume after anything.

Names are resolved on first use, so that `import tuning` costs milliseconds and Keras is loaded only to work.
"""

import importlib

_HOMES = {
    "search": "tuning.searching",
    "Study": "tuning.study",
    "Trial": "tuning.trial",
    "Space": "tuning.space",
    "candidates": "tuning.ranking",
    "best_settings": "tuning.words",
    "load_best": "tuning.best_model",
    "make_ensemble": "tuning.ensemble",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'tuning' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
