"""Directory of a zip archive whose members are stored without compression, as torch writes them.

Read by ourselves, because the check must be the parse: two parsers that disagree on an archive are the classic way
round a check. Counts and sizes are looked at before anything is read by them. Layout after PKWARE's APPNOTE 6.3.9.
"""

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from zoo.weights.weight_file import Refused, WeightFile, check_limit, shown

LOCAL_SIGNATURE = b"PK\x03\x04"
_UNKNOWN_32 = 0xFFFFFFFF
_UNKNOWN_16 = 0xFFFF
_ENCRYPTED = 0x1 | 0x40
_SIZES_AFTERWARDS = 0x8
_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_REPACKED = "torch.save stores members uncompressed: save the weights again with torch, or repack with `zip -0`."


@dataclass(frozen=True)
class Member:
    """A member of the archive.

    Attributes:
        name: in full, with forward slashes.
        offset: where its bytes lie in the file.
        num_bytes: how many bytes it takes there.
        method: of compression; 0 is none.
        crc: CRC-32 of its content.
    """

    name: str
    offset: int
    num_bytes: int
    method: int
    crc: int

    def read(self, file: WeightFile) -> bytes:
        """Return the member's bytes; raises Refused when their checksum differs."""
        found = file.bytes_at(self.offset, self.num_bytes)
        self._check(found)
        return found

    def read_array(self, file: WeightFile, dtype: str) -> np.ndarray:
        """Return the member's numbers, of shape `(count,)`; raises Refused when their checksum differs."""
        found = file.array_at(self.offset, self.num_bytes // np.dtype(dtype).itemsize, dtype)
        self._check(found)
        return found

    def _check(self, found: bytes | np.ndarray) -> None:
        crc = zlib.crc32(found)
        if crc != self.crc:
            raise Refused(
                f"member {shown(self.name)} is damaged: its CRC-32 is {crc:08x}, the directory says {self.crc:08x}",
                "Get the file again; if torch saved it without checksums, save it with "
                "torch.serialization.set_crc32_options(True).",
            )


def read_directory(file: WeightFile) -> dict[str, Member]:
    """Return the members of a zip archive by name, in the directory's order.

    Raises:
        Refused: the archive is cut short, encrypted, split, over a limit, or two members share a name or bytes.
    """
    offset, size, count = _find_directory(file)
    directory = file.bytes_at(offset, size)
    members: dict[str, Member] = {}
    start_of: dict[str, int] = {}
    at = 0
    for _ in range(count):
        if len(directory) - at < _ENTRY.size:
            raise Refused(f"is damaged: its zip directory ends after {len(members)} of {count} members")
        entry = _ENTRY.unpack_from(directory, at)
        name_at = at + _ENTRY.size
        at = name_at + sum(entry[10:13])
        name, start, member = _member(file, entry, directory[name_at:at])
        if name in members:
            raise Refused(f"holds two members called {shown(name)}")
        members[name], start_of[name] = member, start
    if at != size:
        raise Refused(f"is damaged: its zip directory has {size} bytes, and {count} members fill {at}")
    _check_apart(members, start_of, offset)
    return members


def check_stored(members: dict[str, Member]) -> None:
    """Refuse compressed members: a small one can stand for gigabytes.

    Raises:
        Refused: naming the first such member.
    """
    for name, member in members.items():
        if member.method != 0:
            raise Refused(
                f"member {shown(name)} is compressed (method {member.method}); only stored members accepted", _REPACKED
            )


def _find_directory(file: WeightFile) -> tuple[int, int, int]:
    """Return offset, size and number of members, from the record at the very end of the file."""
    end_at = file.num_bytes - _END.size
    end = _END.unpack(file.bytes_at(end_at, _END.size)) if end_at >= 0 else (b"",)
    if end[0] != b"PK\x05\x06" or end[7] != 0:
        raise Refused("is cut short or has something appended: a zip archive must end with its directory")
    signature, disk, first_disk, here, count, size, offset, _ = end
    locator_at = end_at - _LOCATOR_64.size
    if locator_at >= 0 and file.bytes_at(locator_at, 4) == b"PK\x06\x07":
        end_at, size, offset, here, count = _end_64(file, locator_at, (count, size, offset))
    if disk or first_disk or here != count:
        raise Refused("is one part of a split zip archive", "Join the parts, or get the archive in one piece.")
    check_limit(count, file.limits, "members", "members of the zip archive")
    check_limit(size, file.limits, "header_bytes", "bytes of the zip directory")
    if offset + size != end_at:
        raise Refused(f"is damaged: its zip directory should end at byte {end_at}, not at {offset + size}")
    return offset, size, count


def _end_64(file: WeightFile, locator_at: int, short: tuple[int, int, int]) -> tuple[int, int, int, int, int]:
    """Return where the 64-bit end record starts, directory size, its offset, and the two counts of members."""
    _, disk, end_at, disks = _LOCATOR_64.unpack(file.bytes_at(locator_at, _LOCATOR_64.size))
    if disk or disks > 1 or end_at + _END_64.size != locator_at:
        raise Refused("is damaged: the 64-bit end record of the zip archive is not where it should be")
    signature, _, _, _, disk, first_disk, here, count, size, offset = _END_64.unpack(
        file.bytes_at(end_at, _END_64.size)
    )
    agree = all(a in (b, _UNKNOWN_16, _UNKNOWN_32) for a, b in zip(short, (count, size, offset), strict=True))
    if signature != b"PK\x06\x06" or disk or first_disk or not agree:
        raise Refused("is damaged: the two end records of the zip archive contradict each other")
    return end_at, size, offset, here, count


def _member(file: WeightFile, entry: tuple, variable: bytes) -> tuple[str, int, Member]:
    """Return name, start of the local header and the member, for one entry of the directory."""
    signature, _, _, flags, method, _, _, crc, packed, unpacked, name_size, extra_size, _, disk, _, _, start = entry
    if signature != b"PK\x01\x02":
        raise Refused("is damaged: an entry of its zip directory does not start as one")
    name = _text(variable[:name_size])
    if flags & _ENCRYPTED:
        raise Refused(f"member {shown(name)} is encrypted", "Decrypt the archive first.")
    extra = variable[name_size : name_size + extra_size]
    unpacked, packed, start = _wide_sizes(name, extra, unpacked, packed, start)
    if (method == 0 and packed != unpacked) or disk not in (0, _UNKNOWN_16):
        raise Refused(f"is damaged: member {shown(name)} is stored with {packed} bytes for {unpacked}")
    offset = _data_offset(file, start, variable[:name_size], (method, crc, unpacked))
    return name, start, Member(name, offset, packed, method, crc)


def _wide_sizes(name: str, extra: bytes, *short: int) -> tuple[int, ...]:
    """Replace the sizes that do not fit 32 bits by those of extra field 1, which holds only these, in this order."""
    if _UNKNOWN_32 not in short:
        return short
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{size // 8}Q", extra[at + 4 : at + 4 + size].ljust(size, b"\0")))
            return tuple(next(wide, _UNKNOWN_32) if value == _UNKNOWN_32 else value for value in short)
        at += 4 + size
    raise Refused(f"is damaged: the 64-bit sizes of member {shown(name)} are missing")


def _data_offset(file: WeightFile, start: int, name: bytes, promised: tuple[int, int, int]) -> int:
    """Return where a member's bytes start, after checking that its local header says what the directory says."""
    local = _LOCAL.unpack(file.bytes_at(start, _LOCAL.size))
    signature, _, flags, method, _, _, crc, packed, unpacked, name_size, extra_size = local
    if signature != LOCAL_SIGNATURE or file.bytes_at(start + _LOCAL.size, name_size) != name:
        raise Refused(f"is damaged: the header of member {shown(_text(name))} differs from the zip directory")
    known_here = not flags & _SIZES_AFTERWARDS and unpacked != _UNKNOWN_32
    if method != promised[0] or (known_here and (method, crc, unpacked) != promised):
        raise Refused(f"is damaged: size or checksum of member {shown(_text(name))} differ from the zip directory")
    return start + _LOCAL.size + name_size + extra_size


def _check_apart(members: dict[str, Member], start_of: dict[str, int], end: int) -> None:
    """Refuse members that share bytes: they let a small archive stand for a huge one."""
    last, free_from = "", 0
    for name in sorted(members, key=start_of.__getitem__):
        if start_of[name] < free_from:
            raise Refused(f"members {shown(last)} and {shown(name)} overlap")
        last, free_from = name, members[name].offset + members[name].num_bytes
    if free_from > end:
        raise Refused(f"is damaged: member {shown(last)} reaches into the zip directory")


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise Refused(f"a member's name is not UTF-8: {shown(name.decode(errors='backslashreplace'))}") from error
