"""Torch files are read without torch, bit for bit, and nothing that they ask for is run."""

import ast
import io
import os
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import weight_files as build
from weight_files import FIXTURES, PROTOCOL, archive, mapping, named, number, row, storage, stream, tensor, text

from zoo.errors import ModelFileError
from zoo.weights.torch_file import read_torch_file
from zoo.weights.weight_file import ReadLimits, opened

ROOT = Path(__file__).parents[3]
READERS = ("torch_file", "torch_tensors", "pickle_machine", "pickle_stack", "stored_zip", "weight_file", "elements")
TORCH_FILES = sorted(path.name for path in FIXTURES.glob("*.pth") if not path.name.startswith("refused"))
ONE = mapping(w=tensor())


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file and return its path."""

    def _write(data):
        path = tmp_path / "weights.pth"
        path.write_bytes(data)
        return path

    return _write


@pytest.fixture
def refusal(write):
    """Return the message with which a file of these bytes is refused, having checked that it names the file."""

    def _refusal(data, **limits):
        path = write(data)
        with pytest.raises(ModelFileError) as caught:
            read_torch_file(path, limits=ReadLimits(**limits))
        assert str(caught.value).startswith(f"{path}: ")
        return str(caught.value).removeprefix(f"{path}: ")

    return _refusal


# Good files


@pytest.mark.parametrize("name", TORCH_FILES)
def test_files_of_torch_give_the_arrays_that_torch_gives(name):
    """Names, order, shapes, dtypes and every bit agree, in both formats and protocols 2 and 4."""
    found = read_torch_file(FIXTURES / name)
    with np.load(FIXTURES / f"{name.split('_')[0]}.npz") as expected:
        assert list(found) == expected["names"].tolist()
        for place, array in enumerate(found.values()):
            right = expected[str(place)]
            assert (array.dtype, array.shape) == (right.dtype, right.shape)
            assert array.tobytes() == right.tobytes()


@pytest.mark.parametrize("name", ["views_legacy.pth", "views_zip.pth"])
def test_tensors_of_one_storage_share_memory(name):
    """A storage is read once, however many tensors view it."""
    found = read_torch_file(FIXTURES / name)
    assert np.shares_memory(found["whole"], found["transposed"])
    assert not np.shares_memory(found["whole"], found["parameter"])


def test_arrays_cannot_be_written(write):
    """A caller cannot change a tied weight behind another name's back."""
    with pytest.raises(ValueError, match="read-only"):
        read_torch_file(write(archive(ONE)))["w"][0] = 2


def test_both_formats_of_our_builder_are_read(write):
    """The files that the tests below damage are good before."""
    for good in (archive(ONE), stream(mapping(w=tensor(storage(more=b"N"))))):
        assert read_torch_file(write(good))["w"].tolist() == [1, 1, 1, 1]


def test_prefix_stays_unless_every_name_has_it(write):
    """`module.` may be the name of a real layer."""
    mixed = b"}(" + text("module.a") + tensor() + text("b") + tensor() + b"u"
    assert list(read_torch_file(write(archive(mixed)))) == ["module.a", "b"]


def test_python_2_texts_and_ordered_dicts_are_read(write):
    """Python 2 wrote SHORT_BINSTRING, and the items of an ordered dict as a list of lists."""
    pair = b"](" + b"U\x01w" + tensor() + b"e"
    items = b"](" + pair + b"e"
    assert list(read_torch_file(write(archive(build.call("collections.OrderedDict", items))))) == ["w"]


def test_window_of_a_legacy_storage_is_read(write):
    """Old files can describe a storage as a part of another one."""
    view = row(text("7"), number(1), number(2))
    block = np.arange(4, dtype="<f4").tobytes()
    value = mapping(w=tensor(storage(more=view), shape=(2,)))
    assert read_torch_file(write(stream(value, {"0": (4, block)})))["w"].tolist() == [1, 2]


