"""Weights into a model: every name and shape is checked, and only then is anything assigned."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from zoo.errors import ModelFileError
from zoo.head import LOGITS_LAYER
from zoo.weights.convert import listings
from zoo.weights.load import Pretrained
from zoo.weights.named import named_weights

# What matched is told here as info, what was assumed as a warning.
_LOG = logging.getLogger("zoo")


@dataclass(frozen=True)
class LoadReport:
    """What was assigned: how many arrays, and whether the head was among them and the stem adapted."""

    num_arrays: int
    head: bool
    stem_adapted: bool


def assign_weights(model: keras.Model, pretrained: Pretrained, *, head: bool) -> LoadReport:
    """Assign pretrained weights to a model; nothing is assigned unless every array fits.

    A stem for another number of input channels than three is adapted: see `adapt_channels`.

    Args:
        model: flat model with our layer names.
        pretrained: what `read_weights` gave.
        head: whether the classifier is loaded too.

    Raises:
        ModelFileError: an array is missing, one too many, of another shape, or not finite.
    """
    targets, arrays = (
        {name: value for name, value in values.items() if head or not name.startswith(f"{LOGITS_LAYER}/")}
        for values in (named_weights(model), pretrained.arrays)
    )
    stem = next(name for name in targets if name.endswith("/kernel"))
    channels = model.input_shape[-1]
    adapted = stem in arrays and arrays[stem].ndim == 4 and arrays[stem].shape[2] == 3 != channels
    if adapted:
        # only pictures of three channels are turned around for weights that want blue first
        kernel = arrays[stem][:, :, ::-1] if pretrained.arguments.get("channel_order") == "bgr" else arrays[stem]
        arrays[stem] = adapt_channels(kernel, channels)
    _check(pretrained.path, arrays, {name: tuple(variable.shape) for name, variable in targets.items()})
    for name, variable in targets.items():
        variable.assign(arrays[name])
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.finalize_state()  # it computes with copies of its weights
    report = LoadReport(len(targets), head, adapted)
    _say(model, pretrained, report)
    return report


def _say(model: keras.Model, pretrained: Pretrained, report: LoadReport) -> None:
    """Log what matched, and what had to be assumed."""
    more = ", the classifier among them" if report.head else ", the classifier left new"
    more += "; the stem adapted to other channels" if report.stem_adapted else ""
    _LOG.info("%s: %d arrays of %s matched%s", pretrained.path, report.num_arrays, model.name, more)
    if pretrained.assumed:
        _LOG.warning(
            "%s does not say how its pictures were prepared; taken as for %s. If it was another way, import it "
            "under the tag that fits: finetune models import FILE --name TAG",
            pretrained.path,
            pretrained.assumed,
        )


def adapt_channels(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Return a stem kernel for another number of input channels.

    One channel gets the sum over red, green and blue, so that a grey picture gives what its three equal channels gave;
    exactly where these have one mean and standard deviation, and within a few percent with those of ImageNet. Any other
    number repeats the three in turn, scaled by 3 / channels so that the response keeps its size.

    Args:
        kernel: (height, width, 3, filters) float32, of red, green and blue in this order.
        channels: number of input channels, at least 1.
    """
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    return (kernel[:, :, np.arange(channels) % 3] * (3 / channels)).astype("float32")


def _check(path: Path, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse arrays that do not fit the model's variables one to one."""
    misshapen = [
        f"{name} {arrays[name].shape} instead of {shape}"
        for name, shape in shapes.items()
        if name in arrays and arrays[name].shape != shape
    ]
    faults = (
        ("missing", [name for name in shapes if name not in arrays]),
        ("not known", [name for name in arrays if name not in shapes]),
        ("of another shape", misshapen),
        ("not finite", [name for name, array in arrays.items() if not np.isfinite(array).all()]),
    )
    if any(found for _, found in faults):
        raise ModelFileError(f"{path}: does not fit the model: {listings(faults)}")
