"""What a model is made of: the output size, receptive field, parameters and multiply-adds of each layer.

Sizes and receptive fields follow A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural
Networks", Distill 2019, https://distill.pub/2019/computing-receptive-fields. No data runs through the model.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import keras
from keras import layers

from zoo.errors import ConfigError

Shape = tuple[int | None, ...]  # without the batch axis

_CONVOLUTIONS = {"Conv", "DepthwiseConv", "SeparableConv"}
_RECURRENT = {"LSTM", "GRU", "SimpleRNN"}
# Weights with two axes or more that are looked up or multiplied value by value, never summed over.
_VALUE_BY_VALUE = {"Embedding", "PReLU", "Normalization", "LayerNormalization"}
_PRODUCTS = {"Attention", "Dot", "Matmul", "Einsum", "Tensordot"}  # sum over products, with weights or without
# One place of the output sees every place of the input.
_SEE_ALL = {"GlobalMaxPooling", "GlobalAveragePooling", "Attention", "Bidirectional", "RNN", *_RECURRENT}
_REORDERING = {"Permute", "Transpose", *_PRODUCTS}


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
        sees_all: something up to here looked at the whole input at once; a receptive field beside it, as behind
            squeeze-and-excitation, is that of the local path alone.
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
    """Sums over all rows, bytes as float32; `uncounted` names the rows whose multiply-adds the sum lacks."""

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
    largest counts. Other layers that keep the size of every spatial axis keep the field. Multiply-adds are those of
    convolutions, dense and recurrent layers; biases, activations, normalisation, pooling and whatever else works value
    by value count as 0. Layers that sum over products in a way not known here, as attention does, have None.

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
    inputs = [_Value(tuple(x.shape[1:]), ((1, 1),) * (len(x.shape) - 2) or None) for x in model.inputs]
    _walk(model, inputs, rows, prefix="", counted=set())
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
    kind = _kind(layer)
    if kind in {"ZeroPadding", "Cropping"}:
        sign, sides = (1, layer.padding) if kind == "ZeroPadding" else (-1, layer.cropping)
        pairs = [sides] if isinstance(sides[0], int) else sides  # the 1D layers hold one bare pair
        return tuple(Window(1, padding=sign * sum(pair)) for pair in pairs)
    if kind in _CONVOLUTIONS:
        moves = zip(layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    elif kind in {"MaxPooling", "AveragePooling"}:
        moves = zip(layer.pool_size, layer.strides, (1, 1, 1), strict=False)
    else:
        return None
    return tuple(Window(*move, padding=0 if layer.padding == "valid" else None) for move in moves)


def _kind(layer: object) -> str:
    """Return the nearest class of keras.layers without "1D", "2D" or "3D", or the name of a function of keras.ops."""
    if type(layer).__name__.endswith("Attention"):
        return "Attention"
    public = (kind.__name__ for kind in type(layer).__mro__ if getattr(layers, kind.__name__, None) is kind)
    return re.sub(r"\dD", "", next(public, type(layer).__name__))


def _has_graph(model: object) -> bool:
    return isinstance(model, keras.Model) and bool(getattr(model, "inputs", None) and getattr(model, "outputs", None))


def _walk(model: keras.Model, inputs: list[_Value], rows: list[LayerRow], prefix: str, counted: set) -> list[_Value]:
    """Append a row for each call of a layer in `model`; return what its outputs are."""
    calls, shapes, starts, ends = _graph(model)
    staged = any(re.match(r"stage\d+_", layer.name) for layer, *_ in calls)
    values = dict(zip(starts, inputs, strict=True))
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
            if not (prefix and isinstance(layer, layers.InputLayer)):
                stage = layer.name.partition("_")[0] if staged and "_" in layer.name else ""
                rows.append(_row(name, stage, layer, sources, [*outputs.values()], counted))
        values |= {(layer.name, number, i): value for i, value in outputs.items()}
    return [values[key] for key in ends]


def _graph(model: keras.Model) -> tuple[list[tuple], dict[tuple, dict], list[tuple], list[tuple]]:
    """Return calls as (layer, how-many-th, tensors taken), the shapes that each gives, and the ends of the graph.

    A tensor is (name of a layer, how-many-th call, which output), as in the configuration.
    """
    flat = keras.Model(model.inputs, model.outputs, name=model.name)  # the configuration of a Sequential has no graph
    try:
        config = flat.get_config()
    except NotImplementedError as error:
        reason = " ".join(str(error).partition("Example:")[0].split())
        raise ConfigError(f"model {model.name!r} cannot be described: {reason}") from None
    named = {operation.name: operation for operation in flat.operations}
    starts, ends = ([tuple(key) for key in config[side]] for side in ("input_layers", "output_layers"))
    # Of a nested functional model Keras counts the calls from 1 here, but from 0 where others take its output.
    nested = {n for n, layer in named.items() if _has_graph(layer) and not isinstance(layer, keras.Sequential)}
    ends = [(name, number - (name in nested), i) for name, number, i in ends]
    tensors = dict(zip(starts + ends, (tensor.shape[1:] for tensor in flat.inputs + flat.outputs), strict=True))
    calls = [(named[start[0]], 0, [start]) for start in starts]  # an input layer takes its own tensor
    for entry in config["layers"]:
        for number, node in enumerate(entry["inbound_nodes"]):
            taken = list(_tensors(node))
            calls.append((named[entry["name"]], number, [key for key, _ in taken]))
            tensors |= taken
    shapes: dict[tuple, dict] = {}
    for (name, number, i), shape in tensors.items():
        shapes.setdefault((name, number), {})[i] = tuple(shape)
    return calls, shapes, starts, ends


def _tensors(node: object) -> Iterator[tuple[tuple, Shape]]:
    """Yield name and shape of each tensor in the serialised arguments of a call, in their order."""
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        yield tuple(node["config"]["keras_history"]), node["config"]["shape"][1:]
    elif isinstance(node, dict | list | tuple):
        for part in [node[key] for key in sorted(node)] if isinstance(node, dict) else node:
            yield from _tensors(part)


def _row(name: str, stage: str, layer: object, sources: list[_Value], outputs: list[_Value], counted: set) -> LayerRow:
    fresh = {id(part): math.prod(part.shape) for part in getattr(layer, "weights", ()) if id(part) not in counted}
    trainable = {id(part) for part in getattr(layer, "trainable_weights", ())}
    counted.update(fresh)
    value, sizes = outputs[0], [output.shape for output in outputs]
    return LayerRow(
        name=name,
        kind=type(layer).__name__,
        stage=stage,
        output_shape=value.shape,
        receptive_field=value.axes and tuple(field for field, _ in value.axes),
        stride=value.axes and tuple(stride for _, stride in value.axes),
        sees_all=value.sees_all,
        parameters=sum(fresh.values()),
        trainable_parameters=sum(size for part, size in fresh.items() if part in trainable),
        multiply_adds=_multiply_adds(layer, sources[0].shape, value.shape),
        output_bytes=None if any(None in size for size in sizes) else 4 * sum(map(math.prod, sizes)),
    )


def _seen(layer: object, sources: list[_Value], shape: Shape) -> _Value:
    """Return what an output of a layer sees of the model's input."""
    kind, sees_all, places = _kind(layer), any(source.sees_all for source in sources), _places(layer, shape)
    if kind in _SEE_ALL or (kind == "Dense" and not sources[0].axes):
        return _Value(shape, None, True)
    moves, branches = windows(layer) or (Window(1),) * len(places), []
    for source in sources:
        if source.axes and kind not in _REORDERING and _agree(moves, _places(layer, source.shape), places):
            pairs = zip(source.axes, moves, strict=True)
            branches.append([(field + (move.extent - 1) * jump, jump * move.stride) for (field, jump), move in pairs])
        elif not source.sees_all:  # this path is not understood; one that sees all is a gate on the others
            return _Value(shape, None, sees_all)
    axes = tuple(tuple(map(max, zip(*axis, strict=True))) for axis in zip(*branches, strict=True))
    return _Value(shape, axes or None, sees_all)


