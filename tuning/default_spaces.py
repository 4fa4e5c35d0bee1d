"""What is searched where the user gives no space: a table of hyperparameters for each family of models."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from tuning.space import Space

Words = Mapping[str, object]

_RATE = {"type": "float", "low": 1e-4, "high": 0.1, "scale": "log"}
_DROPOUT = {"type": "float", "low": 0.0, "high": 0.6, "step": 0.1}
# the network may need none, which a log scale does not have
_L2 = {"values": [0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2], "ordered": True}
_BATCH_SIZE = {"values": [16, 32, 64, 128], "ordered": True}
_AUGMENTATION = {"values": ["none", "light", "medium", "strong"], "ordered": True}
_TRAINING = {
    "learning_rate": _RATE,
    "optimizer": ["adam", "momentum", "rmsprop", "nadam"],
    "schedule": ["constant", "cosine", "exponential", "one_cycle"],
    "batch_size": _BATCH_SIZE,
}
_FINE = {
    "unfreeze": {"type": "int", "low": 1, "high": 4},
    "fine_tune_factor": {"type": "float", "low": 0.01, "high": 1.0, "scale": "log"},
}


def _layers(most: int, low: int, high: int) -> dict[str, object]:
    """Return the words for a number of layers, and for the units of each that there is."""
    units = {"type": "int", "low": low, "high": high, "scale": "log", "step": 2}
    below = {f"units_{at}": units | {"when": {"num_layers": list(range(at, most + 1))}} for at in range(2, most + 1)}
    return {"num_layers": {"type": "int", "low": 1, "high": most}, "units_1": units, **below}


_DENSE = (
    _TRAINING | _layers(3, 8, 256) | {"activation": ["relu", "gelu", "selu", "tanh"], "l2": _L2, "dropout": _DROPOUT}
)
_RECURRENT = _TRAINING | _layers(2, 16, 128) | {"l2": _L2, "dropout": _DROPOUT}
_OF_HEAD = _TRAINING | {"dropout": _DROPOUT, "weight_decay": _L2}
_SMALL_HEAD_START = {
    "optimizer": "adam",
    "schedule": "constant",
    "learning_rate": 1e-3,
    "batch_size": 32,
    "weight_decay": 0.0,
}
_NETWORK_START = {"optimizer": "adam", "schedule": "constant", "learning_rate": 5e-3, "l2": 0.0, "dropout": 0.0}

# Family → hyperparameters. Those of a pretrained network go by the method.
SPACES: Mapping[str, Words] = MappingProxyType(
    {
        "linear": _TRAINING | {"l2": _L2},
        "mlp": _DENSE,
        "lstm": _RECURRENT,
        "gru": _RECURRENT,
        "bilstm": _RECURRENT,
        "cnn1d": _TRAINING | _layers(3, 16, 128) | {"l2": _L2, "dropout": _DROPOUT},
        "cnn_lstm": _TRAINING | _layers(2, 16, 128) | {"l2": _L2, "dropout": _DROPOUT},
        "cnn": _TRAINING | _layers(4, 16, 256) | {"l2": _L2, "dropout": _DROPOUT, "augmentation": _AUGMENTATION},
        "head": _OF_HEAD,
        "two_phase": _OF_HEAD | _FINE,
        "gradual": _OF_HEAD | _FINE,
        "full": _OF_HEAD | {"fine_tune_factor": _FINE["fine_tune_factor"], "layer_decay": {"low": 0.5, "high": 1.0}},
        "reinit": _OF_HEAD | {"reinit": {"type": "int", "low": 1, "high": 3}},
        "scratch": _OF_HEAD | {"augmentation": _AUGMENTATION, "mixup": {"values": [0.0, 0.2, 0.4], "ordered": True}},
    }
)
# What a single run takes unasked, tried first, so that no search ends with less than that.
STARTS: Mapping[str, Words] = MappingProxyType(
    {
        **dict.fromkeys(("lstm", "gru", "bilstm"), _NETWORK_START | {"num_layers": 1, "units_1": 32}),
        **dict.fromkeys(("cnn1d", "cnn_lstm"), _NETWORK_START | {"num_layers": 2, "units_1": 32, "units_2": 64}),
        **dict.fromkeys(("head", "two_phase", "gradual", "full", "reinit"), _SMALL_HEAD_START),
        "linear": _NETWORK_START,
        "mlp": _NETWORK_START | {"num_layers": 2, "units_1": 32, "units_2": 16, "activation": "relu"},
        "cnn": {"optimizer": "adam", "schedule": "one_cycle", "learning_rate": 4e-3, "l2": 0.0, "augmentation": "none"},
        "scratch": {"optimizer": "adam", "schedule": "one_cycle", "learning_rate": 4e-3, "augmentation": "none"},
    }
)
# Losses to choose from, for tasks whose score does not depend on the choice.
LOSSES: Mapping[str, Words] = MappingProxyType(
    {
        "classification": {},
        "multi_label": {"loss": ["crossentropy", "focal"]},
        "regression": {"loss": ["mse", "mae", "huber"]},
        "forecasting": {"loss": ["mse", "mae", "huber"]},
    }
)


def default_space(
    model: str, method: str | None = None, *, task: str = "classification", settled: Collection[str] = ()
) -> Space:
    """Return the space of a model family.

    Args:
        model: name of the model; one without a table of its own is a pretrained network.
        method: of a pretrained network; None and "auto" are "head".
        task: "classification", "multi_label", "regression" or "forecasting".
        settled: settings that the user has given a value, and that are not searched therefore; `units` settles the
            layers.

    Example:
        >>> [dimension.name for dimension in default_space("linear").dimensions]
        ['learning_rate', 'optimizer', 'schedule', 'batch_size', 'l2']
    """
    family = model if model in SPACES and model != "scratch" else _family_of_method(method)
    words = {name: word for name, word in (SPACES[family] | LOSSES[task]).items() if not _is_settled(name, settled)}
    start = {name: value for name, value in STARTS[family].items() if name in words}
    return Space.from_mapping({"space": words, "start": [start]} if start else {"space": words})


def _family_of_method(method: str | None) -> str:
    return method if method not in (None, "auto") else "head"


def _is_settled(name: str, settled: Collection[str]) -> bool:
    return name in settled or ("units" in settled and name.startswith(("units_", "num_layers")))
