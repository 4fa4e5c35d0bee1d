"""Headers of HDF5 objects: what a dataset or a group says of itself.

Known are the messages that HDF5 writes in files of its oldest kind, the one that h5py and with it Keras uses unless it
is told otherwise. Layout after the HDF5 File Format Specification 3.0, section IV.A.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

from zoo.weights.elements import ELEMENTS, Element
from zoo.weights.weight_file import Refused, WeightFile

DATASPACE, DATATYPE, LAYOUT, ATTRIBUTE, SYMBOL_TABLE = 0x1, 0x3, 0x8, 0xC, 0x11
_EXTERNAL, _LINK, _FILTERS, _CONTINUATION = 0x7, 0x6, 0xB, 0x10
_SHARED = 2
# Padding, marks of newer groups, fill values, comments, times, counts of references.
_IDLE = frozenset({0x0, 0x2, 0x4, 0x5, 0xA, 0xD, 0xE, 0x12, 0x16})
_READ = frozenset({DATASPACE, DATATYPE, LAYOUT, ATTRIBUTE, SYMBOL_TABLE, _CONTINUATION})
_MOST_DIMENSIONS = 16
_UNDEFINED = 2**64 - 1
_HEADER = struct.Struct("<BxHII4x")
_MESSAGE = struct.Struct("<HHB3x")

RESAVE = "Write it anew with Keras and h5py's defaults: model.save, or model.save_weights."
_CLASSES = ("an integer", "a float", "a time", "a text", "bits", "opaque", "a record", "a reference", "an enumeration")
_LAYOUTS = {0: "inside its header", 2: "in chunks", 3: "as a virtual dataset, in other files"}
_LINKS = {1: "a SoftLink", 64: "an ExternalLink, which leads to another file"}
# IEEE 754 in little-endian order, by size: name, place of the sign, and first bit, bits, place and size of the
# exponent, place and size of the mantissa, and bias.
_FLOATS = {
    2: ("F16", 15, struct.pack("<2H4BI", 0, 16, 10, 5, 0, 10, 15)),
    4: ("F32", 31, struct.pack("<2H4BI", 0, 32, 23, 8, 0, 23, 127)),
    8: ("F64", 63, struct.pack("<2H4BI", 0, 64, 52, 11, 0, 52, 1023)),
}


@dataclass(frozen=True)
class Window:
    """A stretch of an open file that holds an HDF5 file; offsets count from its start.

    Attributes:
        file: the open file.
        start: where the HDF5 file begins in it.
        num_bytes: its length.
    """

    file: WeightFile
    start: int
    num_bytes: int

    def bytes_at(self, offset: int, size: int) -> bytes:
        """Return exactly `size` bytes; raises Refused when they are not inside."""
        if offset + size > self.num_bytes:
            raise Refused(
                f"is cut short or damaged: its HDF5 structure needs {size} bytes at byte {offset}, and it has "
                f"{self.num_bytes}"
            )
        return self.file.bytes_at(self.start + offset, size)


@dataclass(frozen=True)
class Dataset:
    """An array as its header describes it.

    Attributes:
        shape: its dimensions.
        element: kind of its numbers; BF16 for any opaque pair of bytes, which is how Keras stores bfloat16.
        offset: where they lie.
        num_bytes: how many bytes they take.
    """

    shape: tuple[int, ...]
    element: Element
    offset: int
    num_bytes: int


# Called for each record with its offset and size; raises Refused when there are too many.
Count = Callable[[int, int], None]


def read_messages(window: Window, address: int, count: Count) -> list[tuple[int, bytes]]:
    """Return kind and content of the messages of an object's header.

    Args:
        window: the HDF5 file.
        address: of the header.
        count: called for every block of the header and every message.

    Raises:
        Refused: the header is damaged, of a newer kind, or holds what is not accepted.
    """
    start = window.bytes_at(address, _HEADER.size)
    if start.startswith(b"OHDR"):
        raise Refused("is of the newer HDF5 format (libver='latest'), which Keras does not write", RESAVE)
    version, _, _, size = _HEADER.unpack(start)
    if version != 1:
        raise Refused(f"is damaged: its header has version {version}; 1 expected")
    blocks = [(address + _HEADER.size, size)]
    messages: list[tuple[int, bytes]] = []
    for offset, size in blocks:  # a continuation makes it longer
        count(offset, size)
        for kind, body in _split(window.bytes_at(offset, size), count):
            if kind == _CONTINUATION:
                blocks.append(unpack("<QQ", body))
            elif kind in _READ:
                messages.append((kind, body))
    return messages


def _split(block: bytes, count: Count) -> list[tuple[int, bytes]]:
    messages = []
    at = 0
    while at < len(block):
        if len(block) - at < _MESSAGE.size:
            raise Refused("is damaged: its header ends inside a message")
        kind, size, flags = _MESSAGE.unpack_from(block, at)
        body = block[at + _MESSAGE.size : at + _MESSAGE.size + size]
        count(-1, 0)
        _check_kind(kind, flags, body)
        if len(body) != size:
            raise Refused("is damaged: its header ends inside a message")
        messages.append((kind, body))
        at += _MESSAGE.size + size
    return messages


def _check_kind(kind: int, flags: int, body: bytes) -> None:
    if kind == _LINK:
        link = body[2] if len(body) > 2 and body[1] & 8 else 0
        if link:
            raise Refused(f"holds {_LINKS.get(link, f'a link of kind {link}')}", RESAVE)
        return
    if kind == _EXTERNAL:
        raise Refused("has external storage: its numbers lie in another file", RESAVE)
    if kind == _FILTERS:
        raise Refused("is compressed; Keras stores arrays as they are", RESAVE)
    if kind not in _READ | _IDLE or flags & _SHARED:
        raise Refused(f"has a header message of kind {kind} with flags {flags}, which Keras does not write", RESAVE)


def dataset(messages: list[tuple[int, bytes]]) -> Dataset:
    """Return the array that these messages describe.

    Raises:
        Refused: it is not stored in one piece, its numbers are of an unknown kind, or size and shape contradict.
    """
    bodies = dict(reversed(messages))
    if len(messages) - sum(kind == ATTRIBUTE for kind, _ in messages) != 3 or not {DATASPACE, DATATYPE} <= set(bodies):
        raise Refused("is damaged: one shape, one kind of number and one place expected in its header")
    shape, element = shape_of(bodies[DATASPACE]), _element(bodies[DATATYPE])
    offset, size = _place(bodies[LAYOUT])
    needed = math.prod(shape) * element.num_bytes
    if size != needed or (offset == _UNDEFINED and size):
        raise Refused(f"of shape {shape} and kind {element.name} needs {needed} bytes, and its header promises {size}")
    return Dataset(shape, element, offset, size)


def shape_of(body: bytes) -> tuple[int, ...]:
    """Return the dimensions that a dataspace message describes; raises Refused for an unknown one."""
    version, rank, flags = unpack("<3B", body)
    if version not in (1, 2) or rank > _MOST_DIMENSIONS or flags > 1 or (version == 2 and body[3] > 1):
        raise Refused(f"has a shape of version {version} with {rank} dimensions; at most {_MOST_DIMENSIONS} accepted")
    return unpack(f"<{rank}Q", body[8 if version == 1 else 4 :])


def _element(body: bytes) -> Element:
    kind, sign, size = unpack("<B3sI", body)
    kind &= 15  # the upper half is a version that changes nothing here
    if kind == 0 and size in (1, 2, 4, 8) and not sign[0] & 1 and unpack("<2H", body[8:]) == (0, 8 * size):
        return ELEMENTS[f"{'I' if sign[0] & 8 else 'U'}{8 * size}"]
    name, place, properties = _FLOATS.get(size, ("", 0, b""))
    if kind == 1 and name and sign == bytes((0x20, place, 0)) and body[8:20] == properties:
        return ELEMENTS[name]
    if kind == 5 and size == 2:
        return ELEMENTS["BF16"]
    found = _CLASSES[kind] if kind < len(_CLASSES) else f"of class {kind}"
    raise Refused(f"holds numbers of an unknown kind: {found} of {size} bytes; little-endian numbers accepted", RESAVE)


def _place(body: bytes) -> tuple[int, int]:
    version, kind = unpack("<2B", body)
    if kind in _LAYOUTS:
        raise Refused(f"is stored {_LAYOUTS[kind]}; in one piece accepted", RESAVE)
    if version not in (3, 4) or kind != 1:
        raise Refused(f"is stored in layout {kind} of version {version}; in one piece of version 3 accepted", RESAVE)
    return unpack("<QQ", body[2:])


def unpack(form: str, data: bytes) -> tuple:
    """Return the values at the start of `data`; raises Refused when it is too short."""
    size = struct.calcsize(form)
    if len(data) < size:
        raise Refused("is damaged: its header ends too early")
    return struct.unpack_from(form, data)
