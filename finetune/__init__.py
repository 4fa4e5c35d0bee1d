"""Fine-tune pretrained Keras models on your own pictures: one call in, one run directory out.

Names are resolved on first use, so that `import finetune` costs milliseconds and Keras is loaded only to work.
"""

import importlib

_HOMES = {
    "fit": "finetune.recipe",
    "find_learning_rate": "finetune.lr_find",
    "RateTest": "finetune.lr_find",
    "Run": "finetune.run",
    "Prediction": "finetune.answers",
    "FinetuneConfig": "finetune.config",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'finetune' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
