"""Torch files are read without torch, bit for bit, in both formats."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import weight_files as build
from weight_files import FIXTURES, ONE, PROTOCOL, archive, mapping, number, row, storage, stream, tensor, text

from zoo.errors import ModelFileError
from zoo.weights.torch_file import read_torch_file

ROOT = Path(__file__).parents[3]
TORCH_FILES = sorted(path.name for path in FIXTURES.glob("*.pth") if not path.name.startswith("refused"))


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


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_of_parallel_and_compiled_networks_are_taken_off(prefix, write):
    """DataParallel and torch.compile put their own name before every other, in either order."""
    both = b"}(" + text(f"{prefix}a") + tensor() + text(f"{prefix}b") + tensor() + b"u"
    assert list(read_torch_file(write(archive(both)))) == ["a", "b"]


def test_checkpoint_as_in_the_tutorial_of_torch_is_unwrapped(write):
    """A dict of epoch, model_state_dict and others holds the state dict under that name."""
    checkpoint = b"}(" + text("epoch") + b"K\x03" + text("model_state_dict") + mapping(w=tensor()) + b"u"
    assert list(read_torch_file(write(archive(checkpoint)))) == ["w"]


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


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (build.safetensors(), "ends in .safetensors"),
        (b"random bytes", "starts with b'random b'"),
        (b"\x80", "no pickle of protocol"),
        (build.MAGIC_NUMBER + b"\x81" + build.VERSION_1001[1:], "no pickle of protocol 2 to 5 at byte 15"),
        (PROTOCOL + b"K\x01.", "not one of torch.save: its magic number"),
        (build.MAGIC_NUMBER + PROTOCOL + b"K\x01.", "not one of torch.save: its protocol version"),
        (b"\x80\x01" + build.MAGIC_NUMBER[2:], "no pickle of protocol 2 to 5 at byte 0"),
        (build.zipped({"a.txt": b"a", "b.txt": b"b"}), "holds 'a.txt', 'b.txt'"),
        (build.zipped({"a/data.pkl": b"a", "b.txt": b"b"}), "holds 'a/data.pkl', 'b.txt'"),
        (build.zipped({"a/b.txt": b"b"}), "holds 'a/b.txt'"),
    ],
)
def test_other_formats_are_refused(refusal, data, reason):
    """Near misses too: pickles and zip archives that torch did not write."""
    assert reason in refusal(data)


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


@pytest.mark.parametrize("keys", [number(0), b"](" + number(0) + b"e", b"]}a", b"](" + text("0") * 2 + b"e"])
def test_odd_list_of_storage_keys_is_refused(refusal, keys):
    """The legacy format lists its storages in the order in which they lie in the file."""
    assert "storage keys" in refusal(stream(ONE, keys=keys))


def test_big_endian_files_are_refused(refusal):
    """They would give wrong numbers."""
    assert "little-endian" in refusal(stream(ONE, system=mapping(little_endian=b"\x89")))
    assert "little-endian" in refusal(stream(ONE, system=b"]"))
    assert "byte order is b'big'" in refusal(archive(ONE, byteorder=b"big"))


def test_unknown_archive_version_is_refused(refusal):
    """A later layout is not guessed at."""
    for version in (b"11\n", b"0", b"", b"three", b"3" + b"\n" * 20):
        assert "is a torch archive of version b'" in refusal(archive(ONE, version=version))
    assert "version b''" in refusal(build.zipped({"archive/data.pkl": b""}))


def test_bytes_after_the_pickle_of_an_archive_are_refused(refusal):
    """Nothing belongs there."""
    pickled = PROTOCOL + ONE + b"."
    assert f"goes on after its end, at byte {len(pickled)}" in refusal(archive(ONE, **{"data.pkl": pickled + b"N"}))


def test_legacy_pickle_over_its_limit_is_named_as_such(refusal):
    """It is not mistaken for a file that was cut short."""
    assert "ReadLimits(pickle_bytes=...)" in refusal(stream(ONE), pickle_bytes=100)


@pytest.mark.parametrize("kind", ["legacy", "zip"])
def test_mutated_files_give_arrays_or_a_refusal(kind):
    """A short run of the fuzzer; its limit of time is wide here, because test machines are busy."""
    script = ROOT / "benchmarks" / "fuzz_weight_files.py"
    options = ["--kind", kind, "--count", "300", "--seed", "7", "--most-seconds", "20"]
    done = subprocess.run([sys.executable, script, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{kind}: 300 mutants" in done.stdout
