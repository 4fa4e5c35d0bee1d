"""What a model is made of: the output size, receptive field, parameters and multiply-adds of each layer.

Sizes and receptive fields follow A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural
Networks", Distill 2019, https://distill.pub/2019/computing-receptive-fields. The graph is read from the model's
configuration, where Keras publishes it; nothing is computed on data.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import keras
from keras import layers

from zoo.errors import ConfigError

Shape = tuple[int | None, ...]
Key = tuple[str, int, int]  # a tensor: name of a layer, its how-many-th call, which of its outputs


def _kinds(*names: str) -> tuple[type, ...]:
    return tuple(kind for n in "123" for name in names if (kind := getattr(layers, name.replace("#", n), None)))


_DEPTHWISE, _SEPARABLE = _kinds("DepthwiseConv#D"), _kinds("SeparableConv#D")
_CONVOLUTIONS = _kinds("Conv#D") + _DEPTHWISE + _SEPARABLE
_TRANSPOSED = _kinds("Conv#DTranspose")
_POOLINGS = _kinds("MaxPooling#D", "AveragePooling#D")
_PADDINGS, _CROPPINGS = _kinds("ZeroPadding#D"), _kinds("Cropping#D")
# One place of the output sees every place of the input.
_SEE_ALL = _kinds("GlobalMaxPooling#D", "GlobalAveragePooling#D", "Bidirectional", "RNN", "MultiHeadAttention")
# Weights with two axes or more that are looked up or multiplied value by value, never summed over.
_VALUE_BY_VALUE = _kinds("Embedding", "PReLU", "Normalization", "LayerNormalization")
_PRODUCTS = {"Attention", "AdditiveAttention", "Dot", "Matmul", "Einsum", "Tensordot"}  # products without weights
_GATES = {layers.LSTMCell: 4, layers.GRUCell: 3, layers.SimpleRNNCell: 1}


@dataclass(frozen=True)
class Window:
    """How a convolution or pooling moves along one axis; `padding` is both sides together, None for Keras' "same"."""

    size: int
    stride: int = 1
    dilation: int = 1
    padding: int | None = 0

    @property
    def extent(self) -> int:
        """Places from the first to the last that the window touches: f_eff = dilation * (f - 1) + 1."""
        return self.dilation * (self.size - 1) + 1

    def output_size(self, size: int) -> int:
        """Return floor((n + 2p - f_eff) / s) + 1; "same" pads as much as makes that ceil(n / s)."""
        if self.padding is None:
            return math.ceil(size / self.stride)
        return (size + self.padding - self.extent) // self.stride + 1


@dataclass(frozen=True)
class LayerRow:
    """One call of one layer; sizes are for one example.

    Attributes:
        name: of the layer; "outer/inner" within a nested model, "name#2" for the second call of a shared layer.
        kind: class of the layer.
        stage: the name up to the first "_" in models named like ours ("stem", "stage1", ...), else "".
        output_shape: without the batch axis; of the first output when there are several.
        receptive_field: input pixels (or steps) per spatial axis that one place of the output depends on, padding
            included; None where the output has no places, or the field is not known.
        stride: input pixels between neighbouring places of the output, per spatial axis.
        sees_all: whether something up to here looked at the whole input at once. Where there is a receptive field as
            well, as behind squeeze-and-excitation, that is the field of the local path alone.
        parameters: weights that no earlier row counted.
        trainable_parameters: those of them that training would change.
        multiply_adds: None where there is no rule, or a size is open.
        output_bytes: as float32; None where a size is open.
    """

    name: str
    kind: str
    stage: str
    output_shape: Shape
    receptive_field: tuple[int, ...] | None
    stride: tuple[int, ...] | None
    sees_all: bool
    parameters: int
    trainable_parameters: int
    multiply_adds: int | None
    output_bytes: int | None


@dataclass(frozen=True)
class Totals:
    """Sums over all rows, bytes as float32; `uncounted` names the rows whose multiply-adds the sum lacks.

    `activation_bytes` is every layer's output for one example: about what training keeps of one picture.
    """

    parameters: int
    trainable_parameters: int
    multiply_adds: int
    activation_bytes: int
    weight_bytes: int
    uncounted: tuple[str, ...]


@dataclass(frozen=True)
class Description:
    """A model's rows in the order of the computation, and their sums."""

    name: str
    rows: tuple[LayerRow, ...]
    totals: Totals

    def as_json(self) -> dict[str, object]:
        """Return plain values for JSON: name, rows, totals."""
        return asdict(self)


@dataclass(frozen=True)
class _Value:
    """A tensor; `axes` has receptive field and stride of each spatial axis, None where there are none."""

    shape: Shape
    axes: tuple[tuple[int, int], ...] | None
    sees_all: bool = False