# What is no torch file


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404", "HTML"),
        (b"\n  <html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"\x1f\x8b\x08\x00rest", "gunzip"),
        (b"\x89HDF\r\n\x1a\nrest", "HDF5"),
        (build.safetensors(), "ends in .safetensors"),
        (b"random bytes", "starts with b'random b'"),
        (b"random bytes", "Get the file again, or save its plain state dict"),
        (b"\x80", "no pickle of protocol"),
        (build.MAGIC_NUMBER + b"\x81" + build.VERSION_1001[1:], "no pickle of protocol 2 to 5 at byte 15"),
        (PROTOCOL + b"K\x01.", "not one of torch.save"),
        (b"\x80\x01" + build.MAGIC_NUMBER[2:], "no pickle of protocol 2 to 5 at byte 0"),
        (build.zipped({"a.txt": b"a", "b.txt": b"b"}), "holds 'a.txt', 'b.txt'"),
    ],
)
def test_other_kinds_of_file_are_named(refusal, data, reason):
    """The message says what the file is instead."""
    assert reason in refusal(data)


def test_missing_file_and_folder_are_named(tmp_path):
    """Neither is mistaken for a damaged file."""
    for path, reason in ((tmp_path / "no.pth", "No such file"), (tmp_path, "is a folder")):
        with pytest.raises(ModelFileError, match=reason):
            read_torch_file(path)