def _agree(moves: tuple[Window, ...], before: Shape, after: Shape) -> bool:
    """Tell whether the formula turns the sizes before a layer into those after it; open sizes fit anything."""
    if not len(moves) == len(before) == len(after):
        return False
    return all(None in (n, m) or w.output_size(n) == m for w, n, m in zip(moves, before, after, strict=True))


def _places(layer: object, shape: Shape) -> Shape:
    return shape[1:] if getattr(layer, "data_format", None) == "channels_first" else shape[:-1]


def _multiply_adds(layer: object, source: Shape, shape: Shape) -> int | None:
    kind = _kind(layer.forward_layer) if _kind(layer) == "Bidirectional" else _kind(layer)
    weights = [weight for weight in getattr(layer, "weights", ()) if len(weight.shape) > 1 and weight.name != "bias"]
    # At every place each weight is used once: height * width * channels / groups * filters of them in a convolution.
    if kind == "Dense" or kind in _CONVOLUTIONS:
        places = _places(layer, shape)
    elif kind == "ConvTranspose":
        places = _places(layer, source)
    elif kind in _RECURRENT:
        places = source[:1]
    else:
        return None if kind in _PRODUCTS or (weights and kind not in _VALUE_BY_VALUE) else 0
    return None if None in places else math.prod(places) * sum(math.prod(weight.shape) for weight in weights)
