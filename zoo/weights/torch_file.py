"""Reader of .pth files, as torch.save writes them, without torch and without running the pickle they contain.

Both formats are read: the stream of the days before torch 1.6 and the zip archive since. First everything is checked
that the file says about its tensors, then the numbers are read. A file that is refused is refused for good: there is no
second attempt with a laxer reader.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from zoo.weights.elements import Element, decoded
from zoo.weights.pickle_machine import WHOLE_MODULE_REMEDY, PickleMachine
from zoo.weights.pickle_stack import described
from zoo.weights.stored_zip import LOCAL_SIGNATURE, Member, check_stored, read_directory
from zoo.weights.torch_tensors import NAMES, Storage, StorageTable, Tensor
from zoo.weights.weight_file import (
    DEFAULT_LIMITS,
    ReadLimits,
    Refused,
    WeightFile,
    check_limit,
    how_to_raise,
    is_safetensors,
    opened,
    shown,
)

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_NEWEST_ARCHIVE_VERSION = 10
_WRAPPERS = ("state_dict", "model_state_dict", "model")
# what torch.nn.DataParallel and torch.compile write before every name
_PREFIXES = ("module.", "_orig_mod.")

_REMEDY = "Get the file again, or save its plain state dict with torch: torch.save(model.state_dict(), 'new.pth')."
_TAR_REMEDY = (
    "If you trust the file (loading it runs its code), convert it: "
    "python -c \"import torch; torch.save(torch.load('old.pth', weights_only=False), 'new.pth')\""
)
_SCRIPT_REMEDY = (
    "If you trust the file, save its weights alone: "
    "python -c \"import torch; torch.save(torch.jit.load('old.pt').state_dict(), 'new.pth')\""
)
_ENDIAN_REMEDY = "Save it on a little-endian machine, or with torch.serialization.set_default_load_endianness."

# Reads the numbers of one storage, of shape (count,), as the file has them.
ReadStorage = Callable[[Storage], np.ndarray]


def read_torch_file(path: str | Path, *, limits: ReadLimits = DEFAULT_LIMITS) -> dict[str, np.ndarray]:
    """Return the state dict that a torch file holds.

    A dict of the kind {"state_dict": ...}, {"model_state_dict": ...} or {"model": ...} is unwrapped, its other entries
    are left out. The prefixes "module." and "_orig_mod.", which torch.nn.DataParallel and torch.compile write, are
    taken off if every name has them.

    Args:
        path: a file that torch.save wrote.
        limits: how much the file may ask for.

    Returns:
        Arrays by name, in the file's order. They are read-only, because names may share numbers as they do in the file;
        a view keeps its strides. float16 and bfloat16 become float32 (exactly), other dtypes stay as they are.

    Raises:
        ModelFileError: the file is missing, damaged, of another kind, over a limit, or asks for anything but tensors.

    Example:
        >>> arrays = read_torch_file("efficientnet-lite0.pth")
        >>> arrays["_conv_stem.weight"].shape
        (32, 3, 3, 3)
    """
    with opened(path, limits, _REMEDY) as file:
        start = file.bytes_at(0, min(file.num_bytes, 512))
        if start.startswith(LOCAL_SIGNATURE):
            value, read_storage = _read_archive(file)
        elif start[257:262] == b"ustar":
            raise Refused("is in the tar format of torch before 0.1.10", _TAR_REMEDY)
        elif start.startswith(b"\x80"):
            value, read_storage = _read_stream(file)
        elif is_safetensors(start):
            raise Refused("is a safetensors file", "Give it a name that ends in .safetensors.")
        else:
            raise Refused(f"starts with {start[:8]!r}, which neither format of torch does")
        tensors = _state_dict(value)
        _check_size(tensors, file)
        return _arrays(tensors, read_storage)


def _read_stream(file: WeightFile) -> tuple[object, ReadStorage]:
    """Return the value of a file in the format before torch 1.6, and the function that reads its storages.

    Five pickles (magic number, version, machine, value, storage keys) are followed by the storages: for each key the
    number of elements as int64, then the elements.
    """
    head = file.bytes_at(0, min(file.num_bytes, file.limits.pickle_bytes))
    storages = StorageTable()
    machine = PickleMachine(head, NAMES, storages.find, file.limits)
    _check_same("magic number", machine.run(), _MAGIC_NUMBER)
    _check_same("protocol version", machine.run(), _PROTOCOL_VERSION)
    system = machine.run()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Refused("was saved on a machine that is not little-endian", _ENDIAN_REMEDY)
    value, keys = machine.run(), machine.run()
    offsets = _storage_offsets(file, storages.by_key, keys, machine.at)
    return value, lambda storage: file.array_at(offsets[storage.key], storage.count, storage.element.stored)


def _check_same(what: str, found: object, expected: int) -> None:
    if found != expected:
        raise Refused(f"is a pickle, but not one of torch.save: its {what} is not {expected}")


def _storage_offsets(file: WeightFile, storages: dict[str, Storage], keys: object, at: int) -> dict[str, int]:
    """Return where each storage's numbers start; checks that the storages fill the file from `at` to its end."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Refused(f"its list of storage keys is {described(keys)}; a list of texts expected")
    if len(keys) != len(storages) or set(keys) != set(storages):
        raise Refused(f"lists {len(keys)} storage keys; its tensors use {len(storages)}, and they must be the same")
    offsets = {}
    for key in keys:
        count = int.from_bytes(file.bytes_at(at, 8), "little", signed=True)
        if count != storages[key].count:
            raise Refused(f"storage {key} has {count} numbers; its tensors were promised {storages[key].count}")
        offsets[key] = at + 8
        at += 8 + count * storages[key].element.num_bytes
    if at != file.num_bytes:
        raise Refused(f"is cut short or has something appended: {at} bytes expected, {file.num_bytes} found")
    return offsets


