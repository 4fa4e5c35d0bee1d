"""What a model is made of: the output size, receptive field, parameters and multiply-adds of each layer.

Sizes and receptive fields follow A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural
Networks", Distill 2019, https://distill.pub/2019/computing-receptive-fields. The graph is read from the model's
configuration, the public form in which Keras gives it; no weight is read and nothing is computed on data.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import keras
from keras import layers

from zoo.errors import ConfigError

Shape = tuple[int | None, ...]
FLOAT32_BYTES = 4

_DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
_SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
_CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D, *_DEPTHWISE, *_SEPARABLE)
_TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
_POOLINGS = tuple(getattr(layers, f"{kind}Pooling{n}D") for kind in ("Max", "Average") for n in (1, 2, 3))
_GLOBAL_POOLINGS = tuple(getattr(layers, f"Global{kind}Pooling{n}D") for kind in ("Max", "Average") for n in (1, 2, 3))
_PADDINGS = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
_CROPPINGS = (layers.Cropping1D, layers.Cropping2D, layers.Cropping3D)
_ATTENTIONS = (layers.Attention, layers.AdditiveAttention, layers.MultiHeadAttention, layers.GroupQueryAttention)
# What looks along a whole axis, so that one place of the output sees every place of the input.
_SEE_ALL = (*_GLOBAL_POOLINGS, *_ATTENTIONS, layers.RNN, layers.Bidirectional)
# Weights with two or more axes that are looked up or multiplied one by one, never summed over.
_ELEMENTWISE = (layers.Embedding, layers.PReLU, layers.Normalization, layers.LayerNormalization)
_PRODUCTS = {"Dot", "Matmul", "Einsum", "Tensordot", "Inner", "Vdot"}  # layers and functions of keras.ops
_GATES = {layers.LSTMCell: 4, layers.GRUCell: 3, layers.SimpleRNNCell: 1}


@dataclass(frozen=True)
class Window:
    """How a convolution or pooling moves along one axis; `padding` is 2p, both sides together, None for "same"."""

    size: int
    stride: int = 1
    dilation: int = 1
    padding: int | None = 0

    @property
    def extent(self) -> int:
        """Places from the first to the last that the window touches: f_eff = dilation * (f - 1) + 1."""
        return self.dilation * (self.size - 1) + 1

    def output_size(self, size: int) -> int:
        """Return the output's size: floor((n + 2p - f_eff) / s) + 1, which is ceil(n / s) where Keras pads "same"."""
        if self.padding is None:
            return math.ceil(size / self.stride)
        return (size + self.padding - self.extent) // self.stride + 1


@dataclass(frozen=True)
class LayerRow:
    """One call of one layer; sizes are for one example.

    Attributes:
        name: of the layer; "outer/inner" within a nested model, "name#2" for the second call of a shared layer.
        kind: class of the layer.
        stage: part of the name before the first "_" in models named like ours ("stem", "stage1", ...), else "".
        output_shape: without the batch axis; of the first output when there are several.
        receptive_field: input pixels (or steps) per spatial axis that one place of the output depends on, padding
            included; None where the output has no such axes, or they are not known.
        stride: input pixels between neighbouring places of the output, per spatial axis.
        sees_all: whether something up to here looked at a whole axis at once. Where there is a receptive field as
            well, as behind squeeze-and-excitation, that is the field of the local path alone.
        parameters: of the weights that no earlier row counted.
        trainable_parameters: those of them that training would change.
        multiply_adds: for one example; None where there is no rule, or a size is open.
        output_bytes: of all outputs as float32; None where a size is open.
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
    """Sums over all rows; bytes as float32. `uncounted` names the rows whose multiply-adds are not in the sum.

    `activation_bytes` is the output of every layer for one example: about what training keeps per picture.
    """

    parameters: int
    trainable_parameters: int
    multiply_adds: int
    activation_bytes: int
    weight_bytes: int
    uncounted: tuple[str, ...]


@dataclass(frozen=True)
class Description:
    """A model's rows in the order of the computation; see `LayerRow`."""

    name: str
    rows: tuple[LayerRow, ...]

    @property
    def totals(self) -> Totals:
        """Sums over all rows."""
        parameters = sum(row.parameters for row in self.rows)
        return Totals(
            parameters=parameters,
            trainable_parameters=sum(row.trainable_parameters for row in self.rows),
            multiply_adds=sum(row.multiply_adds or 0 for row in self.rows),
            activation_bytes=sum(row.output_bytes or 0 for row in self.rows),
            weight_bytes=FLOAT32_BYTES * parameters,
            uncounted=tuple(row.name for row in self.rows if row.multiply_adds is None),
        )

    def as_json(self) -> dict[str, object]:
        """Return plain values for JSON: name, totals, rows."""
        return {"name": self.name, "totals": asdict(self.totals), "rows": [asdict(row) for row in self.rows]}

    def as_text(self) -> str:
        """Return a table of at most 100 columns, with the totals below."""
        heads = ("layer", "kind", "output", "field", "stride", "params", "mult-adds", "bytes")
        lines = [_line(heads), *(_line(_cells(row)) for row in self.rows)]
        totals = self.totals
        least = "at least " if totals.uncounted else ""
        lines += [
            f"{self.name}: {totals.parameters:,} parameters ({totals.trainable_parameters:,} trainable), "
            f"{least}{totals.multiply_adds:,} multiply-adds",
            f"as float32: weights {short_number(totals.weight_bytes)}B, all outputs of one example "
            f"{short_number(totals.activation_bytes)}B",
        ]
        if any(row.sees_all and row.receptive_field for row in self.rows):
            lines.append("+ the field of the local path; another path looks at the whole input")
        return "\n".join(lines)


