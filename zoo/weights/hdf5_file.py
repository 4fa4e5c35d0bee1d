"""Directory of an HDF5 file as Keras writes it: groups, arrays in one piece, short attributes.

Read by ourselves. The HDF5 library is written for files that one trusts (damaged ones crash it), and two parsers that
disagree are the classic way round a check: here the check is the parse. A link is followed nowhere, no record is read
twice, and nothing is read by a size that was not compared with the file's. Layout after the HDF5 File Format
Specification 3.0: superblock 0 and 1, symbol tables, and headers as in `hdf5_header`.
"""

import struct
from collections.abc import Collection
from dataclasses import dataclass

from zoo.weights.hdf5_header import (
    LAYOUT,
    RESAVE,
    SYMBOL_TABLE,
    Dataset,
    Window,
    dataset,
    read_messages,
)
from zoo.weights.hdf5_texts import attributes
from zoo.weights.keras_limits import KerasLimits, check_keras_limit
from zoo.weights.weight_file import Refused, check_limit, shown

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SUPERBLOCK = struct.Struct("<8s8B2HI")
_ADDRESSES = struct.Struct("<6Q")
_NODE = struct.Struct("<4sBBHQQ")
_HEAP = struct.Struct("<4sB3xQQQ")
_SYMBOL = struct.Struct("<2QI4x16x")
_SOFT_LINK = 2
_LONGEST_NAME = 255


@dataclass(frozen=True)
class Hdf5Tree:
    """What an HDF5 file holds, by path without a leading slash.

    Attributes:
        datasets: its arrays.
        attributes: of each group, as `TextReader` takes them; the root is "".
    """

    datasets: dict[str, Dataset]
    attributes: dict[str, dict[str, bytes]]


def read_tree(window: Window, limits: KerasLimits, *, skip: Collection[str] = ()) -> Hdf5Tree:
    """Return the directory of an HDF5 file.

    Args:
        window: where it lies.
        limits: how much it may ask for.
        skip: groups of the root that are not looked into.

    Raises:
        Refused: it is cut short, damaged, over a limit, or holds links, external, virtual, compressed or shared data.
    """
    return _Reader(window, limits).read(skip)


