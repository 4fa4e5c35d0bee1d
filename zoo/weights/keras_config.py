"""A Keras model's config.json as data: what it asks for is held against our own list, and nothing is looked up by name.

Keras' safe mode refuses a few known dangers and finds the rest by name. Here the unknown is refused: a layer, an
initializer or an activation that is not in `keras_names`, and an object wherever a plain setting is expected.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from zoo.weights.keras_calls import Call, Output, call_order, flat, read_call, read_structure
from zoo.weights.keras_compile import check_compile_config
from zoo.weights.keras_limits import KerasLimits, check_keras_limit
from zoo.weights.keras_lookup import LOOKUP, check_lookup, holds_words
from zoo.weights.keras_names import (
    ACTIVATIONS,
    APPLICATION_LAYERS,
    DTYPES,
    LAYERS,
    MUST_BE_OFF,
    OBJECTS,
    OPERATIONS,
    OUR_LAYERS,
    READS_FILES,
    RECURRENT,
    RUNS_CODE,
    TAKE_TEXTS,
    WRAPPERS,
)
from zoo.weights.weight_file import Refused, shown

FUNCTIONAL, SEQUENTIAL = "Functional", "Sequential"
_ENTRY_KEYS = frozenset(
    "module class_name config registered_name build_config compile_config shared_object_id name inbound_nodes".split()
)
_REMEDY = "Build the model in code of your own, and read from a file its weights alone."


@dataclass(frozen=True)
class Layer:
    """A layer that may be built.

    Attributes:
        name: of the layer.
        kind: its class; "ops." stands before an operation on tensors.
        config: its settings: plain values, names of activations, and listed objects as Keras reads them.
        inner: layers that it wraps, by setting.
        build_shape: input shape that a Normalization layer is built with, because it makes its numbers then.
        calls: what it was called on.
    """

    name: str
    kind: str
    config: Mapping[str, object]
    inner: Mapping[str, "Layer | Network"]
    build_shape: list[int | None] | None
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Network:
    """A model that may be built.

    Attributes:
        name: of the model.
        kind: "Functional" or "Sequential".
        layers: in the file's order.
        order: calls of the layers, as (number of the layer, number of its call); empty for "Sequential".
        inputs: structure of Outputs; None for "Sequential".
        outputs: likewise.
        trainable: None leaves it to the layers.
        calls: what it was called on inside another model.
    """

    name: str
    kind: str
    layers: tuple["Layer | Network", ...]
    order: tuple[tuple[int, int], ...]
    inputs: object
    outputs: object
    trainable: bool | None
    calls: tuple[Call, ...]


def read_config(config: object, limits: KerasLimits) -> Network:
    """Return the model that config.json describes.

    Args:
        config: the JSON value, of bounded depth.
        limits: how many layers it may have.

    Raises:
        Refused: it is no functional or sequential model, or holds anything that is not listed.
    """
    found = _Reader(limits).entry(config)
    if not isinstance(found, Network):
        raise Refused(f"its config.json describes a layer ({found.kind}), not a model")
    return found


class _Reader:
    """Reads entries within one another, and counts them."""

    def __init__(self, limits: KerasLimits):
        self._limits = limits
        self._layers = 0
        self._calls = 0
        self._references = 0

    def entry(self, entry: object) -> Layer | Network:
        kind, name, config = _identified(entry)
        self._layers += 1
        check_keras_limit(self._layers, self._limits, "layers", "layers of the model")
        check_compile_config(entry.get("compile_config"))
        nodes = entry.get("inbound_nodes", [])
        if not isinstance(nodes, list):
            raise Refused(f"the calls of layer {shown(name)} are no list")
        self._calls += len(nodes)
        check_keras_limit(self._calls, self._limits, "layers", "calls of layers")
        calls = tuple(read_call(node, name) for node in nodes)
        if kind == "InputLayer" and calls:
            raise Refused(f"the input layer {shown(name)} is called on something")
        self._refer(sum(len(call.outputs) for call in calls))
        if kind in (FUNCTIONAL, SEQUENTIAL):
            return self._network(kind, name, config, calls)
        inner = {key: self.entry(config[key]) for key in WRAPPERS.get(kind, ()) if config.get(key) is not None}
        if kind == "Bidirectional" and not all(layer.kind in RECURRENT for layer in inner.values()):
            raise Refused(f"layer {shown(name)} (Bidirectional) wraps something else than {', '.join(RECURRENT)}")
        if kind == LOOKUP:
            check_lookup(config, name)
        settings = {key: _setting(key, value, name, kind) for key, value in config.items() if key not in inner}
        build_shape = _build_shape(entry, config, name, self._limits) if kind == "Normalization" else None
        return Layer(name, kind, settings, inner, build_shape, calls)

    def _network(self, kind: str, name: str, config: dict[str, object], calls: tuple[Call, ...]) -> Network:
        entries = config.get("layers")
        if not isinstance(entries, list) or not entries:
            raise Refused(f"model {shown(name)} has no list of layers")
        layers = tuple(self.entry(entry) for entry in entries)
        seen: set[str] = set()
        for layer in layers:
            if layer.name in seen:
                raise Refused(f"two layers of model {shown(name)} are called {shown(layer.name)}")
            seen.add(layer.name)
        if kind == SEQUENTIAL:
            if layers[0].kind != "InputLayer":
                raise Refused(f"model {shown(name)} was saved before it knew the shape of its input")
            return Network(name, kind, layers, (), None, None, None, calls)
        trainable = config.get("trainable")
        if not isinstance(trainable, bool | None):
            raise Refused(f"model {shown(name)} is trainable: {shown(str(trainable))}; true or false expected")
        inputs, outputs = (_ends(config.get(key), layers, name) for key in ("input_layers", "output_layers"))
        self._refer(len(flat(inputs)) + len(flat(outputs)))
        kinds = {layer.name: layer.kind for layer in layers}
        if any(kinds.get(output.layer) != "InputLayer" for output in flat(inputs)):
            raise Refused(f"model {shown(name)} has an input that is no InputLayer")
        return Network(name, kind, layers, tuple(call_order(layers)), inputs, outputs, trainable, calls)

    def _refer(self, count: int) -> None:
        self._references += count
        check_keras_limit(self._references, self._limits, "references", "references to outputs of layers")


def _identified(entry: object) -> tuple[str, str, dict[str, object]]:
    """Return kind, name and settings of an entry whose class is listed."""
    if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
        raise Refused("its config.json holds something else where a layer or a model is expected")
    found, config = entry["class_name"], entry.get("config")
    kind = _kind(found, entry.get("module"), entry.get("registered_name"), words=holds_words(config))
    odd = sorted(set(entry) - _ENTRY_KEYS)
    if odd or not isinstance(config, dict) or not isinstance(config.get("name"), str):
        reason = f"has an entry {shown(odd[0])}, which Keras does not write" if odd else "lacks a name or its settings"
        raise Refused(f"a layer of class {shown(found)} {reason}")
    if entry.get("name") not in (None, config["name"]):
        raise Refused(f"layer {shown(config['name'])} is called {shown(str(entry['name']))} too")
    return kind, config["name"], config


def _kind(name: str, module: object, registered: object, *, words: bool) -> str:
    module = module if isinstance(module, str) else ""
    inside = module.startswith("keras.") and registered in (None, name)
    if (name in LAYERS or (name == LOOKUP and words)) and module == "keras.layers" and registered is None:
        return name
    if name in (FUNCTIONAL, SEQUENTIAL) and (inside or module == "keras") and registered in (None, name):
        return name
    if name in APPLICATION_LAYERS and inside and ".applications." in module:
        return name
    if name in OPERATIONS and inside and module.endswith(".ops.numpy"):
        return f"ops.{name}"
    if OUR_LAYERS.get(name) == (module, registered):
        return name
    if name in RUNS_CODE:
        raise Refused(f"holds a layer of class {name}, which would run code out of the file", _REMEDY)
    if name in READS_FILES:
        raise Refused(f"holds a layer of class {name}, which would read a file or an address that it names", _REMEDY)
    origin = f"{module}.{name}" + (f", registered as {registered}" if isinstance(registered, str) else "")
    raise Refused(f"holds a layer of class {shown(origin, 160)}, which is not among the accepted ones", _REMEDY)


def _setting(key: str, value: object, name: str, kind: str) -> object:
    """Return a layer's setting as Keras shall get it."""
    where = f"layer {shown(name)} has the setting {shown(key)}"
    if key in MUST_BE_OFF and value:
        raise Refused(f"{where} on, which is not accepted", _REMEDY)
    if key == "dtype" and value == "string" and kind in TAKE_TEXTS:
        return value
    if key == "dtype":
        return _dtype(value, where)
    if key.endswith("activation"):
        if value is not None and (not isinstance(value, str) or value not in ACTIVATIONS):
            raise Refused(f"{where} = {_described(value)}; the name of an activation of Keras accepted", _REMEDY)
        return value
    for ending, (module, classes) in OBJECTS.items():
        if key.endswith(ending) and value is not None:
            return _object(value, module, classes, where)
    return _plain(value, where)