def test_odd_paths_are_refused_on_one_line(tmp_path):
    """A NUL, a newline, a file as folder: a message, not a traceback, and never a second line."""
    (tmp_path / "file").touch()
    for name in ("a\0b", "a\nb", "file/weights.pth"):
        with pytest.raises(ModelFileError) as caught:
            read_torch_file(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_file_that_shrinks_while_it_is_read_is_refused(write):
    """Another process may write there; what is missing is not made up."""
    path = write(archive(ONE))
    for read in (lambda file: file.bytes_at(0, 100), lambda file: file.array_at(0, 25, "<f4")):
        path.write_bytes(bytes(range(200)))
        with pytest.raises(ModelFileError, match="became shorter"), opened(path, ReadLimits(), "") as file:
            path.write_bytes(b"")
            read(file)


def test_array_beyond_the_file_is_refused_before_it_is_allocated(write):
    """A terabyte would not fit; the file's size is asked first."""
    with (
        pytest.raises(ModelFileError, match="needs 1099511627776 bytes"),
        opened(write(b"a"), ReadLimits(), "") as file,
    ):
        file.array_at(0, 2**38, "<f4")


def test_pipe_is_refused_without_waiting(tmp_path):
    """Opening a pipe would wait for a writer that never comes."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelFileError, match="device or a pipe"):
        read_torch_file(tmp_path / "pipe")


@pytest.mark.parametrize("good", [archive(ONE), stream(ONE)], ids=["zip", "legacy"])
def test_every_truncation_is_refused(write, good):
    """No prefix of a good file passes for one."""
    for size in range(len(good)):
        with pytest.raises(ModelFileError):
            read_torch_file(write(good[:size]))


@pytest.mark.parametrize("good", [archive(ONE), stream(ONE)], ids=["zip", "legacy"])
def test_appended_bytes_are_refused(refusal, good):
    """What torch would overlook may be a second file."""
    assert "something appended" in refusal(good + b"\0")


def test_tar_format_gets_the_conversion_line(refusal):
    """Versions before 0.1.10 wrote tar archives."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("storages"))
    message = refusal(buffer.getvalue())
    assert "tar format" in message
    assert "python -c" in message


@pytest.mark.parametrize("extra", ["code/net.py", "constants.pkl"])
def test_torchscript_gets_the_conversion_line(refusal, extra):
    """A TorchScript archive carries code; torch.jit.load is the way to its weights."""
    message = refusal(archive(ONE, **{extra: b"x"}))
    assert "TorchScript" in message
    assert "torch.jit.load" in message


def test_whole_module_gets_the_conversion_line(refusal):
    """A pickled network is the most common mistake."""
    message = refusal((FIXTURES / "refused_module_zip.pth").read_bytes())
    assert "'torch.nn.modules.container.Sequential'" in message
    assert ".state_dict()" in message


@pytest.mark.parametrize(("name", "reason"), [("unsigned", "_rebuild_tensor_v3"), ("negative", "resolve_neg")])
def test_tensors_of_odd_kinds_are_refused(refusal, name, reason):
    """What would be read wrongly is not read."""
    assert reason in refusal((FIXTURES / f"refused_{name}_zip.pth").read_bytes())


# Nothing foreign runs


def test_readers_import_neither_pickle_nor_torch():
    """There is no laxer reader to fall back to."""
    for name in READERS:
        for node in ast.walk(ast.parse((ROOT / "zoo" / "weights" / f"{name}.py").read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not {"pickle", "torch", "importlib", "subprocess"} & {module.split(".")[0] for module in modules}


@pytest.mark.parametrize(
    "name", ["os.system", "builtins.eval", "torch.utils.collect_env.run", "tripwire.fall", "torch.load", "a.b\x1b[31m"]
)
@pytest.mark.parametrize("pack", [archive, stream], ids=["zip", "legacy"])
def test_unknown_global_is_named_and_never_imported(refusal, tmp_path, monkeypatch, pack, name):
    """The name is looked up in a table of our own; a module of that name beside it stays untouched."""
    (tmp_path / "tripwire.py").write_text("def fall(*a): pass")
    monkeypatch.syspath_prepend(tmp_path)
    marker = tmp_path / "ran"
    message = refusal(pack(build.call(name, text(f"touch {marker}"))))
    assert repr(name) in message
    assert "GLOBAL at byte" in message
    assert "tripwire" not in sys.modules
    assert not marker.exists()


def test_old_pickle_protocols_are_refused(refusal, tmp_path):
    """Protocol 0 has its own opcodes for calls."""
    assert "neither format" in refusal(f"cos\nsystem\n(S'touch {tmp_path}/ran'\ntR.".encode())
    assert not (tmp_path / "ran").exists()


def test_stack_global_uses_the_same_table(refusal):
    """Protocol 4 names a global by two texts on the stack."""
    assert "'os.system'" in refusal(archive(text("os") + text("system") + b"\x93"))
    for two in (text("os") + number(1), number(1) + text("os")):
        assert "two texts" in refusal(archive(two + b"\x93"))


BAD_PROGRAMS = {
    "newobj": (named("collections.OrderedDict") + b")\x81", "NEWOBJ at byte"),
    "inst": (b"(ios\nsystem\n", "INST at byte"),
    "obj": (b"(" + named("collections.OrderedDict") + b"o", "OBJ at byte"),
    "ext": (b"\x82\x01", "EXT1 at byte"),
    "unknown opcode": (b"\xff", "0xff (unknown)"),
    "second protocol": (PROTOCOL + b"N", "PROTO at byte"),
    "reduce of a text": (text("a") + b")R", "calls a str"),
    "reduce of a storage type": (build.call("torch.FloatStorage"), "calls a kind of storage"),
    "reduce of a tensor": (tensor() + b")R", "calls a Tensor"),
    "arguments not a tuple": (named("collections.OrderedDict") + b"]R", "with a list; a tuple expected"),
    "build on a tensor": (tensor() + b"}b", "BUILD at byte 133: works on a Tensor; only an OrderedDict accepted"),
    "build on a dict": (b"}}b", "only an OrderedDict accepted"),
    "build on a function": (named("collections.OrderedDict") + b"}b", "works on a function"),
    "build from a tuple": (build.NO_HOOKS + b"}}\x86b", "sets attributes from a tuple"),
    "setitem on a list": (b"]NNs", "SETITEM at byte 5: works on a list; only a dict accepted"),
    "setitem on a tensor": (tensor() + text("a") + b"Ns", "only a dict accepted"),
    "setitems on a tuple": (b")(" + text("a") + b"Nu", "SETITEMS at byte"),
    "setitems without value": (b"}(" + text("a") + b"u", "a key without a value"),
    "append on a dict": (b"}Na", "APPEND at byte 4: works on a dict; only a list accepted"),
    "appends on a storage": (storage() + b"(Ne", "works on a Storage; only a list accepted"),
    "tuple as key": (b"})Ns", "a key that is a tuple"),
    "long key": (b"}" + number(2**70) + b"Ns", "a 64-bit integer expected"),
    "key twice": (mapping(a=b"N") + text("a") + b"Ns", "'a' is set twice"),
    "empty stack": (b"R", "empty stack"),
    "below a mark": (b"N(s", "empty stack"),
    "no mark": (b"t", "no MARK"),
    "values left": (b"NN", "2 values and 0 MARKs are left"),
    "mark left": (b"N(", "1 values and 1 MARKs are left"),
    "memo never set": (b"h\x05", "memo entry 5 was never set"),
    "text beyond the end": (b"X\xff\xff\xff\x7f", "asks for 2147483647 bytes"),
    "frame beyond the end": (b"\x95" + b"\xff" * 8, "FRAME at byte"),
    "bad utf-8": (b"X\x01\x00\x00\x00\xff", "not utf-8"),
    "name without end": (b"cos", "GLOBAL at byte 2: asks for 256 bytes where 3 are left"),
    "name too long": (b"c" + b"a" * 300 + b"\nb\n", "a name of over 256 bytes"),
}


@pytest.mark.parametrize(("program", "reason"), BAD_PROGRAMS.values(), ids=BAD_PROGRAMS)
def test_bad_pickle_programs_are_refused(refusal, program, reason):
    """The message names the opcode, its byte, what it found and what is accepted."""
    assert reason in refusal(archive(program))


V2, PARAMETER = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"
BAD_ARGUMENTS = {
    "ordered dict of a text": build.call("collections.OrderedDict", text("ab")),
    "ordered dict of triples": build.call("collections.OrderedDict", b"](" + build.numbers(1, 2, 3) + b"e"),
    "tensor of nothing": build.call(V2),
    "tensor of a text": build.call(V2, text("0"), number(0), b")", b")", b"\x89", build.NO_HOOKS),
    "offset is a bool": build.call(V2, storage(), b"\x88", b")", b")", b"\x89", build.NO_HOOKS),
    "negative size": tensor(shape=(-1,)),
    "negative stride": tensor(offset=3, strides=(-1,)),
    "negative offset": tensor(offset=-1),
    "huge size": tensor(shape=(2**70,)),
    "sizes are a list": build.call(V2, storage(), number(0), b"]", b"]", b"\x89", build.NO_HOOKS),
    "17 sizes": tensor(shape=(1,) * 17, strides=(1,) * 17),
    "more sizes than strides": tensor(shape=(2, 2)),
    "hooks": build.call(
        V2, storage(), number(0), b")", b")", b"\x89", build.NO_HOOKS + text("a") + build.NO_HOOKS + b"s"
    ),
    "gradient is a number": build.call(V2, storage(), number(0), b")", b")", number(1), build.NO_HOOKS),
    "parameter of a storage": build.call(PARAMETER, storage(), b"\x88", build.NO_HOOKS),
    "parameter of a text as hooks": build.call(PARAMETER, tensor(), b"\x88", text("a")),
}


@pytest.mark.parametrize("value", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_accepted_names_with_odd_arguments_are_refused(refusal, value):
    """A name of the table gives no licence to its arguments."""
    assert "pickle opcode REDUCE at byte" in refusal(archive(mapping(w=value)))


BAD_STORAGES = {
    "no tuple": (number(0) + b"Q", "a persistent id that is an int"),
    "module": (row(text("module"), *[text("a")] * 4) + b"Q", "persistent id"),
    "too short": (row(text("storage"), named("torch.FloatStorage")) + b"Q", "persistent id"),
    "kind is a text": (
        row(text("storage"), text("F"), text("0"), text("cpu"), number(4)) + b"Q",
        "whose kind is a str",
    ),
    "kind is a function": (storage(kind=V2), "whose kind is a function"),
    "kind is unknown": (storage(kind="torch.QInt8Storage"), "'torch.QInt8Storage'"),
    "key leads elsewhere": (storage("../0"), "a storage key '../0'"),
    "key is no ASCII digit": (storage("²"), "a storage key '²'"),
    "key is missing": (storage("1"), "the member data/1 is missing"),
    "fewer bytes": (storage(count=5), "has 16 bytes; 5 numbers of kind F32 need 20"),
    "more bytes": (storage(count=4, kind="torch.HalfStorage"), "has 16 bytes; 4 numbers of kind F16 need 8"),
    "negative count": (storage(count=-1), "storage size is '-1'"),
    "huge count": (storage(count=2**62), "numbers of kind F32 need"),
    "view past the end": (storage(more=row(text("1"), number(3), number(2))), "a view of numbers 3 to 5"),
    "odd view": (storage(more=row(text("1"))), "a storage view that is a tuple"),
}


@pytest.mark.parametrize(("block", "reason"), BAD_STORAGES.values(), ids=BAD_STORAGES)
def test_bad_storages_are_refused(refusal, block, reason):
    """Kind, key and size of a storage are checked against the file before any number is read."""
    assert reason in refusal(archive(mapping(w=tensor(block))))


def test_storage_described_twice_differently_is_refused(refusal):
    """One storage cannot be float and half at once."""
    value = mapping(a=tensor(), b=tensor(storage(count=8, kind="torch.HalfStorage")))
    assert "storage 0 is described twice" in refusal(archive(value))


@pytest.mark.parametrize("change", [{"offset": 1}, {"shape": (5,)}, {"strides": (2,)}, {"strides": (2**62,)}])
def test_tensor_past_its_storage_is_refused(refusal, change):
    """The last number that a view reaches must be in its storage."""
    assert "of storage 0, which has 4" in refusal(archive(mapping(w=tensor(**change))))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"N", "holds None; a state dict expected"),
        (tensor(), "holds a Tensor"),
        (b"}", "an empty dict"),
        (mapping(w=number(1)), "its entry 'w' is an int"),
        (mapping(w=mapping(v=tensor())), "its entry 'w' is a dict"),
        (b"}" + number(3) + tensor() + b"s", "its entry '3' is a Tensor"),
    ],
)
def test_values_that_are_no_state_dict_are_refused(refusal, value, reason):
    """Only names and tensors, flat or under `state_dict` or `model`."""
    assert reason in refusal(archive(value))


def test_boolean_other_than_0_and_1_is_refused(refusal):
    """Such a byte would be both true and unequal to true."""
    value = mapping(w=tensor(storage(kind="torch.BoolStorage")))
    assert "tensor 'w' is damaged" in refusal(archive(value, {"0": b"\0\1\2\1"}))


# The two containers


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ({"0": (3, build.ONES)}, "has 3 numbers"),
        ({"0": (-1, build.ONES)}, "has -1 numbers"),
        ({"1": (4, build.ONES)}, "they must be the same"),
        ({"0": (4, build.ONES), "1": (0, b"")}, "lists 2 storage keys"),
        ({"0": (4, build.ONES[:-1])}, "cut short"),
    ],
)
def test_legacy_storages_that_contradict_the_tensors_are_refused(refusal, blocks, reason):
    """The sizes beside the numbers must be those that the tensors were promised."""
    assert reason in refusal(stream(ONE, blocks))