class _Reader:
    """One walk through the groups; keeps what has been seen and how much it was."""

    def __init__(self, window: Window, limits: KerasLimits):
        self._window = window
        self._limits = limits
        self._seen: set[int] = set()
        self._parts = 0
        self._bytes = 0

    def read(self, skip: Collection[str]) -> Hdf5Tree:
        tree = Hdf5Tree({}, {})
        waiting = [("", self._root())]
        while waiting:
            path, address = waiting.pop()
            try:
                messages = read_messages(self._window, address, self._count)
                kinds = {kind for kind, _ in messages}
                if SYMBOL_TABLE in kinds:
                    tree.attributes[path] = attributes(messages)
                    children = self._children(dict(messages)[SYMBOL_TABLE])
                    inside = f"{path}/" if path else ""
                    waiting += [(inside + name, place) for name, place in children if inside + name not in skip]
                elif LAYOUT in kinds:
                    tree.datasets[path] = dataset(messages)
                else:
                    raise Refused("is neither an array nor a group of the kind that Keras writes", RESAVE)
            except Refused as error:
                raise Refused(f"{_described(path)}: {error.found}", error.remedy) from error
            check_limit(len(tree.datasets), self._limits.reading, "tensors", "arrays")
            check_keras_limit(path.count("/"), self._limits, "nesting", "groups inside one another")
        _check_apart(tree.datasets, self._window.num_bytes)
        return tree

    def _root(self) -> int:
        """Return the address of the root group's header."""
        start = self._window.bytes_at(0, min(self._window.num_bytes, _SUPERBLOCK.size))
        if not start.startswith(HDF5_SIGNATURE):
            raise Refused(f"starts with {start[:8]!r}, and is no HDF5 file")
        fields = _SUPERBLOCK.unpack(self._window.bytes_at(0, _SUPERBLOCK.size))
        if fields[1] > 1:
            raise Refused(f"is of the newer HDF5 format (superblock {fields[1]}), which Keras does not write", RESAVE)
        if fields[2:5] != (0, 0, 0) or fields[6:8] != (8, 8):
            raise Refused("is damaged: its HDF5 superblock is not one that h5py writes")
        at = _SUPERBLOCK.size + 4 * fields[1]
        base, _, end, _, _, root = _ADDRESSES.unpack(self._window.bytes_at(at, _ADDRESSES.size))
        if base != 0 or end != self._window.num_bytes:
            raise Refused(
                f"is cut short or has something appended: its HDF5 superblock counts {end} bytes from byte {base}, "
                f"and it has {self._window.num_bytes}"
            )
        return root

    def _count(self, offset: int, size: int) -> None:
        """Count a record; an offset that was there before means a loop, or one thing under two names."""
        if offset in self._seen:
            raise Refused(f"is damaged, or one object has two names: byte {offset} is referred to twice")
        if offset >= 0:
            self._seen.add(offset)
        self._parts += 1
        self._bytes += size
        check_keras_limit(self._parts, self._limits, "parts", "records of its HDF5 structure")
        check_keras_limit(self._bytes, self._limits, "structure_bytes", "bytes of its HDF5 structure")

    def _record(self, offset: int, size: int) -> bytes:
        self._count(offset, size)
        return self._window.bytes_at(offset, size)

    def _children(self, table: bytes) -> list[tuple[str, int]]:
        """Return name and header address of all members of a group."""
        tree, heap = struct.unpack("<QQ", table.ljust(16, b"\0")[:16])
        signature, version, size, _, start = _HEAP.unpack(self._record(heap, _HEAP.size))
        if signature != b"HEAP" or version != 0:
            raise Refused("is damaged: its names are not where they should be")
        names = self._record(start, size)
        found: dict[str, int] = {}
        for symbols in self._symbol_nodes(tree):
            for at in range(0, len(symbols), _SYMBOL.size):
                name_at, address, kind = _SYMBOL.unpack_from(symbols, at)
                name = _name(names, name_at)
                if kind == _SOFT_LINK:
                    raise Refused(f"holds {shown(name)}, a SoftLink", RESAVE)
                if name in found:
                    raise Refused(f"holds two members called {shown(name)}")
                found[name] = address
                self._count(-1, len(name))
        return list(found.items())

    def _symbol_nodes(self, address: int) -> list[bytes]:
        """Return the entries of the symbol tables below a node of a group's tree."""
        waiting: list[tuple[int, int | None]] = [(address, None)]
        found = []
        while waiting:
            address, expected = waiting.pop()
            signature, kind, level, used, _, _ = _NODE.unpack(self._record(address, _NODE.size))
            if signature != b"TREE" or kind != 0 or expected not in (None, level):
                raise Refused("is damaged: its tree of names is broken")
            # keys and children in turn, with one key more at the end
            places = struct.unpack(f"<{2 * used}Q", self._record(address + _NODE.size, 16 * used))[1::2]
            if level:
                waiting += [(place, level - 1) for place in places]
            else:
                found += [self._symbols(place) for place in places]
        return found

    def _symbols(self, address: int) -> bytes:
        signature, version, count = struct.unpack("<4sBxH", self._record(address, 8))
        if signature != b"SNOD" or version != 1:
            raise Refused("is damaged: its symbol table is broken")
        return self._record(address + 8, count * _SYMBOL.size)


def _described(path: str) -> str:
    return f"its HDF5 object {shown(path, 200)}" if path else "its HDF5 root"


def _name(names: bytes, start: int) -> str:
    end = names.find(b"\0", start, start + _LONGEST_NAME + 1)
    name = names[start:end].decode(errors="replace") if end > start else ""
    if not name.isprintable() or name in ("", ".", "..") or "\ufffd" in name:
        raise Refused(f"is damaged: a name in it is not a text of 1 to {_LONGEST_NAME} letters")
    if "/" in name:
        raise Refused(f"is damaged: the name {shown(name)} holds a slash")
    return name


def _check_apart(datasets: dict[str, Dataset], num_bytes: int) -> None:
    """Refuse arrays that share bytes, which lets a small file stand for a huge one, or reach beyond the file."""
    last, free_from = "", 0
    for path in sorted(datasets, key=lambda path: datasets[path].offset):
        found = datasets[path]
        if not found.num_bytes:
            continue
        if found.offset < free_from:
            raise Refused(f"arrays {shown(last)} and {shown(path)} overlap")
        last, free_from = path, found.offset + found.num_bytes
        if free_from > num_bytes:
            raise Refused(
                f"is cut short or damaged: array {shown(path, 200)} of shape {found.shape} ends at byte {free_from}, "
                f"and the HDF5 file has {num_bytes}"
            )