def _dtype(value: object, where: str) -> str | None:
    """Return a dtype or the name of a policy."""
    found = value
    if isinstance(value, dict) and value.get("class_name") in ("DTypePolicy", "FloatDTypePolicy"):
        if value.get("module") in ("keras", "keras.dtype_policies") and isinstance(value.get("config"), dict):
            found = value["config"].get("name")
    if found is not None and (not isinstance(found, str) or found not in DTYPES):
        raise Refused(f"{where} = {_described(found)}; accepted are {', '.join(sorted(DTYPES))}", _REMEDY)
    return found


def _object(value: object, module: str, classes: frozenset[str], where: str) -> dict[str, object]:
    """Return an initializer, a regularizer or a constraint as Keras reads it, made anew from what was checked."""
    name = value.get("class_name") if isinstance(value, dict) else None
    good = isinstance(name, str) and name in classes and value.get("module") == module
    if not good or value.get("registered_name") is not None or not isinstance(value.get("config"), dict):
        raise Refused(f"{where} = {_described(value)}; a plain object of {module} accepted", _REMEDY)
    config = {key: _plain(item, where) for key, item in value["config"].items()}
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def _plain(value: object, where: str) -> object:
    if isinstance(value, dict):
        raise Refused(f"{where} = {_described(value)}; numbers, texts and lists of them accepted", _REMEDY)
    return [_plain(item, where) for item in value] if isinstance(value, list) else value


