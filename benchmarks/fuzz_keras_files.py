"""Small good files of Keras, and ways to damage what is inside them; `fuzz_weight_files.py` runs the mutants.

Of the .keras mutants, a part has another value somewhere in config.json, a part has damaged bytes inside a member that
is packed again with a right checksum, and a part has another number in a zip header. Of the HDF5 mutants a part has
whole words of the headers replaced: addresses, sizes and kinds.
"""

import copy
import io
import json
import random
import re
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

from zoo.filling import FillMissing
from zoo.spec import Preprocessing
from zoo.weights.from_keras_arrays import read_arrays
from zoo.weights.keras_model import load_model

VALUES = (
    *(None, True, False, -1, 0, 1, 2, 3, 7, 1000, 2**31, 2**40, 2**62, -(2**63), 0.5, -0.5, 1e-300, 1e300),
    *("", "relu", "softmax", "valid", "same", "channels_first", "float16", "int8", "in", "dense", "Lambda", "Dense"),
    *([], [1], [0], [2, 2], [None, 2], [None, None, None, 3], [[]], {}, {"class_name": "Lambda", "config": {}}),
    {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"},
)
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06")
WORDS = (0, 1, 2, 8, 24, 96, 0xFF, 0xFFFF, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1)
Damage = Callable[[random.Random, bytes], bytes]


def seeds(kind: str) -> list[bytes]:
    """Return good files: "keras" (.keras archives) or "h5" (.weights.h5, and legacy .h5 with both kinds of texts)."""
    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("good.keras" if kind == "keras" else "good.weights.h5")
        if kind == "h5":
            network().save_weights(path)
            return [path.read_bytes(), legacy(any_size=False), legacy(any_size=True)]
        found = []
        for model in (network(), recurrent(), table()):
            model.save(path)
            found.append(_packed(_unchanging(_members(path.read_bytes()))))
        return found


def _members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return {name: file.read(name) for name in file.namelist()}


def _unchanging(members: dict[str, bytes]) -> dict[str, bytes]:
    """Return an archive's members without the date and the addresses in memory that Keras writes into them."""
    config = re.sub(rb', "shared_object_id": \d+', b"", members["config.json"])
    metadata = json.dumps({"keras_version": keras.__version__, "date_saved": "2026-01-01@00:00:00"}).encode()
    return members | {"config.json": config, "metadata.json": metadata}


def network() -> keras.Model:
    """Return a small functional model with a branch, statistics and a normalization of its own."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 3), name="in")
    x = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0], name="norm")(inputs)
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, activation="relu", name="conv")(x)
    branch = layers.BatchNormalization(name="bn")(layers.DepthwiseConv2D(3, padding="same", name="deep")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(layers.Add(name="add")([x, branch]))
    x = layers.Dropout(0.2, name="dropout")(x)
    return keras.Model(inputs, layers.Dense(2, "softmax", name="dense")(x), name="net")


def recurrent() -> keras.Model:
    """Return a small sequential model with a layer in a layer."""
    gru = keras.layers.GRU(3, name="gru")
    layers = [keras.Input((4, 2), name="in"), keras.layers.Bidirectional(gru, name="both")]
    return keras.Sequential([*layers, keras.layers.Dense(2, name="dense")], name="sequence")


def table() -> keras.Model:
    """Return a small model with two inputs by name, of which one takes texts."""
    numbers = keras.Input((2,), name="numbers")
    text = keras.Input((1,), dtype="string", name="text")
    words = keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot", name="words")(text)
    x = keras.layers.Concatenate(name="features")([FillMissing([1.0, 2.0], name="fill")(numbers), words])
    return keras.Model({"numbers": numbers, "text": text}, keras.layers.Dense(2, name="dense")(x), name="table")


def legacy(*, any_size: bool) -> bytes:
    """Return the network's weights in the layout from before Keras 3, with texts of any size or of one."""

    def texts(group: h5py.Group, name: str, values: list[str]) -> None:
        group.attrs.create(name, values if any_size else np.array(values, "S") if values else np.zeros(0))

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        layers = [layer for layer in network().layers if layer.name != "dropout"]
        texts(file, "layer_names", [layer.name for layer in layers])
        for layer in layers:
            group = file.create_group(layer.name)
            weights = layer.trainable_weights + layer.non_trainable_weights
            paths = [f"{layer.name}/{weight.name}:0" for weight in weights]
            texts(group, "weight_names", paths)
            for path, weight in zip(paths, weights, strict=True):
                group[path] = np.asarray(weight)
    return buffer.getvalue()


def reader(kind: str) -> Callable[[Path], dict[str, np.ndarray]]:
    """Return what reads a file of this kind and gives its arrays; raises AssertionError for arrays of a wrong shape."""
    if kind == "keras":
        return lambda path: {weight.path: np.asarray(weight) for weight in load_model(path).weights}
    model = network()
    backbone = keras.Model(model.input, model.get_layer("pool").input)
    shapes = {f"{layer.name}/{weight.name}": weight.shape for layer in backbone.layers for weight in layer.weights}
    row = Preprocessing(8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))

    def read(path: Path) -> dict[str, np.ndarray]:
        arrays = read_arrays(path, backbone, row)
        found = {name: array.shape for name, array in arrays.items()}
        # the number of classes is the file's to say
        head = {"logits/kernel": (4, found.get("logits/bias", (0,))[0]), "logits/bias": found.get("logits/bias")}
        assert found in ({**shapes, **head}, shapes), "arrays of other shapes"
        return arrays

    return read


