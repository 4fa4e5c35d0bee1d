"""What the names in a torch pickle stand for here: descriptions of tensors and storages, checked, without any data."""

import math
from dataclasses import dataclass

import numpy as np

from zoo.weights.elements import ELEMENTS, Element
from zoo.weights.pickle_machine import Rebuild
from zoo.weights.pickle_stack import OrderedState, described, set_once
from zoo.weights.weight_file import Refused, shown

_MOST_DIMENSIONS = 16


@dataclass(frozen=True, slots=True)
class Storage:
    """A block of numbers in the file, or a window of one.

    Attributes:
        key: name of the block in the file.
        element: kind of its numbers.
        count: numbers in the whole block.
        start: first number of the window.
        length: numbers in the window.
    """

    key: str
    element: Element
    count: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as the file describes it; offset and strides count numbers within the window of its storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def full_bytes(self) -> int:
        """Bytes when written out without gaps or sharing; sizes of 0 count as 1."""
        return math.prod(max(1, size) for size in self.shape) * np.dtype(self.storage.element.given).itemsize


class StorageTable:
    """Storages that the pickle has named, by key, in the order of their first mention."""

    def __init__(self) -> None:
        self.by_key: dict[str, Storage] = {}

    def find(self, saved_id: object) -> Storage:
        """Return what a persistent id stands for.

        Args:
            saved_id: ("storage", kind, key, location, count), and in the legacy format a sixth value: None, or the
                (key, start, length) of a window.

        Raises:
            Refused: it is anything else, or one key is given two meanings.
        """
        if not isinstance(saved_id, tuple) or len(saved_id) not in (5, 6) or saved_id[0] != "storage":
            raise Refused(
                f"a persistent id that is {described(saved_id)}; ('storage', kind, key, place, count) expected"
            )
        kind, key, place, count = saved_id[1:5]
        if not isinstance(kind, Element):
            raise Refused(f"a storage whose kind is {described(kind)}; a name such as torch.FloatStorage expected")
        if not isinstance(place, str):
            raise Refused(f"a storage whose place is {described(place)}; a text expected")
        _check_key(key)
        block = Storage(key, kind, _count(count, "storage size"), 0, count)
        if self.by_key.setdefault(key, block) != block:
            raise Refused(f"storage {key} is described twice, differently")
        return block if saved_id[5:] in ((), (None,)) else _window(block, saved_id[5])


def _window(block: Storage, view: object) -> Storage:
    if not isinstance(view, tuple) or len(view) != 3:
        raise Refused(f"a storage view that is {described(view)}; (key, start, length) expected")
    _check_key(view[0])
    start, length = _count(view[1], "view start"), _count(view[2], "view length")
    if start + length > block.count:
        raise Refused(f"a view of numbers {start} to {start + length} of storage {block.key}, which has {block.count}")
    return Storage(block.key, block.element, block.count, start, length)


def _check_key(key: object) -> None:
    # Keys become member names, such as data/17: a plain number cannot leave the archive.
    if not isinstance(key, str) or not key.isascii() or not key.isdigit() or len(key) > 20:
        found = shown(key) if isinstance(key, str) else described(key)
        raise Refused(f"a storage key {found}; a number of at most 20 digits, as a text, expected")


def _count(value: object, what: str) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        found = shown(str(value)) if type(value) is int else described(value)
        raise Refused(f"{what} is {found}; an integer from 0 to 2**63 - 1 expected")
    return value


def _counts(values: object, what: str) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > _MOST_DIMENSIONS:
        raise Refused(f"{what} is {described(values)}; a tuple of at most {_MOST_DIMENSIONS} integers expected")
    return tuple(_count(value, what) for value in values)


def _check_plain(gradient: object, hooks: object) -> None:
    if not isinstance(gradient, bool) or not isinstance(hooks, OrderedState) or hooks:
        raise Refused(f"a tensor with {described(gradient)} and {described(hooks)}; a bool and no hooks expected")


def _rebuild_tensor(arguments: tuple) -> Tensor:
    """Stand for torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata=None)."""
    if len(arguments) not in (6, 7) or not isinstance(arguments[0], Storage):
        raise Refused(f"a tensor of {len(arguments)} arguments; a storage and 5 or 6 more expected")
    storage = arguments[0]
    offset = _count(arguments[1], "tensor offset")
    shape, strides = _counts(arguments[2], "tensor shape"), _counts(arguments[3], "tensor stride")
    _check_plain(*arguments[4:6])
    if len(shape) != len(strides):
        raise Refused(f"a tensor of {len(shape)} sizes and {len(strides)} strides")
    if arguments[6:] not in ((), (None,)) and arguments[6] != {}:
        raise Refused(
            "a tensor that is a lazy negative or conjugate", "Save tensor.resolve_neg().resolve_conj() instead."
        )
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.length:
        raise Refused(f"a tensor reaches number {last} of storage {storage.key}, which has {storage.length}")
    return Tensor(storage, offset, shape, strides)


def _rebuild_parameter(arguments: tuple) -> Tensor:
    """Stand for torch._utils._rebuild_parameter(data, requires_grad, hooks): the tensor itself."""
    if len(arguments) != 3 or not isinstance(arguments[0], Tensor):
        raise Refused(f"a parameter of {len(arguments)} arguments; a tensor, a bool and no hooks expected")
    _check_plain(*arguments[1:])
    return arguments[0]


def _ordered_dict(arguments: tuple) -> OrderedState:
    """Stand for collections.OrderedDict(), or OrderedDict([[key, value], ...]) as Python 2 wrote it."""
    found = OrderedState()
    if len(arguments) > 1 or not all(isinstance(items, list) for items in arguments):
        raise Refused("an OrderedDict with arguments; none, or one list of pairs, expected")
    for pair in arguments[0] if arguments else ():
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise Refused(f"an OrderedDict made of {described(pair)}; pairs expected")
        set_once(found, *pair)
    return found


_STORAGES = "Double F64, Float F32, Half F16, BFloat16 BF16, Long I64, Int I32, Short I16, Char I8, Byte U8, Bool BOOL"
_REBUILDS = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
}

# Every global that a pickle may ask for. What stands here is ours; nothing is imported from torch.
NAMES: dict[str, Rebuild | Element] = {name: Rebuild(name, build) for name, build in _REBUILDS.items()} | {
    f"torch.{name}Storage": ELEMENTS[element] for name, element in (row.split() for row in _STORAGES.split(", "))
}
