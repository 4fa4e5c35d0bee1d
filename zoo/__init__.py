"""Model zoo: which models there are, and how to build them with the right weights and preprocessing.

Names are resolved on first use, so that `import zoo` costs milliseconds and Keras is loaded only to build a model.
"""

import importlib

_HOMES = {
    "create": "zoo.factory",
    "backbone": "zoo.factory",
    "describe": "zoo.factory",
    "read_weights": "zoo.factory",
    "stage_outputs": "zoo.factory",
    "linear_regression": "zoo.families.dense.build",
    "logistic_regression": "zoo.families.dense.build",
    "softmax_regression": "zoo.families.dense.build",
    "mlp": "zoo.families.dense.build",
    "cnn": "zoo.families.conv.build",
    "cnn1d": "zoo.families.conv.build",
    "lstm": "zoo.families.recurrent.build",
    "gru": "zoo.families.recurrent.build",
    "bilstm": "zoo.families.recurrent.build",
    "cnn_lstm": "zoo.families.recurrent.build",
    "check_loss": "zoo.sequential.outputs",
    "ReadLimits": "zoo.weights.weight_file",
    "KerasLimits": "zoo.weights.keras_limits",
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