def inside(kind: str, rng: random.Random, good: bytes, damaged: Damage) -> bytes:
    """Return a good file with damage that gets past its checksums."""
    if kind == "h5":
        return _with_words(rng, good) if rng.random() < 0.7 else damaged(rng, good)
    members = _members(good)
    way = rng.random()
    if way < 0.2:
        return _with_zip_fields(rng, good)
    if way < 0.6:
        config = _with_values(rng, json.loads(members["config.json"]))
        members["config.json"] = json.dumps(config).encode()
    else:
        name = rng.choice(("model.weights.h5", "model.weights.h5", "config.json", "metadata.json"))
        change = _with_words if name.endswith("h5") and rng.random() < 0.7 else damaged
        members[name] = change(rng, members[name])
    return _packed(members)


def _packed(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name), data)  # without the time of day
    return buffer.getvalue()


def _with_values(rng: random.Random, config: dict) -> dict:
    """Return a config with some values replaced, left out, or put in another's place."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = list(_places(config))
        parent, key = rng.choice(places)
        way = rng.random()
        if way < 0.15:
            del parent[key]
        elif way < 0.4:
            other, where = rng.choice(places)
            parent[key] = copy.deepcopy(other[where])
        else:
            parent[key] = copy.deepcopy(rng.choice(VALUES))
        if not config:
            break
    return config


def _places(value: object) -> Iterator[tuple[dict | list, str | int]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield value, key
        yield from _places(child)


def _with_zip_fields(rng: random.Random, good: bytes) -> bytes:
    data = bytearray(good)
    starts = [at for mark in _ZIP_SIGNATURES for at in range(len(data)) if data.startswith(mark, at)]
    for _ in range(rng.choice((1, 1, 2))):
        at, size = rng.choice(starts) + rng.randrange(4, 46), rng.choice((1, 2, 4))
        data[at : at + size] = _number(rng, data, size)
    return bytes(data)


def _with_words(rng: random.Random, good: bytes) -> bytes:
    """Return an HDF5 file with numbers of its headers replaced; they stand at multiples of their size."""
    data = bytearray(good)
    for _ in range(rng.choice((1, 1, 2, 3))):
        size = rng.choice((1, 2, 4, 8, 8))
        places = [at for at in range(0, len(data) - size, size) if any(data[at : at + size])]
        at = rng.choice(places)
        data[at : at + size] = _number(rng, data, size)
    return bytes(data)


def _number(rng: random.Random, data: bytearray, size: int) -> bytes:
    """Return another number for `size` bytes: an extreme one, one from elsewhere in the file, or a place in it."""
    way = rng.random()
    if way < 0.4:
        return struct.pack("<Q", rng.choice(WORDS))[:size]
    if way < 0.7:
        at = rng.randrange(0, max(1, len(data) - size), size)
        return bytes(data[at : at + size])
    return struct.pack("<Q", rng.randrange(len(data) + 16))[:size]
