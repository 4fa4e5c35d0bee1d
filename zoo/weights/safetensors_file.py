"""Reader of safetensors files, and of the index that joins several of them.

The header is checked in full before a number is read, more strictly than the format's own library does, and the same
parse serves the reading; the library knows no bfloat16 for NumPy either. Format:
https://github.com/huggingface/safetensors#format
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.weights.elements import ELEMENTS, Element, decoded
from zoo.weights.weight_file import DEFAULT_LIMITS, ReadLimits, Refused, WeightFile, check_limit, opened, shown

INDEX_SUFFIX = ".safetensors.index.json"
_REMEDY = "Get the file again, or save it again with safetensors.numpy.save_file."
_KIND_REMEDY = "Convert these tensors to F32 before saving."
_MOST_DIMENSIONS = 16
_LENGTH_BYTES = 8


@dataclass(frozen=True)
class _Entry:
    """A tensor as the header describes it; begin and end count bytes from the end of the header."""

    name: str
    element: Element
    shape: tuple[int, ...]
    begin: int
    end: int


def read_safetensors(path: str | Path, *, limits: ReadLimits = DEFAULT_LIMITS) -> dict[str, np.ndarray]:
    """Return the tensors of a safetensors file, or of all files that an index names.

    Args:
        path: `*.safetensors`, or `*.safetensors.index.json` with the files it names beside it.
        limits: how much the file may ask for.

    Returns:
        Read-only arrays by name, in the header's order; those of an index in the index's order. float16 and bfloat16
        become float32 (exactly), other dtypes stay as they are.

    Raises:
        ModelFileError: a file is missing, damaged, of another kind, over a limit, or holds numbers of a kind that NumPy
            lacks.

    Example:
        >>> read_safetensors("model.safetensors")["stem.weight"].dtype
        dtype('float32')
    """
    path = Path(path)
    if path.name.endswith(INDEX_SUFFIX):
        return _read_shards(path, limits)
    with opened(path, limits, _REMEDY) as file:
        return _read(file)


def _read(file: WeightFile, expected: set[str] | None = None) -> dict[str, np.ndarray]:
    header, start = _header(file)
    if not header:
        raise Refused("holds no tensor")
    check_limit(len(header), file.limits, "tensors", "tensors")
    entries = [_entry(name, fields) for name, fields in header.items()]
    _check_layout(entries, file.num_bytes - start)
    if expected is not None and expected != {entry.name for entry in entries}:
        odd = min(expected.symmetric_difference(entry.name for entry in entries))
        raise Refused(f"and the index disagree on whether the tensor {shown(odd)} is in it")
    return {entry.name: _array(file, entry, start) for entry in entries}


def _header(file: WeightFile) -> tuple[dict[str, object], int]:
    """Return what the header says of each tensor, and where the numbers start."""
    size = int.from_bytes(file.bytes_at(0, _LENGTH_BYTES), "little")
    start = _LENGTH_BYTES + size
    if start > file.num_bytes:
        raise Refused(
            f"is cut short or no safetensors file: it promises a header of {size} bytes and has "
            f"{file.num_bytes - _LENGTH_BYTES} after its first 8"
        )
    check_limit(size, file.limits, "header_bytes", "bytes of the header")
    text = file.bytes_at(_LENGTH_BYTES, size)
    if not text.startswith(b"{"):
        raise Refused(f"is no safetensors file: its header starts with {text[:8]!r}; '{{' expected")
    header = _parsed(text, "header")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise Refused("its __metadata__ is no dict from texts to texts")
    return header, start


def _parsed(text: bytes, what: str) -> dict[str, object]:
    """Return a JSON object in which no key comes twice."""
    try:
        found = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise Refused(f"its {what} is not UTF-8: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise Refused(f"its {what} nests too deeply to be one of safetensors") from error
    except ValueError as error:  # JSONDecodeError, and integers of thousands of digits
        raise Refused(f"its {what} is not JSON: {str(error)[:200]}") from error
    if not isinstance(found, dict):
        raise Refused(f"its {what} is a {type(found).__name__}; a JSON object expected")
    return found


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise Refused(f"the key {shown(key)} comes twice")
        found[key] = value
    return found


def _refuse_constant(name: str) -> None:
    raise Refused(f"{name} is not JSON")


def _entry(name: str, fields: object) -> _Entry:
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise Refused(f"the tensor name {shown(name)} is not Unicode text")
    if not isinstance(fields, dict) or set(fields) != {"dtype", "shape", "data_offsets"}:
        found = ", ".join(shown(key) for key in fields) if isinstance(fields, dict) else f"a {type(fields).__name__}"
        raise Refused(f"tensor {shown(name)} is described by {found[:200]}; dtype, shape, data_offsets expected")
    element = _element(name, fields["dtype"])
    shape = _integers(name, "shape", fields["shape"])
    offsets = _integers(name, "data_offsets", fields["data_offsets"])
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise Refused(f"tensor {shown(name)} has data_offsets {list(offsets)}; a begin and a later end expected")
    entry = _Entry(name, element, shape, *offsets)
    needed = math.prod(shape) * element.num_bytes
    if needed != entry.end - entry.begin or math.prod(max(1, size) for size in shape) >= 2**60:
        raise Refused(
            f"tensor {shown(name)} of shape {list(shape)} and dtype {element.name} needs {needed} bytes; "
            f"its data_offsets hold {entry.end - entry.begin}"
        )
    return entry


def _element(name: str, dtype: object) -> Element:
    if not isinstance(dtype, str) or dtype not in ELEMENTS:
        found = shown(dtype) if isinstance(dtype, str) else type(dtype).__name__
        raise Refused(f"tensor {shown(name)} has dtype {found}; accepted are {', '.join(ELEMENTS)}", _KIND_REMEDY)
    return ELEMENTS[dtype]


def _integers(name: str, what: str, values: object) -> tuple[int, ...]:
    good = isinstance(values, list) and len(values) <= _MOST_DIMENSIONS
    if not good or not all(type(value) is int and 0 <= value < 2**63 for value in values):
        raise Refused(
            f"tensor {shown(name)} has a {what} that is not a list of at most {_MOST_DIMENSIONS} integers below 2**63"
        )
    return tuple(values)


def _check_layout(entries: list[_Entry], num_bytes: int) -> None:
    """Refuse tensors that overlap, leave holes, or do not end with the file."""
    free_from = 0
    for entry in sorted(entries, key=lambda entry: (entry.begin, entry.end)):
        if entry.begin != free_from:
            fault = "overlaps the one before" if entry.begin < free_from else "leaves a hole before it"
            raise Refused(f"tensor {shown(entry.name)} {fault}: it begins at byte {entry.begin}, not at {free_from}")
        free_from = entry.end
    if free_from != num_bytes:
        raise Refused(
            f"is cut short or has something appended: its tensors take {free_from} bytes, {num_bytes} follow the header"
        )


def _array(file: WeightFile, entry: _Entry, start: int) -> np.ndarray:
    raw = file.array_at(start + entry.begin, math.prod(entry.shape), entry.element.stored)
    try:
        return decoded(raw, entry.element).reshape(entry.shape)
    except Refused as error:
        raise Refused(f"tensor {shown(entry.name)} {error.found}", error.remedy) from error


def _read_shards(path: Path, limits: ReadLimits) -> dict[str, np.ndarray]:
    with opened(path, limits, _REMEDY) as file:
        shard_of = _shard_of(file)
        inside: dict[str, set[str]] = {}
        for name, shard in shard_of.items():
            inside.setdefault(shard, set()).add(name)
        for shard in inside:
            if not (path.parent / shard).is_file():
                raise Refused(f"names the file {shown(shard)}, which is not beside it", "Get the missing file too.")
        total = sum((path.parent / shard).stat().st_size for shard in inside)
        check_limit(total, limits, "file_bytes", "bytes of all files of the index")
    arrays: dict[str, np.ndarray] = {}
    for shard, names in inside.items():
        with opened(path.parent / shard, limits, _REMEDY) as file:
            arrays |= _read(file, names)
    return {name: arrays[name] for name in shard_of}


def _shard_of(file: WeightFile) -> dict[str, str]:
    """Return the file name for each tensor of an index; the names are plain and cannot lead elsewhere."""
    check_limit(file.num_bytes, file.limits, "header_bytes", "bytes of the index")
    found = _parsed(file.bytes_at(0, file.num_bytes), "index").get("weight_map")
    if not isinstance(found, dict) or not found:
        raise Refused("its weight_map is no JSON object from tensor names to file names")
    check_limit(len(found), file.limits, "tensors", "tensors")
    for name, shard in found.items():
        plain = isinstance(shard, str) and shard.endswith(".safetensors") and shard.isprintable()
        if not plain or any(letter in shard for letter in "/\\:"):
            kind = shown(shard) if isinstance(shard, str) else type(shard).__name__
            raise Refused(
                f"places tensor {shown(name)} in {kind}; the plain name of a .safetensors file beside it expected"
            )
    return found
