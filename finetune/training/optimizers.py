"""Optimizers by name: Keras' own, one for each group of variables, under one that sees all groups."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import keras

from finetune.config import FinetuneConfig
from finetune.training.grouped_optimizer import GroupedOptimizer
from finetune.training.groups import Clipping, Group
from finetune.training.quick_adam import QuickAdam, QuickAdamW
from zoo.head import LOGITS_LAYER

CLIPS = ("clip_value", "clip_norm", "global_clip_norm")
# Biases of recurrent layers and slopes of PReLU may have two dimensions and more; they are known by their names.
_NEVER_DECAYED = ("bias", "gamma", "beta", "alpha")

_QUICK, _KERAS = (QuickAdam, QuickAdamW), (keras.optimizers.Adam, keras.optimizers.AdamW)
_ADAM, _ADAMW = _QUICK if keras.backend.backend() == "tensorflow" else _KERAS

Make = Callable[[FinetuneConfig, Callable], keras.optimizers.Optimizer]


def _plain(kind: type[keras.optimizers.Optimizer]) -> Make:
    return lambda config, rate: kind(rate, weight_decay=config.weight_decay or None)


def _sgd(config: FinetuneConfig, rate: Callable, **settings: object) -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(rate, weight_decay=config.weight_decay or None, **settings)


def _muon(config: FinetuneConfig, rate: Callable) -> keras.optimizers.Optimizer:
    # what is no matrix, and the classifier, learns by Adam: https://kellerjordan.github.io/posts/muon/
    decay = config.weight_decay or None
    return keras.optimizers.Muon(rate, weight_decay=decay, adam_weight_decay=decay, exclude_layers=[LOGITS_LAYER])


OPTIMIZERS: Mapping[str, Make] = MappingProxyType(
    {
        "adam": _plain(_ADAM),
        "adamw": lambda config, rate: _ADAMW(rate, weight_decay=config.weight_decay),
        "sgd": _sgd,
        "momentum": lambda config, rate: _sgd(config, rate, momentum=config.momentum),
        "nesterov": lambda config, rate: _sgd(config, rate, momentum=config.momentum, nesterov=True),
        "rmsprop": lambda config, rate: keras.optimizers.RMSprop(
            rate, momentum=config.momentum, weight_decay=config.weight_decay or None
        ),
        "adagrad": _plain(keras.optimizers.Adagrad),
        "adadelta": _plain(keras.optimizers.Adadelta),
        "adamax": _plain(keras.optimizers.Adamax),
        "nadam": _plain(keras.optimizers.Nadam),
        "adafactor": _plain(keras.optimizers.Adafactor),
        "lion": _plain(keras.optimizers.Lion),
        "lamb": _plain(keras.optimizers.Lamb),
        "ftrl": _plain(keras.optimizers.Ftrl),
        "muon": _muon,
    }
)


def make_optimizer(config: FinetuneConfig, groups: Sequence[Group], schedule: Callable) -> GroupedOptimizer:
    """Return an optimizer of the config's kind for groups of variables.

    Gradients of `accumulation_steps` batches are averaged, then measured, then clipped (the global norm is that of all
    groups), then applied. Weight decay is decoupled (Loshchilov & Hutter, https://arxiv.org/abs/1711.05101) and spares
    biases, the parameters of norms, slopes of PReLU, and whatever else has one dimension.

    Args:
        config: optimizer, momentum, weight_decay, clip_value, clip_norm, global_clip_norm, accumulation_steps, ema.
        groups: every trainable variable of the model is in one of them, and in no second.
        schedule: from the number of updates so far to the rate, as `learning_rate_schedule` makes it.

    Raises:
        ValueError: a variable is in two groups.

    Example:
        >>> groups = [Group("trunk", tuple(trunk), 0.1), Group("head", tuple(head))]
        >>> model.compile(make_optimizer(config, groups, schedule), loss)
        >>> model.optimizer.read_norms()["trunk"]["max"]
    """
    clips = [Clipping(kind, getattr(config, kind)) for kind in CLIPS if getattr(config, kind) is not None]

    def make_inner(rate: Callable, group: Group) -> keras.optimizers.Optimizer:
        inner = OPTIMIZERS[config.optimizer](config, rate)
        inner.exclude_from_weight_decay(var_list=[v for v in group.variables if not decays(v)])
        return inner

    return GroupedOptimizer(
        groups,
        schedule,
        make_inner,
        decays=decays,
        clipping=clips[0] if clips else None,
        accumulation_steps=config.accumulation_steps,
        ema=config.ema,
    )


def decays(variable: keras.Variable) -> bool:
    """Return whether weight decay takes from a variable: kernels and embeddings, not biases, norms and slopes."""
    return len(variable.shape) > 1 and variable.name not in _NEVER_DECAYED
