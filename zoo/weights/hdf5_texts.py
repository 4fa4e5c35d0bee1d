"""Attributes of HDF5 objects that are lists of texts: the only ones that say where Keras' arrays are.

NumPy's texts have one size and stand in the header; Python's have any size and lie in heaps. Layout after the HDF5 File
Format Specification 3.0, sections IV.A.2.m and III.E.
"""

import struct

from zoo.weights.hdf5_header import ATTRIBUTE, RESAVE, Window, shape_of, unpack
from zoo.weights.keras_limits import KerasLimits, check_keras_limit
from zoo.weights.weight_file import Refused, shown

_TEXT, _ANY_SIZE = 3, 9
_HEAP = struct.Struct("<4sB3xQ")
_OBJECT = struct.Struct("<HH4xQ")
_PLACE = struct.Struct("<IQI")


def attributes(messages: list[tuple[int, bytes]]) -> dict[str, bytes]:
    """Return the attributes of an object by name, as they stand in its header."""
    found = {}
    for kind, body in messages:
        if kind == ATTRIBUTE:
            version, size = unpack("<BxH", body)
            at = 9 if version == 3 else 8
            found[body[at : at + size].rstrip(b"\0").decode(errors="backslashreplace")] = body
    return found


class TextReader:
    """Reads lists of texts out of attributes; keeps the heaps it has read."""

    def __init__(self, window: Window, limits: KerasLimits):
        self._window = window
        self._limits = limits
        self._heaps: dict[int, dict[int, bytes]] = {}
        self._bytes = 0

    def texts(self, name: str, body: bytes) -> tuple[str, ...]:
        """Return the texts of an attribute.

        Args:
            name: of the attribute, for the message.
            body: as `attributes` gives it.

        Raises:
            Refused: it is no list of texts, or damaged.
        """
        kind, shape, data = _parts(name, body)
        if shape == (0,):
            return ()
        form, bits, size = unpack("<BB2xI", kind)
        if len(shape) == 1 and form & 15 == _TEXT and 0 < size <= len(data) // shape[0]:
            found = [data[at * size : (at + 1) * size] for at in range(shape[0])]
        elif len(shape) == 1 and form & 15 == _ANY_SIZE and bits & 15 == 1 and shape[0] * _PLACE.size <= len(data):
            found = [self._text(*_PLACE.unpack_from(data, at * _PLACE.size)) for at in range(shape[0])]
        else:
            raise Refused(f"has an attribute {shown(name)} that is not a list of texts", RESAVE)
        try:
            return tuple(text.rstrip(b"\0").decode() for text in found)
        except UnicodeDecodeError as error:
            raise Refused(f"has an attribute {shown(name)} that is not UTF-8") from error

    def _text(self, size: int, heap: int, index: int) -> bytes:
        if heap not in self._heaps:
            self._heaps[heap] = self._read_heap(heap)
        text = self._heaps[heap].get(index, b"")
        if size > len(text):
            raise Refused(f"is damaged: a text of {size} bytes is not where an attribute says")
        self._count(size)
        return text[:size]

    def _read_heap(self, address: int) -> dict[int, bytes]:
        signature, version, size = _HEAP.unpack(self._window.bytes_at(address, _HEAP.size))
        if signature != b"GCOL" or version != 1 or size < _HEAP.size:
            raise Refused("is damaged: a heap of texts is not where an attribute says")
        self._count(size)
        heap = self._window.bytes_at(address, size)
        texts: dict[int, bytes] = {}
        at = _HEAP.size
        while len(heap) - at >= _OBJECT.size:
            index, _, size = _OBJECT.unpack_from(heap, at)
            if index == 0:  # the rest is free
                break
            texts[index] = heap[at + _OBJECT.size : at + _OBJECT.size + size]
            at += _OBJECT.size + -(-size // 8) * 8
        return texts

    def _count(self, size: int) -> None:
        self._bytes += size
        check_keras_limit(self._bytes, self._limits, "structure_bytes", "bytes of its HDF5 attributes")


def _parts(name: str, body: bytes) -> tuple[bytes, tuple[int, ...], bytes]:
    """Return datatype, shape and content of an attribute."""
    version, flags, name_size, type_size, space_size = unpack("<BB3H", body)
    if version not in (1, 2, 3) or (version > 1 and flags & 3):
        raise Refused(f"has an attribute {shown(name)} of version {version} with flags {flags}", RESAVE)
    step = 8 if version == 1 else 1  # version 1 fills every part up to a multiple of 8
    kind_at = (9 if version == 3 else 8) + -(-name_size // step) * step
    space_at = kind_at + -(-type_size // step) * step
    data_at = space_at + -(-space_size // step) * step
    return body[kind_at:space_at], shape_of(body[space_at : space_at + space_size]), body[data_at:]
