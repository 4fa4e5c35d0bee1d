"""A pickle may describe tensors and nothing else; it is never run, and its cost is bounded."""

import ast
import struct
import sys
import tracemalloc
from pathlib import Path

import pytest
import weight_files as build
from weight_files import PROTOCOL, archive, mapping, named, number, storage, stream, tensor, text

READERS = Path(__file__).parents[3] / "zoo" / "weights"
MODULES = ("torch_file", "torch_tensors", "pickle_machine", "pickle_stack", "stored_zip", "weight_file", "elements")


def test_readers_import_neither_pickle_nor_torch():
    """There is no laxer reader to fall back to."""
    for name in MODULES:
        for node in ast.walk(ast.parse((READERS / f"{name}.py").read_text())):
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
