"""A file of NumPy arrays (.npz), read without running code from it: every size is known before anything is unpacked."""

import os
import tokenize
import zipfile
import zlib

import numpy as np

from finetune.data.arrays import Arrays, Part
from finetune.data.examples import printable
from zoo.errors import DataError

# Words in the names of arrays, as Keras, NumPy's users and MedMNIST write them.
_INPUTS = ("x", "images", "image", "data", "features")
_TARGETS = ("y", "labels", "label", "targets", "target")
_SIDES = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation", "test": "test"}
_NAMES = "class_names"
_MOST_MEMBERS = 1000
_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npz(path: str, *, max_bytes: int) -> dict[str, np.ndarray]:
    """Return the arrays of a file by name.

    Args:
        path: of the file.
        max_bytes: that all arrays may take.

    Raises:
        DataError: the file is missing, damaged, too large, or holds objects, which only unpickling could read.
    """
    name = printable(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(name, members, max_bytes)
            return {member.filename.removesuffix(".npy"): _read(name, archive, member) for member in members}
    except FileNotFoundError:
        raise DataError(f"{name} does not exist") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{name} is no .npz file, or is damaged ({str(error)[:120]})") from error
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}") from error


def npz_arrays(path: str, *, max_bytes: int) -> Arrays:
    """Return the inputs and targets of a .npz file: x and y, or x_train and y_train beside x_test and y_test.

    Raises:
        DataError: the file cannot be read, or has no such arrays.
    """
    found, root = read_npz(path, max_bytes=max_bytes), os.path.abspath(path)
    names = found.pop(_NAMES, None)
    inputs, targets, unused = {}, {}, []
    for name in found:
        role, side = _role(name)
        place = {"input": inputs, "target": targets}.get(role)
        if place is None or side in place:
            unused.append(name)
        else:
            place[side] = name
    if "train" not in inputs and "" in inputs and len(inputs) > 1:
        # x beside x_test is what is left to learn from
        inputs["train"], targets["train"] = inputs.pop(""), targets.pop("", None)
    if not inputs or (len(inputs) > 1 and "train" not in inputs) or (len(inputs) > 1 and "" in inputs):
        raise DataError(
            f"{printable(path)} has the arrays {', '.join(map(repr, found)) or 'none'}; expected are x and y, or "
            f"x_train, y_train, x_test and y_test"
        )
    parts = tuple(
        Part(name, side, found[name], found[targets[side]] if targets.get(side) else None)
        for side, name in inputs.items()
    )
    notes = (f"arrays that are not used: {', '.join(map(printable, unused))}",) if unused else ()
    return Arrays(root, parts, _class_names(path, names), notes=notes)


def _check_members(name: str, members: list[zipfile.ZipInfo], max_bytes: int) -> None:
    if len(members) > _MOST_MEMBERS:
        raise DataError(f"{name} has {len(members):,} members; at most {_MOST_MEMBERS:,} are read")
    if len({member.filename for member in members}) < len(members):
        raise DataError(f"{name} has two arrays of one name")
    total = sum(member.file_size for member in members)
    if total > max_bytes:
        raise DataError(
            f"{name} unpacks to {total:,} bytes, over the limit of {max_bytes:,}. Take a part of it, or raise the "
            f"limit with --set max_array_bytes={total}"
        )
    other = next((member.filename for member in members if not member.filename.endswith(".npy")), None)
    if other:
        raise DataError(f"{name} holds {printable(other)!r}, which is no array; expected is what numpy.savez writes")


def _read(name: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    place = f"{name}: {printable(member.filename)}"
    with archive.open(member) as stream:
        try:
            version = np.lib.format.read_magic(stream)
            shape, fortran, dtype = _HEADER_READERS[version](stream)
        except (ValueError, KeyError, TypeError, SyntaxError, RecursionError, tokenize.TokenError) as error:
            raise DataError(f"{place} is no array of NumPy's ({str(error)[:120]})") from error
        if dtype.hasobject:
            raise DataError(
                f"{place} holds objects, which would have to be unpickled and could run code. Save numbers or texts, "
                f"such as x.astype('float32')"
            )
        count = int(np.prod(shape, dtype=object))
        expected = count * dtype.itemsize
        if not 0 <= expected <= member.file_size:
            raise DataError(f"{place} says it has the shape {shape} of {dtype}, but only {member.file_size:,} bytes")
        data = stream.read(expected + 1)
    if len(data) != expected:
        raise DataError(f"{place} has another length than its shape {shape} of {dtype} says")
    array = np.frombuffer(data, dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def _role(name: str) -> tuple[str, str]:
    """Return "input" or "target" (or "") and the side that the name of an array says."""
    words = name.lower().split("_")
    sides = [word for word in words if word in _SIDES]
    others = [word for word in words if word not in _SIDES]
    if len(sides) > 1 or len(others) != 1:
        return "", ""
    role = "input" if others[0] in _INPUTS else "target" if others[0] in _TARGETS else ""
    return role, _SIDES[sides[0]] if sides else ""


def _class_names(path: str, names: np.ndarray | None) -> tuple[str, ...]:
    if names is None:
        return ()
    if names.ndim != 1 or names.dtype.kind not in "US":
        raise DataError(f"{printable(path)}: class_names must be a list of texts; it is {names.dtype} {names.shape}")
    texts = names if names.dtype.kind == "U" else np.char.decode(names, "utf-8", "backslashreplace")
    found = tuple(texts.tolist())
    if len(set(found)) < len(found) or "" in found:
        raise DataError(f"{printable(path)}: class_names has a name twice, or an empty one")
    return found
