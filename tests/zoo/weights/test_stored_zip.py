"""A zip archive is refused unless its directory, its local headers and its size agree."""

import io
import struct
import zipfile

import pytest
import weight_files as build
from weight_files import FIXTURES, ONE, archive

from zoo.weights.torch_file import read_torch_file

ENTRY, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"


ZIP_FAULTS = {
    "encrypted": (ENTRY, 8, b"\x01", "member 'archive/data.pkl' is encrypted"),
    "method": (ENTRY, 10, b"\x0c", "is damaged: size or checksum of member 'archive/data.pkl' differ"),
    "checksum": (ENTRY, 16, b"\0\0\0\0", "size or checksum of member 'archive/data.pkl' differ"),
    "packed size": (ENTRY, 20, b"\x01\0\0\0", "is stored with 1 bytes"),
    "name": (ENTRY, 46, b"\xff", "a member's name is not UTF-8"),
    "other name": (ENTRY, 46, b"A", "the header of member 'Archive/data.pkl' differs"),
    "place of the header": (ENTRY, 42, b"\x01", "the header of member 'archive/data.pkl' differs"),
    "place beyond the file": (ENTRY, 42, b"\0\0\0\x7f", "needs 30 bytes at byte 2130706432"),
    "64-bit size missing": (ENTRY, 20, b"\xff" * 4, "the 64-bit sizes of member 'archive/data.pkl' are missing"),
    "entry": (ENTRY, 0, b"XX", "an entry of its zip directory does not start as one"),
    "end": (END, 0, b"XX", "must end with its directory"),
    "disk": (END, 4, b"\x01", "one part of a split zip archive"),
    "first disk": (END, 6, b"\x01", "one part of a split zip archive"),
    "disk of a member": (ENTRY, 34, b"\x01", "is damaged: member 'archive/data.pkl' is stored"),
    "method in the local header": (LOCAL, 8, b"\x08", "size or checksum of member 'archive/data.pkl' differ"),
    "counts": (END, 8, b"\x01", "one part of a split zip archive"),
    "fewer members": (END, 8, b"\x01\0\x01\0", "and 1 members fill"),
    "more members": (END, 8, b"\x09\0\x09\0", "ends after 4 of 9 members"),
    "a million members": (END, 8, b"\x60\xea\x60\xea", "members of the zip archive: 60000; at most 12000 accepted"),
    "directory size": (END, 12, b"\x01\0\0\0", "its zip directory should end at byte"),
    "comment": (END, 20, b"\x01", "must end with its directory"),
}


@pytest.mark.parametrize(("record", "place", "change", "reason"), ZIP_FAULTS.values(), ids=ZIP_FAULTS)
def test_damaged_zip_directory_is_refused(refusal, record, place, change, reason):
    """Directory, local headers and file size must agree; counts are checked before what they count."""
    data = bytearray(archive(ONE))
    start = data.index(record) + place
    data[start : start + len(change)] = change
    assert reason in refusal(bytes(data))


def test_damaged_local_header_is_refused(refusal):
    """That of a member other than the first, which tells the format."""
    data = bytearray(archive(ONE))
    data[data.index(b"archive/version") - 30] = 0
    assert "the header of member 'archive/version' differs" in refusal(bytes(data))


def test_method_is_compared_even_if_sizes_follow_the_data(refusal):
    """Torch leaves size and checksum of the local header empty; the method stands there all the same."""
    data = bytearray((FIXTURES / "views_zip.pth").read_bytes())
    data[8] = 8
    assert "size or checksum" in refusal(bytes(data))


