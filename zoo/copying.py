"""Copies of a model's layers on another tensor, one by one, so that a graph made of models stays flat."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import keras


def copy_onto(
    x: keras.KerasTensor,
    model: keras.Model,
    *,
    leave_out: tuple[type, ...] = (),
    reserved: Collection[str] = (),
    weights: bool = False,
) -> keras.KerasTensor:
    """Apply copies of a functional model's layers to a tensor, one by one, so that the graph stays flat.

    Args:
        x: takes the place of the model's input.
        model: with one input and one output; models inside it are taken apart as well.
        leave_out: classes of layers that hand on their input instead.
        reserved: names that no copy may have; "_inner" is added to them.
        weights: whether the copies get the weights of their originals; otherwise they draw their own.

    Returns:
        What the model's output becomes.
    """
    # once: Keras walks back along every path there is, of which residual blocks make 2**depth
    (source,) = keras.utils.get_source_inputs(x)
    copies = _Copies(source, _fresh_names(model, reserved), leave_out)
    output = copies.onto(x, model)
    if weights:
        for original, copy in copies.pairs:
            copy.set_weights(original.get_weights())
    return output


@dataclass(frozen=True)
class _Copies:
    """Copies of a model's operations under new names, behind `source`; `pairs` collects the layers among them."""

    source: keras.KerasTensor
    names: Mapping[str, str]
    leave_out: tuple[type, ...]
    pairs: list[tuple[keras.Layer, keras.Layer]] = field(default_factory=list)

    def onto(self, x: keras.KerasTensor, model: keras.Model) -> keras.KerasTensor:
        def call(operation: keras.Operation, *args: object, **kwargs: object) -> object:
            # Keras wants a clone to begin at a true input: it begins at the source of x, in whose place x is put here
            args, kwargs = keras.tree.map_structure(lambda value: x if value is self.source else value, (args, kwargs))
            if isinstance(operation, self.leave_out):
                return args[0]
            if isinstance(operation, keras.Model):
                return self.onto(args[0], operation)
            return _call(operation, args, kwargs)

        functional = keras.Model(model.inputs, model.outputs[0])
        return keras.models.clone_model(functional, [self.source], clone_function=self.copy, call_function=call).output

    def copy(self, operation: keras.Operation) -> keras.Operation:
        if isinstance(operation, keras.Model):
            return operation
        name = self.names.get(operation.name, operation.name)
        copy = type(operation).from_config({**operation.get_config(), "name": name})
        if isinstance(operation, keras.Layer) and not isinstance(operation, self.leave_out):
            self.pairs.append((operation, copy))
        return copy


def _call(operation: keras.Operation, args: tuple, kwargs: dict) -> object:
    """Call an operation; sums and products, written as `a + b`, become layers of the same name."""
    joins = {"Add": keras.layers.Add, "Multiply": keras.layers.Multiply}.get(type(operation).__name__)
    if joins is None or isinstance(operation, keras.Layer):
        return operation(*args, **kwargs)
    tensor, other = args if isinstance(args[0], keras.KerasTensor) else args[::-1]
    if isinstance(other, keras.KerasTensor):
        return joins(name=operation.name)([tensor, other])
    if not isinstance(other, int | float):
        return operation(*args, **kwargs)
    scale, offset = (1.0, other) if joins is keras.layers.Add else (other, 0.0)
    return keras.layers.Rescaling(scale, offset, name=operation.name)(tensor)


def _fresh_names(model: keras.Model, reserved: Collection[str]) -> dict[str, str]:
    """Return for every automatic name in a model the one it would have in a process that built nothing before.

    Names that are reserved get another one too.
    """
    automatic = defaultdict(list)
    for operation in _operations(model):
        prefix, number = re.fullmatch(r"(.+?)(?:_(\d+))?", operation.name).groups()
        # Keras spells the name of the class in snake case
        if prefix.replace("_", "") == type(operation).__name__.lower():
            automatic[prefix].append((int(number or 0), operation.name))
    names = {operation.name: operation.name for operation in _operations(model)}
    for prefix, found in automatic.items():
        names |= {name: f"{prefix}_{rank}" if rank else prefix for rank, (_, name) in enumerate(sorted(found))}
    return {name: f"{fresh}_inner" if fresh in reserved else fresh for name, fresh in names.items()}


def _operations(model: keras.Model) -> Iterator[keras.Operation]:
    for operation in keras.Model(model.inputs, model.outputs).operations:
        yield from _operations(operation) if isinstance(operation, keras.Model) else (operation,)
