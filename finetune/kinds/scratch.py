"""Pictures with a network of one's own: all of it is trained, from random weights, on the pictures themselves."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace

import keras
import numpy as np

import zoo
from finetune.config import FinetuneConfig
from finetune.data.checks import Inspection
from finetune.data.examples import Examples
from finetune.data.split import Splits
from finetune.data.store import decoded_pictures
from finetune.data.targets import Target
from finetune.decide import Decision
from finetune.kinds import pictures
from finetune.kinds.networks import CNN
from finetune.kinds.pictures import (  # noqa: F401  what does not differ from pictures with a pretrained network
    NOUN,
    TRUNK_IS_FITTED,
    check,
    deal,
    describe_data,
    findings,
    guesses,
    labels_of,
    lighten,
    mistakes,
    mixing,
    samples,
    training_model,
)
from finetune.kinds.pictures import picture_sizes as sizes  # noqa: F401
from finetune.kinds.pictures import target as target  # the recipe asks for it by this name
from finetune.progress import Reporter
from finetune.transfer.features import Features
from finetune.transfer.trunk import Trunk
from zoo import registry
from zoo.preprocessing import normalize
from zoo.spec import Preprocessing

# Pixels of a network that was trained on none: to about [-1, 1].
_PLAIN = Preprocessing(0, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5), interpolation="bilinear")
# Larger pictures are made smaller: a plain network over more pixels is slow and no better.
_MOST_PIXELS = 96
STAGED = False
# Families that have a stem for pictures under 64 pixels.
_SMALL_STEMS = ("resnet", "densenet", "efficientnet_lite")


def resolve(config: FinetuneConfig, examples: Examples) -> tuple[FinetuneConfig, list[Decision]]:
    """Fill in what was left to the run."""
    decisions = []
    if config.model == "auto":
        decisions.append(Decision("model", CNN, "a plain convolutional network, quick on small pictures"))
    if config.method == "auto":
        decisions.append(Decision("method", "scratch", "a cnn has no pretrained weights"))
    one_cycle = config.schedule in ("auto", "one_cycle")
    # larger batches keep the cores busier, where there are enough of them in an epoch
    batch_size = int(np.clip(2 ** round(np.log2(max(len(examples) / 400, 1))), 32, 128))
    # so that large sets end in minutes, and small ones are seen often enough
    epochs = config.epochs or int(np.clip(600_000 / max(len(examples), 1), 15, 60))
    # a cycle is best at its end, so it is not cut short
    usual = {"epochs": epochs, "patience": epochs if one_cycle else 12, "batch_size": batch_size}
    usual |= {"learning_rate": 4e-3 if one_cycle else 1e-3, "dropout": 0.25}
    if config.schedule == "auto":
        decisions.append(
            Decision("schedule", "one_cycle", "up and down once; random weights end better than at one rate")
        )
    decisions += [
        Decision(name, value, "usual for training from scratch")
        for name, value in usual.items()
        if getattr(config, name) is None
    ]
    if config.model not in ("auto", CNN):
        variant = registry.find(config.model, also=(CNN,))
        if config.image_size is None:
            decisions.append(Decision("image_size", variant.preprocessing.image_size, "that of the model"))
    return config.model_copy(update={decision.what: decision.value for decision in decisions}), decisions


def settle(config: FinetuneConfig, inspection: Inspection) -> tuple[FinetuneConfig, list[Decision]]:
    """Decide how large the pictures are taken, and how they meet the square."""
    config, decisions = pictures.settle(config, inspection)
    if config.image_size is None:
        shorter = np.minimum(inspection.facts["width"], inspection.facts["height"])
        size = int(np.clip(np.median(shorter), 8, _MOST_PIXELS))
        decisions.append(Decision("image_size", size, "the median of the pictures' shorter sides, at most 96"))
        config = config.model_copy(update={"image_size": size})
    return config, decisions


def build_trunk(config: FinetuneConfig, inspection: Inspection, splits: Splits) -> Trunk:
    """Return a trunk without layers: all of the network is the head."""
    row = _PLAIN if config.model == CNN else registry.find(config.model).preprocessing
    inputs = keras.Input((config.image_size, config.image_size, 3), name="image")
    preprocessing = replace(row, image_size=config.image_size, resize=config.resize)
    return Trunk(keras.Model(inputs, inputs, name=config.model.replace("/", "_")), preprocessing, "")


def features(config: FinetuneConfig, trunk: Trunk, inspection: Inspection, reporter: Reporter) -> Features:
    """Return the pictures themselves."""
    return decoded_pictures(config, inspection, trunk.preprocessing, reporter)


def new_head(config: FinetuneConfig, shape: tuple[int, int, int], goal: Target) -> keras.Model:
    """Return a whole new network, pixels in [0, 255] to logits."""
    outputs = len(goal.names)
    # Keras draws the initial weights of the zoo's models from its global generator
    keras.utils.set_random_seed(config.seed)
    if config.model != CNN:
        return zoo.create(
            config.model,
            input_shape=shape,
            num_classes=outputs,
            weights=None,
            dropout=config.dropout,
            classifier_activation=None,
            stem="small" if shape[0] < 64 and registry.find(config.model).family in _SMALL_STEMS else "standard",
        )
    inputs = keras.Input(shape, name="image")
    numbers = goal.task == "regression"
    answer = {"task": "regression", "num_outputs": outputs} if numbers else {"num_classes": outputs}
    network = zoo.cnn(
        shape,
        filters=config.units or _filters(shape[0]),
        dense_units=(),
        activation="relu" if config.activation == "auto" else config.activation,
        normalization="batch",
        l2=config.l2,
        output_activation=None,
        seed=config.seed,
        **answer,
    )
    x = normalize(inputs, replace(_PLAIN, image_size=shape[0]))
    for layer in network.layers[:-1]:
        x = layer(x)
    # in the blocks dropout slows learning more than it helps, beside batch normalization
    x = keras.layers.Dropout(config.dropout, seed=config.seed, name="dropout")(x)
    return keras.Model(inputs, network.layers[-1](x), name=CNN)


def _filters(size: int) -> tuple[int, ...]:
    """Return the filters of blocks that halve the picture until 3 to 5 cells a side are left for the classifier."""
    blocks = max(1, math.ceil(math.log2(size / 5)))
    return tuple(min(32 * 2**block, 256) for block in range(blocks))


def some_inputs(config: FinetuneConfig, trunk: Trunk, inspection: Inspection) -> tuple[np.ndarray, Sequence[int]]:
    """Return the first and the last picture, decoded anew, and their indices."""
    return pictures.some_inputs(config, trunk, inspection)


def describe_inputs(config: FinetuneConfig, trunk: Trunk) -> dict[str, object]:
    """Return what model.json says of how inputs are prepared."""
    return {"kind": "pictures", "weights": None, "preprocessing": asdict(trunk.preprocessing)}