def test_member_that_reaches_into_the_directory_is_refused(refusal):
    """Where sizes follow the data, the directory alone says how long the last member is."""
    data = bytearray((FIXTURES / "views_zip.pth").read_bytes())
    sizes = data.rindex(ENTRY) + 20
    data[sizes : sizes + 8] = struct.pack("<2I", 500, 500)
    assert "reaches into the zip directory" in refusal(bytes(data))


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (-38, "not where it should be"),  # disk of the 64-bit end record
        (-34, "not where it should be"),  # its offset
        (-26, "not where it should be"),  # number of disks
        (-98, "contradict each other"),  # its signature
        (-82, "contradict each other"),  # disk
        (-78, "contradict each other"),  # disk where the directory starts
        (-66, "contradict each other"),  # number of members
    ],
)
def test_damaged_64_bit_end_record_is_refused(refusal, place, reason):
    """Torch writes one always; it must agree with the short one."""
    data = bytearray((FIXTURES / "views_zip.pth").read_bytes())
    data[place] ^= 0x40
    assert reason in refusal(bytes(data))


def test_64_bit_sizes_of_a_member_are_read(write):
    """Members from 4 GiB on have their sizes in an extra field."""
    data = bytearray(archive(ONE))
    entry, end = data.rindex(ENTRY), data.index(END)
    wide = struct.pack("<2H2Q", 1, 16, 16, 16)
    data[entry + 20 : entry + 32] = b"\xff" * 8 + data[entry + 28 : entry + 30] + struct.pack("<H", len(wide))
    (size,) = struct.unpack_from("<I", data, end + 12)
    data[end + 12 : end + 16] = struct.pack("<I", size + len(wide))
    data[end:end] = wide
    assert read_torch_file(write(bytes(data)))["w"].tolist() == [1, 1, 1, 1]


def test_64_bit_local_headers_are_read(write):
    """Other tools that repack archives write them for small members too."""
    buffer = io.BytesIO(archive(ONE))
    with zipfile.ZipFile(buffer, "a") as file, file.open("archive/.data/id", "w", force_zip64=True) as member:
        member.write(b"1")
    assert read_torch_file(write(buffer.getvalue()))["w"].tolist() == [1, 1, 1, 1]


def test_archive_of_nothing_is_refused(refusal):
    """Its end record is all there is."""
    assert "not one of torch.save" in refusal(LOCAL + END + bytes(12) + struct.pack("<I", 4) + bytes(2))


@pytest.mark.parametrize("found", [build.ONES, b"_rebuild_tensor_v2"], ids=["numbers", "pickle"])
def test_damaged_content_is_found(refusal, found):
    """The checksum covers every member that is read."""
    data = bytearray(archive(ONE))
    data[data.index(found) + 5] ^= 1
    assert "is damaged: its CRC-32 is" in refusal(bytes(data))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_members_are_refused(refusal):
    """Readers disagree on which one counts."""
    buffer = io.BytesIO(archive(ONE))
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr("archive/data.pkl", b"")
    assert "two members called 'archive/data.pkl'" in refusal(buffer.getvalue())


def test_compressed_members_are_refused(refusal):
    """10 MB of zeros in 10 kB; torch never compresses."""
    message = refusal(build.zipped({"archive/data.pkl": b"\0" * 10**7}, zipfile.ZIP_DEFLATED))
    assert "compressed (method 8)" in message


def test_members_inside_one_another_are_refused(refusal):
    """A member whose content is another member would be counted twice."""
    inner = archive(ONE)
    inner = inner[: inner.index(b"PK\x01\x02")]
    outer = bytearray(build.zipped({"archive/outer": inner}))
    entry = outer.index(b"PK\x01\x02")
    size, offset = struct.unpack("<2I", outer[-10:-2])
    start = struct.pack("<I", outer.index(b"archive/data.pkl") - 30)
    stored = archive(ONE)
    first = stored[stored.index(b"PK\x01\x02") :][: 46 + len("archive/data.pkl")]
    outer[entry + size : entry + size] = first[:42] + start + first[46:]
    outer[-14:-2] = struct.pack("<2H2I", 2, 2, size + len(first), offset)
    assert "overlap" in refusal(bytes(outer))