@dataclass(frozen=True)
class _Value:
    """An output of a layer; `axes` holds receptive field and jump of each spatial axis, None where there is none."""

    shape: Shape
    axes: tuple[tuple[int, int], ...] | None = None
    sees_all: bool = False


def describe(model: keras.Model) -> Description:
    """Describe a functional or Sequential model layer by layer.

    Receptive fields grow by r_out = r_in + (f_eff - 1) * jump_in and jump_out = jump_in * stride; where branches meet,
    the largest counts. Layers that keep the size of every spatial axis keep the field. Multiply-adds are those of
    convolutions, dense and recurrent layers: biases, activations, normalisation, pooling and everything else that works
    value by value count as 0. Layers that sum over products without a rule here (attention, say) have None.

    Models within the model are described layer by layer as "outer/inner"; one that has no graph, because its `call`
    is Python code, is one row without multiply-adds. A layer that is called twice has two rows, its weights counted
    in the first.

    Raises:
        ConfigError: the model has no graph yet or at all, or one of its layers cannot tell its settings.

    Example:
        >>> model = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(8, 3, name="conv")])
        >>> describe(model).rows[-1].multiply_adds  # 26 x 26 places, 3 x 3 pixels, 1 channel, 8 filters
        48672
    """
    if not _has_graph(model):
        raise ConfigError(
            f"model {model.name!r} has no graph of layers to describe; give it an Input, or write it with the "
            "functional API"
        )
    rows: list[LayerRow] = []
    places = [tensor.shape[1:] for tensor in model.inputs]
    inputs = [_Value(shape, ((1, 1),) * (len(shape) - 1) if len(shape) > 1 else None) for shape in places]
    _walk(model, inputs, rows, prefix="", counted=set())
    return Description(model.name, tuple(rows))


def short_number(number: int | None) -> str:
    """Return a number in three digits and a decimal unit, as 4.65M; "?" for None.

    Example:
        >>> short_number(4_652_008), short_number(999), short_number(15_470_264_320)
        ('4.65M', '999', '15.5G')
    """
    if number is None:
        return "?"
    power = max(0, math.floor(math.log10(float(f"{max(number, 1):.3g}"))) // 3)
    return f"{number}" if not power else f"{number / 1000**power:#.3g}".rstrip(".") + " kMGTPE"[power]


def windows(layer: object) -> tuple[Window, ...] | None:
    """Return how a layer moves over each spatial axis, or None when it is no convolution, pooling or padding."""
    if isinstance(layer, _CONVOLUTIONS):
        moves = zip(layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    elif isinstance(layer, _POOLINGS):
        moves = zip(layer.pool_size, layer.strides, [1] * len(layer.strides), strict=True)
    elif isinstance(layer, _PADDINGS + _CROPPINGS):
        sides = layer.padding if isinstance(layer, _PADDINGS) else [(-a, -b) for a, b in _pairs(layer.cropping)]
        return tuple(Window(1, padding=sum(pair)) for pair in _pairs(sides))
    else:
        return None
    return tuple(Window(*move, padding=0 if layer.padding == "valid" else None) for move in moves)


def _has_graph(model: keras.Model) -> bool:
    return bool(getattr(model, "inputs", None)) and bool(getattr(model, "outputs", None))


def _walk(model: keras.Model, inputs: list[_Value], rows: list[LayerRow], prefix: str, counted: set) -> list[_Value]:
    """Append a row for each call within `model` and return the values of its outputs."""
    flat = keras.Model(model.inputs, model.outputs, name=model.name)  # a Sequential becomes functional
    try:
        config = flat.get_config()
    except NotImplementedError as error:
        raise ConfigError(f"model {model.name!r} cannot be described: {str(error).strip().splitlines()[0]}") from None
    operations = {operation.name: operation for operation in flat.operations}
    staged = any(re.match(r"stage\d+_", name) for name in operations)
    ends = list(zip(_keys(config["output_layers"]), (tensor.shape[1:] for tensor in flat.outputs), strict=True))
    values = dict(zip(_keys(config["input_layers"]), inputs, strict=True))
    ...
