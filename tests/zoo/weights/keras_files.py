"""Builders of small .keras and .h5 files, good and bad, out of their parts and without Keras."""

import io
import json
import struct
import zipfile
from collections.abc import Callable, Mapping

import h5py
import numpy as np

VERSION = "3.15.1"
KERNEL, BIAS = "layers/dense/vars/0", "layers/dense/vars/1"
ARRAYS = {KERNEL: np.arange(6, dtype="f4").reshape(2, 3), BIAS: np.ones(3, "f4")}


def entry(kind: str, name: str, module: str = "keras.layers", **config: object) -> dict[str, object]:
    """An entry of config.json, as Keras writes it for a layer."""
    return {"module": module, "class_name": kind, "config": {"name": name, **config}, "registered_name": None}


def function(name: str, module: str) -> dict[str, object]:
    """An entry of config.json for a function."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def input_layer(*shape: int | None, name: str = "in") -> dict[str, object]:
    """An input layer; the batch size is left open."""
    return entry("InputLayer", name, batch_shape=[None, *shape], dtype="float32")


def dense(units: int = 3, name: str = "dense", **config: object) -> dict[str, object]:
    """A dense layer."""
    return entry("Dense", name, units=units, **config)


def sequential(*layers: dict[str, object], **more: object) -> dict[str, object]:
    """A sequential model."""
    return {**entry("Sequential", "mlp", "keras", layers=list(layers)), **more}


def output(layer: str, call: int = 0, index: int = 0) -> dict[str, object]:
    """A reference to a layer's output."""
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 2], "dtype": "float32", "keras_history": [layer, call, index]},
    }


def called(layer: dict[str, object], *calls: list[object], **kwargs: object) -> dict[str, object]:
    """A layer of a functional model, called with these lists of arguments."""
    nodes = [{"args": args, "kwargs": kwargs} for args in calls]
    return {**layer, "name": layer["config"]["name"], "inbound_nodes": nodes}


def functional(*layers: dict[str, object], outputs: object = None, **more: object) -> dict[str, object]:
    """A functional model whose input is the layer "in", and whose output that of "dense" unless told otherwise."""
    outputs = ["dense", 0, 0] if outputs is None else outputs
    config = {"layers": list(layers), "input_layers": ["in", 0, 0], "output_layers": outputs, **more}
    return {**entry("Functional", "net", "keras", **config), "registered_name": "Functional"}


MLP = sequential(input_layer(2), dense())


def hdf5(arrays: Mapping[str, np.ndarray] = ARRAYS, change: Callable[[h5py.File], None] | None = None) -> bytes:
    """An HDF5 file of these arrays, with one more change to it."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for path, array in arrays.items():
            file[path] = array
        if change:
            change(file)
    return buffer.getvalue()


def legacy(layers: Mapping[str, Mapping[str, np.ndarray]], change: Callable[[h5py.File], None] | None = None) -> bytes:
    """Weights in the layout from before Keras 3: arrays by layer and by name of the weight."""

    def arrange(file: h5py.File) -> None:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        file.attrs["backend"] = "tensorflow"
        for name, weights in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, array in weights.items():
                group[weight] = array
        if change:
            change(file)

    return hdf5({}, arrange)


def keras_archive(
    config: object = MLP, weights: bytes | None = None, version: object = VERSION, **more: bytes
) -> bytes:
    """A .keras file; members are added by name."""
    members = {
        "metadata.json": json.dumps({"keras_version": version, "date_saved": "2026-01-01@00:00:00"}).encode(),
        "config.json": config if isinstance(config, bytes) else json.dumps(config).encode(),
        "model.weights.h5": hdf5() if weights is None else weights,
    }
    return zipped(members | more)


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def promising(data: bytes, size: int, count: int | None = None) -> bytes:
    """An archive whose last member is said to have `size` bytes (64-bit), or that is said to have `count` members."""
    entry_at, end_at = data.rindex(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    if count is not None:
        return data[: end_at + 8] + struct.pack("<2H", count, count) + data[end_at + 12 :]
    wide = struct.pack("<2H2Q", 1, 16, size, size)
    directory = bytearray(data[entry_at:end_at])
    directory[20:28] = b"\xff" * 8
    directory[30:32] = struct.pack("<H", len(wide))
    end = bytearray(data[end_at:])
    end[12:16] = struct.pack("<I", struct.unpack_from("<I", end, 12)[0] + len(wide))
    return data[:entry_at] + bytes(directory) + wide + bytes(end)
