"""Calls of layers in a functional model's config.json: which layer was called on which outputs, and in which order."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from zoo.weights.weight_file import Refused, shown

# Arguments that Keras stores by name; all others of the accepted layers are tensors in order.
_KEYWORDS = ("training", "mask", "initial_state")


@dataclass(frozen=True)
class Output:
    """A tensor of the graph: the `index`th output of the `call`th call of a layer."""

    layer: str
    call: int
    index: int


@dataclass(frozen=True)
class Call:
    """A call of a layer.

    Attributes:
        args: in order; lists of and single Outputs, numbers, and None.
        kwargs: by name, likewise.
        outputs: all Outputs among them.
    """

    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    outputs: tuple[Output, ...]


class Named(Protocol):
    """A layer by its name, with its class and calls."""

    name: str
    kind: str
    calls: tuple[Call, ...]


def read_call(node: object, name: str) -> Call:
    """Return a call as an entry of inbound_nodes describes it.

    Args:
        node: the entry.
        name: of the layer, for the message.

    Raises:
        Refused: it holds anything but outputs, numbers and known names of arguments.
    """
    if not isinstance(node, dict) or set(node) != {"args", "kwargs"} or not isinstance(node["kwargs"], dict):
        raise Refused(f"layer {shown(name)} has a call that is not described by args and kwargs")
    if not isinstance(node["args"], list):
        raise Refused(f"layer {shown(name)} has a call whose args are no list")
    odd = [key for key in node["kwargs"] if key not in _KEYWORDS]
    if odd:
        raise Refused(f"layer {shown(name)} is called with {shown(odd[0])}; {', '.join(_KEYWORDS)} accepted")
    outputs: list[Output] = []
    args = tuple(_argument(value, name, outputs) for value in node["args"])
    kwargs = {key: _argument(value, name, outputs) for key, value in node["kwargs"].items()}
    if not outputs:
        raise Refused(f"layer {shown(name)} is called on no output of another layer")
    return Call(args, kwargs, tuple(outputs))


def _argument(value: object, name: str, outputs: list[Output]) -> object:
    if isinstance(value, list):
        return [_argument(item, name, outputs) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    config = value.get("config") if isinstance(value, dict) else None
    if not isinstance(config, dict) or value.get("class_name") != "__keras_tensor__":
        raise Refused(f"layer {shown(name)} is called on something that is neither a number nor another layer's output")
    outputs.append(_output(config.get("keras_history"), name))
    return outputs[-1]


def _output(value: object, name: str) -> Output:
    good = isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)
    if not good or not all(type(number) is int and number >= 0 for number in value[1:]):
        raise Refused(f"{shown(name)} refers to an output by {shown(str(value))}; [layer, call, index] expected")
    return Output(*value)


def read_structure(value: object, name: str) -> object:
    """Return a model's inputs or outputs: an Output, or lists and dicts of them.

    Raises:
        Refused: there is anything else.
    """
    if isinstance(value, dict):
        return {key: read_structure(item, name) for key, item in value.items()}
    if isinstance(value, list) and not (value and isinstance(value[0], str)):
        return [read_structure(item, name) for item in value]
    return _output(value, name)


def flat(structure: object) -> list[Output]:
    """Return the Outputs of a structure in order."""
    if isinstance(structure, Output):
        return [structure]
    items = structure.values() if isinstance(structure, dict) else structure
    return [output for item in items for output in flat(item)]


def call_order(layers: Sequence[Named]) -> list[tuple[int, int]]:
    """Return all calls as (number of the layer, number of its call), each after those it needs.

    A layer's own calls stay in order, because others refer to them by number.

    Raises:
        Refused: a call needs an output that does not exist, or calls need each other.
    """
    needs = _needs(layers)
    missing = {call: len(needed) for call, needed in needs.items()}
    needed_by: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for call, needed in needs.items():
        for need in needed:
            needed_by.setdefault(need, []).append(call)
    ready = deque(call for call, count in missing.items() if count == 0)
    order = []
    while ready:
        call = ready.popleft()
        order.append(call)
        for user in needed_by.get(call, ()):
            missing[user] -= 1
            if missing[user] == 0:
                ready.append(user)
    if len(order) != len(missing):
        stuck = next(layers[at].name for (at, _), count in missing.items() if count)
        raise Refused(f"the calls of its layers go round in a circle, {shown(stuck)} among them")
    return order


def _needs(layers: Sequence[Named]) -> dict[tuple[int, int], set[tuple[int, int]]]:
    """Return the calls that each call needs; input layers are there without one."""
    number = {layer.name: at for at, layer in enumerate(layers)}
    needs = {}
    for at, layer in enumerate(layers):
        for which, call in enumerate(layer.calls):
            needed = {_place(output, layers, number, layer.name) for output in call.outputs}
            needed |= {(at, which - 1)} if which else set()
            needs[at, which] = {need for need in needed if layers[need[0]].kind != "InputLayer"}
    return needs


def _place(output: Output, layers: Sequence[Named], number: Mapping[str, int], name: str) -> tuple[int, int]:
    at = number.get(output.layer)
    known = 0 if at is None else 1 if layers[at].kind == "InputLayer" else len(layers[at].calls)
    if output.call >= known:
        call = f"call {output.call} of the layer {shown(output.layer)}"
        raise Refused(f"{shown(name)} refers to {call}, which is not there")
    return at, output.call