def describe(model: keras.Model) -> Description:
    """Describe a functional or Sequential model layer by layer.

    Receptive fields grow by r_out = r_in + (f_eff - 1) * jump_in, jump_out = jump_in * stride; where branches meet, the
    largest counts. Layers that keep the size of every spatial axis keep the field; statistics over a picture, as
    normalisation takes them, do not count. Multiply-adds are those of convolutions, dense and recurrent layers;
    biases, activations, normalisation, pooling and whatever else works value by value count as 0. Layers that sum over
    products in a way not known here (attention, say) have None.

    Models within the model are described layer by layer as "outer/inner"; one without a graph, because its `call` is
    Python code, is one row. A layer that is called twice has two rows, its weights counted in the first.

    Raises:
        ConfigError: the model has no graph, or a layer cannot tell its configuration.

    Example:
        >>> model = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(8, 3)])
        >>> describe(model).totals.multiply_adds  # 26 x 26 places, 3 x 3 pixels, 1 channel, 8 filters
        48672
    """
    if not _has_graph(model):
        raise ConfigError(f"model {model.name!r} has no graph to describe: give it an Input or use the functional API")
    rows: list[LayerRow] = []
    shapes = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    _walk(model, [_Value(shape, ((1, 1),) * (len(shape) - 1) or None) for shape in shapes], rows, "", set())
    totals = Totals(
        parameters=sum(row.parameters for row in rows),
        trainable_parameters=sum(row.trainable_parameters for row in rows),
        multiply_adds=sum(row.multiply_adds or 0 for row in rows),
        activation_bytes=sum(row.output_bytes or 0 for row in rows),
        weight_bytes=4 * sum(row.parameters for row in rows),
        uncounted=tuple(row.name for row in rows if row.multiply_adds is None),
    )
    return Description(model.name, tuple(rows), totals)


def windows(layer: object) -> tuple[Window, ...] | None:
    """Return how a convolution, pooling, padding or cropping moves over each spatial axis; None for other layers."""
    if isinstance(layer, _PADDINGS + _CROPPINGS):
        sign, sides = (1, layer.padding) if isinstance(layer, _PADDINGS) else (-1, layer.cropping)
        pairs = [sides] if isinstance(sides[0], int) else sides  # the 1D layers hold one bare pair
        return tuple(Window(1, padding=sign * sum(pair)) for pair in pairs)
    if isinstance(layer, _CONVOLUTIONS):
        moves = zip(layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    elif isinstance(layer, _POOLINGS):
        moves = zip(layer.pool_size, layer.strides, (1, 1, 1), strict=False)
    else:
        return None
    return tuple(Window(*move, padding=0 if layer.padding == "valid" else None) for move in moves)


def _has_graph(model: object) -> bool:
    return isinstance(model, keras.Model) and bool(getattr(model, "inputs", None) and getattr(model, "outputs", None))


def _walk(model: keras.Model, inputs: list[_Value], rows: list[LayerRow], prefix: str, counted: set) -> list[_Value]:
    """Append a row for each call of a layer in `model`; return what its outputs are."""
    calls, shapes, starts, ends = _graph(model)
    values = dict(zip(starts, inputs, strict=True))
    staged = any(re.match(r"stage\d+_", call[0].name) for call in calls)
    while calls:
        # The first that has all it needs: the second call of a shared layer may stand before what it takes.
        layer, number, taken = call = next(call for call in calls if all(key in values for key in call[2]))
        calls.remove(call)
        sources = [values[key] for key in taken]
        name = prefix + layer.name + (f"#{number + 1}" if number else "")
        if _has_graph(layer) and len(sources) == len(layer.inputs):
            outputs = dict(enumerate(_walk(layer, sources, rows, f"{name}/", counted)))
        else:
            outputs = {i: _seen(layer, sources, shape) for i, shape in sorted(shapes[layer.name, number].items())}
            stage = layer.name.partition("_")[0] if staged and "_" in layer.name else ""
            rows.append(_row((name, type(layer).__name__, stage), layer, sources, [*outputs.values()], counted))
        values |= {(layer.name, number, i): value for i, value in outputs.items()}
    return [values[key] for key in ends]


def _graph(model: keras.Model) -> tuple[list[tuple[object, int, list[Key]]], dict, list[Key], list[Key]]:
    """Return calls as (layer, how-many-th, tensors taken), each call's output shapes, and the model's ends."""
    flat = keras.Model(model.inputs, model.outputs, name=model.name)  # the configuration of a Sequential has no graph
    try:
        config = flat.get_config()
    except NotImplementedError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigError(f"model {model.name!r} cannot be described, a layer lacks get_config: {reason}") from None
    named = {operation.name: operation for operation in flat.operations}
    calls, tensors = [], {}
    for entry in config["layers"]:
        for number, node in enumerate(entry["inbound_nodes"]):
            taken = dict(_tensors(node))
            calls.append((named[entry["name"]], number, [*taken]))
            tensors |= taken
    starts, ends = ([tuple(key) for key in config[side]] for side in ("input_layers", "output_layers"))
    # Of a nested functional model Keras counts calls from 1 here, and from 0 in the nodes.
    ends = [(name, number - _counts_from_one(named[name]), i) for name, number, i in ends]
    tensors |= zip(ends, (tensor.shape[1:] for tensor in flat.outputs), strict=True)
    shapes = defaultdict(dict)
    for (name, number, i), shape in tensors.items():
        shapes[name, number][i] = tuple(shape)
    return calls, shapes, starts, ends