def _described(value: object) -> str:
    if not isinstance(value, dict):
        return shown(str(value))
    parts = (value.get("module"), value.get("class_name"), value.get("config"))
    return f"an object {shown('.'.join(part for part in parts if isinstance(part, str)))}"


def _build_shape(entry: dict, config: dict[str, object], name: str, limits: KerasLimits) -> list[int | None]:
    """Return the input shape of a Normalization layer, having bounded how many numbers it makes of it."""
    build_config = entry.get("build_config")
    shape = build_config.get("input_shape") if isinstance(build_config, dict) else None
    if not isinstance(shape, list) or not all(size is None or (type(size) is int and size > 0) for size in shape):
        raise Refused(f"layer {shown(name)} (Normalization) does not say what shape it was built with")
    axis = config.get("axis")
    axes = axis if isinstance(axis, list) else [] if axis is None else [axis]
    if not all(type(at) is int and -len(shape) <= at < len(shape) for at in axes):
        raise Refused(f"layer {shown(name)} (Normalization) has axis {shown(str(axis))} for the shape {shape}")
    kept = math.prod(shape[at] or 1 for at in {at % len(shape) for at in axes})
    check_keras_limit(kept, limits, "normalized_values", f"numbers of layer {shown(name)} (Normalization)")
    return shape


def _ends(value: object, layers: tuple[Layer | Network, ...], name: str) -> object:
    """Return inputs or outputs of a functional model, with calls counted as they are inside it."""
    functional = {layer.name for layer in layers if layer.kind == FUNCTIONAL}

    def counted(structure: object) -> object:
        if isinstance(structure, Output):
            # Here, and nowhere else, Keras counts the calls of a functional model from 1.
            return Output(structure.layer, structure.call - (structure.layer in functional), structure.index)
        if isinstance(structure, dict):
            return {key: counted(item) for key, item in structure.items()}
        return [counted(item) for item in structure]

    found = counted(read_structure(value, name))
    if not flat(found) or any(output.call < 0 for output in flat(found)):
        raise Refused(f"model {shown(name)} names no output, or one that does not exist")
    return found
