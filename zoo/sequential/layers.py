"""Hidden layers: how activation, initializer, normalization, dropout and seed go together."""

import hashlib
import inspect
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import keras

from zoo.sequential import arguments

# Activation to the initializer that keeps the variance of what flows through: He et al. 2015 (https://arxiv.org/abs/
# 1502.01852) for those that cut negative values, Glorot and Bengio 2010 for symmetric ones and the sigmoid, LeCun for
# selu (Klambauer et al. 2017, https://arxiv.org/abs/1706.02515).
MATCHING_INITIALIZER = MappingProxyType(
    {
        "relu": "he_normal",
        "leaky_relu": "he_normal",
        "elu": "he_normal",
        "gelu": "he_normal",
        "selu": "lecun_normal",
        "tanh": "glorot_uniform",
        "sigmoid": "glorot_uniform",
        "linear": "glorot_uniform",
    }
)
ACTIVATIONS = tuple(MATCHING_INITIALIZER)
INITIALIZERS = MappingProxyType(
    {
        "he_normal": keras.initializers.HeNormal,
        "he_uniform": keras.initializers.HeUniform,
        "glorot_normal": keras.initializers.GlorotNormal,
        "glorot_uniform": keras.initializers.GlorotUniform,
        "lecun_normal": keras.initializers.LecunNormal,
        "lecun_uniform": keras.initializers.LecunUniform,
    }
)
NORMALIZATIONS = MappingProxyType(
    {"none": None, "batch": keras.layers.BatchNormalization, "layer": keras.layers.LayerNormalization}
)


@dataclass(frozen=True)
class Hidden:
    """What all hidden layers of a model have in common; checked when it is made.

    Attributes:
        activation: one of ACTIVATIONS.
        normalization: "none", "batch" or "layer".
        dropout: rate in [0, 1).
        l2: factor of the sum of squared kernel weights in the loss.
        initializer: "auto" for the one that matches the activation, or one of INITIALIZERS.
        seed: of everything random in the model, or None.
    """

    activation: str
    normalization: str
    dropout: float
    l2: float
    initializer: str
    seed: int | None

    def __post_init__(self) -> None:
        """Refuse what no layer can be made of, and make NumPy's numbers plain."""
        arguments.one_of("activation", self.activation, ACTIVATIONS)
        arguments.one_of("normalization", self.normalization, NORMALIZATIONS)
        arguments.one_of("initializer", self.initializer, ("auto", *INITIALIZERS))
        object.__setattr__(self, "dropout", arguments.rate("dropout", self.dropout))
        object.__setattr__(self, "l2", arguments.strength("l2", self.l2))
        object.__setattr__(self, "seed", arguments.seed("seed", self.seed))

    @property
    def use_bias(self) -> bool:
        """Whether the linear part needs a bias: batch normalization subtracts the mean, and any bias with it."""
        return self.normalization != "batch"


def layer_seed(seed: int | None, use: str) -> int | None:
    """Derive the seed of one use of chance, such as "dense1" for its kernel or "dense1/dropout".

    It depends on the seed and the use alone: twins start apart, and a dropout layer more or less leaves every
    initial weight as it was.

    Returns:
        A number below 2**31, or None for None: then Keras draws one from its global generator.
    """
    if seed is None:
        return None
    return int.from_bytes(hashlib.sha256(f"{seed}/{use}".encode()).digest()[:4]) >> 1


def initializer(name: str, activation: str, seed: int | None) -> keras.initializers.Initializer:
    """Make a new initializer: "auto" picks by activation. Layers that share an instance would share their values."""
    return INITIALIZERS[MATCHING_INITIALIZER[activation] if name == "auto" else name](seed)


def penalty(l2: float) -> keras.regularizers.Regularizer | None:
    """Return the L2 penalty on a kernel, or None for 0."""
    return keras.regularizers.L2(l2) if l2 else None


def linear_options(name: str, hidden: Hidden) -> dict[str, object]:
    """Return what dense layers and convolutions are made with: their activation is a layer of its own."""
    return {
        "name": name,
        "use_bias": hidden.use_bias,
        "kernel_initializer": initializer(hidden.initializer, hidden.activation, layer_seed(hidden.seed, name)),
        "kernel_regularizer": penalty(hidden.l2),
    }


def activated(name: str, hidden: Hidden) -> list[keras.Layer]:
    """Return what follows a linear part: normalization, then activation."""
    layers = normalized(name, hidden.normalization)
    if hidden.activation != "linear":
        layers.append(keras.layers.Activation(hidden.activation, name=f"{name}_{hidden.activation}"))
    return layers


def normalized(name: str, normalization: str) -> list[keras.Layer]:
    """Return the normalization layer, if there is one."""
    make = NORMALIZATIONS[normalization]
    return [make(name=f"{name}_norm")] if make else []


def dropped(name: str, hidden: Hidden, *, alpha: bool) -> list[keras.Layer]:
    """Return the dropout layer, if there is one; alpha dropout keeps the mean and variance that selu gives."""
    if not hidden.dropout:
        return []
    make = keras.layers.AlphaDropout if alpha else keras.layers.Dropout
    return [make(hidden.dropout, seed=layer_seed(hidden.seed, f"{name}/dropout"), name=f"{name}_dropout")]


def dense_layers(units: Sequence[int], hidden: Hidden) -> list[keras.Layer]:
    """Return hidden dense layers: linear part, normalization, activation, dropout; named dense1, dense2 and so on."""
    layers = []
    for number, width in enumerate(units, start=1):
        name = f"dense{number}"
        layers.append(keras.layers.Dense(width, **linear_options(name, hidden)))
        layers += activated(name, hidden)
        layers += dropped(name, hidden, alpha=hidden.activation == "selu")
    return layers


def warn_if_linear(argument: str, hidden: Hidden, layers: Sequence[int], *, nonlinear: bool = False) -> None:
    """Warn that linear layers in a row are one linear layer.

    Args:
        argument: the one that chose the activation.
        hidden: what the hidden layers have in common.
        layers: hidden layers; without any there is nothing to collapse.
        nonlinear: whether something else between them, such as max pooling, keeps them apart.
    """
    # layer normalization divides by each example's own deviation, which no linear layer can do
    if hidden.activation == "linear" and layers and hidden.normalization != "layer" and not nonlinear:
        warnings.warn(
            f"{argument}='linear' in every hidden layer: without a non-linear activation between them, they and the "
            "output compute no more than one linear layer can, whatever their number. Use a non-linear activation "
            "such as 'relu', or no hidden layer.",
            UserWarning,
            stacklevel=_level_of_user(),
        )


def _level_of_user() -> int:
    """Return the stack level, counted from the caller of this, of the first frame outside the zoo."""
    level, frame = 1, inspect.currentframe().f_back
    while frame.f_back and frame.f_globals["__name__"].startswith("zoo."):
        level, frame = level + 1, frame.f_back
    return level