def test_big_endian_files_are_refused(refusal):
    """They would give wrong numbers."""
    assert "little-endian" in refusal(stream(ONE, little_endian=b"\x89"))
    assert "byte order is b'big'" in refusal(archive(ONE, byteorder=b"big"))


def test_unknown_archive_version_is_refused(refusal):
    """A later layout is not guessed at."""
    assert "version b'11\\n'" in refusal(archive(ONE, version=b"11\n"))


def test_damaged_numbers_in_an_archive_are_found(refusal):
    """The checksum covers every storage."""
    data = bytearray(archive(ONE))
    data[data.index(build.ONES) + 5] ^= 1
    assert "member 'archive/data/0' is damaged" in refusal(bytes(data))


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


ENTRY, END = b"PK\x01\x02", b"PK\x05\x06"
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


@pytest.mark.parametrize(
    ("place", "reason"),
    [(-34, "not where it should be"), (-46, "contradict each other"), (-98, "contradict each other")],
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


# Limits

HOSTILE = {
    "opcodes": (b"]" * 10**7, "pickle instructions: 400001; at most 400000"),
    "rebuilds": (named("collections.OrderedDict") + b"q\x00" + b"h\x00)R" * 50_000, "at most 40000"),
    "storages": (storage()[:-1] + b"q\x00Q" + b"h\x00Q" * 50_000, "at most 40000"),
    "memo index": (b"Nr\xff\xff\xff\xff", "memo entries: 4294967296; at most 200000"),
    "giant integer": (b"\x8a\xff" + b"\x01" * 255, "an integer of 255 bytes"),
    "giant integer of 4 bytes of length": (b"\x8b\xff\xff\xff\x7f", "LONG4 at byte"),
    "open marks": (b"(" * 1000, "open MARKs: 101; at most 100"),
    "deep tuples": (b")" + b"\x85" * 100_000, "holds a tuple"),
    "doubling tuples": (b")" + b"q\x00h\x00\x86" * 5_000, "holds a tuple"),
    "pickle bytes": (b"X" + struct.pack("<I", 2**24) + bytes(2**24), "bytes of data.pkl: 16777224; at most 16777216"),
    "stride 0": (mapping(w=tensor(shape=(2**40,), strides=(0,))), "tensors take 4398046511104 bytes"),
    "many stride 0": (
        b"}(" + b"".join(text(str(n)) + tensor(shape=(2**20,), strides=(0,)) for n in range(9)) + b"u",
        "tensors take 20971520 bytes",
    ),
    "empty and huge": (mapping(w=tensor(shape=(0, 2**62), strides=(1, 1))), "tensors take"),
}


@pytest.mark.parametrize(("program", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_programs_are_refused_at_bounded_memory(refusal, program, reason):
    """Counters stop them; 200 MB is the bound, the file itself included."""
    data = archive(program)
    tracemalloc.start()
    try:
        assert reason in refusal(data)
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ("file_bytes", "size in bytes"),
        ("pickle_bytes", "bytes of data.pkl"),
        ("opcodes", "pickle instructions"),
        ("rebuilds", "tensors, storages and ordered dicts"),
        ("nesting", "open MARKs"),
        ("tensors", "tensors: 1"),
        ("members", "members of the zip archive"),
        ("header_bytes", "bytes of the zip directory"),
    ],
)
def test_every_limit_can_be_set_and_is_named(refusal, limit, reason):
    """The message says which limit was met, and how it is raised."""
    message = refusal(archive(ONE), **{limit: 0})
    assert reason in message
    assert f"ReadLimits({limit}=...)" in message


def test_legacy_pickle_over_its_limit_is_named_as_such(refusal):
    """It is not mistaken for a file that was cut short."""
    assert "ReadLimits(pickle_bytes=...)" in refusal(stream(ONE), pickle_bytes=100)


def test_expanded_view_within_the_limit_is_read(write):
    """A stride of 0 is legal; torch writes it for expanded tensors."""
    found = read_torch_file(write(archive(mapping(w=tensor(shape=(3, 4), strides=(0, 1))))))["w"]
    assert found.shape == (3, 4)


@pytest.mark.parametrize("kind", ["legacy", "zip"])
def test_mutated_files_give_arrays_or_a_refusal(kind):
    """A short run of the fuzzer; its limit of time is wide here, because test machines are busy."""
    script = ROOT / "benchmarks" / "fuzz_weight_files.py"
    options = ["--kind", kind, "--count", "300", "--seed", "7", "--most-seconds", "20"]
    done = subprocess.run([sys.executable, script, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{kind}: 300 mutants" in done.stdout