def _read_archive(file: WeightFile) -> tuple[object, ReadStorage]:
    """Return the value of a zip archive, and the function that reads its storages."""
    members = read_directory(file)
    top = next(iter(members), "").split("/")[0]
    inside = {name.removeprefix(f"{top}/"): member for name, member in members.items() if name.startswith(f"{top}/")}
    _check_archive(file, members, inside)
    pickled = inside["data.pkl"]
    check_limit(pickled.num_bytes, file.limits, "pickle_bytes", "bytes of data.pkl")
    storages = StorageTable()
    machine = PickleMachine(pickled.read(file), NAMES, storages.find, file.limits)
    value = machine.run()
    if machine.at != pickled.num_bytes:
        raise Refused(f"data.pkl goes on after its end, at byte {machine.at}")
    for storage in storages.by_key.values():
        _check_member(storage, inside.get(f"data/{storage.key}"))
    return value, lambda storage: inside[f"data/{storage.key}"].read_array(file, storage.element.stored)


def _check_archive(file: WeightFile, members: dict[str, Member], inside: dict[str, Member]) -> None:
    if "constants.pkl" in inside or any(name.startswith("code/") for name in inside):
        raise Refused("is a TorchScript archive, which carries code", _SCRIPT_REMEDY)
    if "data.pkl" not in inside or len(inside) != len(members):
        found = ", ".join(shown(name) for name in list(members)[:3])
        raise Refused(f"is a zip archive, but not one of torch.save: it holds {found}; FOLDER/data.pkl expected")
    check_stored(members)
    version = _small(file, inside.get("version"))
    if not version.strip().isdigit() or not 1 <= int(version) <= _NEWEST_ARCHIVE_VERSION:
        raise Refused(f"is a torch archive of version {version!r}; 1 to {_NEWEST_ARCHIVE_VERSION} accepted")
    order = _small(file, inside["byteorder"]) if "byteorder" in inside else b"little"  # written since torch 2.1
    if order != b"little":
        raise Refused(f"its byte order is {order!r}; little accepted", _ENDIAN_REMEDY)


def _small(file: WeightFile, member: Member | None) -> bytes:
    if member is None or member.num_bytes > 16:
        return b""
    return member.read(file)


def _check_member(storage: Storage, member: Member | None) -> None:
    expected = storage.count * storage.element.num_bytes
    if member is None:
        raise Refused(f"the member data/{storage.key} is missing; tensors use it")
    if member.num_bytes != expected:
        raise Refused(
            f"the member data/{storage.key} has {member.num_bytes} bytes; {storage.count} numbers of kind "
            f"{storage.element.name} need {expected}"
        )


def _state_dict(value: object) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(value, dict) and isinstance(value.get(wrapper), dict):
            value = value[wrapper]
            break
    if not isinstance(value, dict) or not value:
        found = "an empty dict" if isinstance(value, dict) else described(value)
        raise Refused(f"holds {found}; a state dict expected, a dict from names to tensors", WHOLE_MODULE_REMEDY)
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise Refused(
                f"its entry {shown(str(name))} is {described(tensor)}; a state dict holds tensors by name, on its own "
                f"or under {' or '.join(_WRAPPERS)}"
            )
    # both may be there, in either order
    for prefix in (*_PREFIXES, *_PREFIXES):
        if all(name.startswith(prefix) for name in value):
            value = {name.removeprefix(prefix): tensor for name, tensor in value.items()}
    return value


def _check_size(tensors: dict[str, Tensor], file: WeightFile) -> None:
    check_limit(len(tensors), file.limits, "tensors", "tensors")
    allowed = max(file.limits.expansion_floor_bytes, file.limits.expansion * file.num_bytes)
    total = 0
    for name, tensor in tensors.items():
        total += tensor.full_bytes
        if total > allowed:
            raise Refused(
                f"up to {shown(name)}, of shape {tensor.shape}, its tensors take {total} bytes when written out; "
                f"{allowed} accepted for a file of {file.num_bytes}",
                how_to_raise("ReadLimits(expansion=...)"),
            )


def _arrays(tensors: dict[str, Tensor], read_storage: ReadStorage) -> dict[str, np.ndarray]:
    blocks: dict[str, np.ndarray] = {}
    arrays = {}
    for name, tensor in tensors.items():
        storage = tensor.storage
        if storage.key not in blocks:
            blocks[storage.key] = _block(storage.element, read_storage(storage), name)
        arrays[name] = _view(blocks[storage.key], tensor)
    return arrays


def _block(element: Element, raw: np.ndarray, name: str) -> np.ndarray:
    try:
        return decoded(raw, element)
    except Refused as error:
        raise Refused(f"tensor {shown(name)} {error.found}", error.remedy) from error


def _view(block: np.ndarray, tensor: Tensor) -> np.ndarray:
    size = block.itemsize
    if 0 in tensor.shape:
        return np.ndarray(tensor.shape, block.dtype)
    # The stride of a dimension of size 1 is never walked, and may be too large to be counted in bytes.
    strides = [stride * size if count > 1 else size for count, stride in zip(tensor.shape, tensor.strides, strict=True)]
    return np.ndarray(
        tensor.shape, block.dtype, buffer=block, offset=(tensor.storage.start + tensor.offset) * size, strides=strides
    )
