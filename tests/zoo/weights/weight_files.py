"""Builders of small weight files, good and bad, out of their parts and without torch."""

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np

FIXTURES = Path(__file__).parent / "fixtures"
PROTOCOL, STOP = b"\x80\x02", b"."
MAGIC_NUMBER = PROTOCOL + b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19" + STOP
VERSION_1001 = PROTOCOL + b"M\xe9\x03" + STOP
ONES = np.ones(4, "<f4").tobytes()


def text(value: str) -> bytes:
    """Pickle code for a text."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    """Pickle code for an integer."""
    size = (value.bit_length() + 8) // 8
    return b"\x8a" + bytes((size,)) + value.to_bytes(size, "little", signed=True)


def row(*items: bytes) -> bytes:
    """Pickle code for a tuple."""
    return b"(" + b"".join(items) + b"t"


def numbers(*values: int) -> bytes:
    """Pickle code for a tuple of integers."""
    return row(*map(number, values))


def named(name: str) -> bytes:
    """Pickle code that asks for a global, given as "module.name"."""
    module, _, last = name.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def call(name: str, *arguments: bytes) -> bytes:
    """Pickle code that calls a global."""
    return named(name) + row(*arguments) + b"R"


def mapping(**items: bytes) -> bytes:
    """Pickle code for a dict with texts as keys."""
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


NO_HOOKS = call("collections.OrderedDict")
LITTLE = mapping(protocol_version=number(1001), little_endian=b"\x88")


def storage(key: str = "0", count: int = 4, kind: str = "torch.FloatStorage", more: bytes = b"") -> bytes:
    """Pickle code for a storage; the legacy format adds a sixth value, `more`."""
    return row(text("storage"), named(kind), text(key), text("cpu"), number(count), more) + b"Q"


def tensor_of(*parts: bytes) -> bytes:
    """Pickle code for a tensor made of arguments that need not be good."""
    return call("torch._utils._rebuild_tensor_v2", *parts)


def tensor(
    block: bytes | None = None, offset: int = 0, shape: tuple[int, ...] = (4,), strides: tuple[int, ...] = (1,)
) -> bytes:
    """Pickle code for a tensor."""
    parts = (block or storage(), number(offset), numbers(*shape), numbers(*strides), b"\x89", NO_HOOKS)
    return tensor_of(*parts)


ONE = mapping(w=tensor())


def archive(value: bytes, blocks: dict[str, bytes] | None = None, **members: bytes) -> bytes:
    """A torch zip archive whose pickle is `value`, with storages by key, and members added or replaced by name."""
    content = {"data.pkl": PROTOCOL + value + STOP, "byteorder": b"little", "version": b"3\n"}
    content |= {f"data/{key}": block for key, block in ({"0": ONES} if blocks is None else blocks).items()} | members
    return zipped({f"archive/{name}": data for name, data in content.items()})


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def stream(
    value: bytes, blocks: dict[str, tuple[int, bytes]] | None = None, system: bytes = LITTLE, keys: bytes | None = None
) -> bytes:
    """A torch file in the legacy format; `blocks` holds the number of elements and the bytes of each storage."""
    blocks = {"0": (4, ONES)} if blocks is None else blocks
    keys = b"](" + b"".join(map(text, blocks)) + b"e" if keys is None else keys
    pickles = b"".join(PROTOCOL + code + STOP for code in (system, value, keys))
    data = b"".join(struct.pack("<q", count) + block for count, block in blocks.values())
    return MAGIC_NUMBER + VERSION_1001 + pickles + data


def entry(dtype: object = "F32", shape: object = (4,), offsets: object = (0, 16)) -> dict[str, object]:
    """The description of a tensor in a safetensors header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def safetensors(header: object = None, data: bytes = ONES) -> bytes:
    """A safetensors file with a header given as a value, or as bytes that are taken as they are."""
    header = {"w": entry()} if header is None else header
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data
