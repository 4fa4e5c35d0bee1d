"""Tensors and storages that a pickle describes are checked against each other and against the file."""

import pytest
import weight_files as build
from weight_files import archive, mapping, named, number, row, storage, tensor, text

from zoo.weights.torch_file import read_torch_file

PARAMETER = "torch._utils._rebuild_parameter"
BAD_ARGUMENTS = {
    "ordered dict of a text": build.call("collections.OrderedDict", text("ab")),
    "ordered dict of a number": build.call("collections.OrderedDict", number(1)),
    "ordered dict of two lists": build.call("collections.OrderedDict", b"]", b"]"),
    "ordered dict of texts": build.call("collections.OrderedDict", b"](" + text("ab") + b"e"),
    "ordered dict of triples": build.call("collections.OrderedDict", b"](" + build.numbers(1, 2, 3) + b"e"),
    "tensor of nothing": build.tensor_of(),
    "tensor of a text": build.tensor_of(text("0"), number(0), b")", b")", b"\x89", build.NO_HOOKS),
    "offset is a bool": build.tensor_of(storage(), b"\x88", b")", b")", b"\x89", build.NO_HOOKS),
    "negative size": tensor(shape=(-1,)),
    "negative stride": tensor(offset=3, strides=(-1,)),
    "negative offset": tensor(offset=-1),
    "huge size": tensor(shape=(2**70,)),
    "sizes are a list": build.tensor_of(storage(), number(0), b"]", b"]", b"\x89", build.NO_HOOKS),
    "17 sizes": tensor(shape=(1,) * 17, strides=(1,) * 17),
    "more sizes than strides": tensor(shape=(2, 2)),
    "hooks": build.tensor_of(
        storage(), number(0), b")", b")", b"\x89", build.NO_HOOKS + text("a") + build.NO_HOOKS + b"s"
    ),
    "gradient is a number": build.tensor_of(storage(), number(0), b")", b")", number(1), build.NO_HOOKS),
    "parameter of a storage": build.call(PARAMETER, storage(), b"\x88", build.NO_HOOKS),
    "parameter of a text as hooks": build.call(PARAMETER, tensor(), b"\x88", text("a")),
    "parameter of None as hooks": build.call(PARAMETER, tensor(), b"\x88", b"N"),
    "parameter without hooks": build.call(PARAMETER, tensor(), b"\x88"),
    "parameter of 4 arguments": build.call(PARAMETER, tensor(), b"\x88", build.NO_HOOKS, b"N"),
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
    "kind is a function": (storage(kind="collections.OrderedDict"), "whose kind is a function"),
    "kind is unknown": (storage(kind="torch.QInt8Storage"), "'torch.QInt8Storage'"),
    "place is a number": (
        row(text("storage"), named("torch.FloatStorage"), text("0"), number(0), number(4)) + b"Q",
        "whose place is an int",
    ),
    "key is a number": (
        row(text("storage"), named("torch.FloatStorage"), number(0), text("cpu"), number(4)) + b"Q",
        "a storage key an int",
    ),
    "key is long": (storage("1" * 21), "a number of at most 20 digits"),
    "key leads elsewhere": (storage("../0"), "a storage key '../0'"),
    "key is no ASCII digit": (storage("²"), "a storage key '²'"),
    "key is missing": (storage("1"), "the member data/1 is missing"),
    "fewer bytes": (storage(count=5), "has 16 bytes; 5 numbers of kind F32 need 20"),
    "more bytes": (storage(count=4, kind="torch.HalfStorage"), "has 16 bytes; 4 numbers of kind F16 need 8"),
    "negative count": (storage(count=-1), "storage size is '-1'"),
    "huge count": (storage(count=2**62), "numbers of kind F32 need"),
    "view past the end": (storage(more=row(text("1"), number(3), number(2))), "a view of numbers 3 to 5"),
    "odd view": (storage(more=row(text("1"))), "a storage view that is a tuple"),
    "text as view": (storage(more=text("123")), "a storage view that is a str"),
    "view leads elsewhere": (storage(more=row(text("../1"), number(0), number(1))), "a storage key '../1'"),
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


def test_empty_tensor_is_read_wherever_it_points(write):
    """It has no number that could be out of place, and strides that need not fit."""
    value = mapping(w=tensor(offset=100, shape=(0, 2), strides=(2**62, 1)))
    assert read_torch_file(write(archive(value)))["w"].shape == (0, 2)


def test_stride_of_a_single_entry_is_never_walked(write):
    """Torch keeps any stride for a dimension of size 1."""
    value = mapping(w=tensor(shape=(1, 4), strides=(2**62, 1)))
    assert read_torch_file(write(archive(value)))["w"].tolist() == [[1, 1, 1, 1]]


def test_tensor_with_empty_metadata_is_read(write):
    """The seventh argument says whether signs are turned lazily; an empty one says no."""
    parts = (storage(), number(0), build.numbers(4), build.numbers(1), b"\x89", build.NO_HOOKS)
    for metadata in (b"N", b"}"):
        assert read_torch_file(write(archive(mapping(w=build.tensor_of(*parts, metadata)))))["w"].shape == (4,)


def test_expanded_view_within_the_limit_is_read(write):
    """A stride of 0 is legal; torch writes it for expanded tensors."""
    found = read_torch_file(write(archive(mapping(w=tensor(shape=(3, 4), strides=(0, 1))))))["w"]
    assert found.shape == (3, 4)


def test_boolean_other_than_0_and_1_is_refused(refusal):
    """Such a byte would be both true and unequal to true."""
    value = mapping(w=tensor(storage(kind="torch.BoolStorage")))
    assert "tensor 'w' is damaged" in refusal(archive(value, {"0": b"\0\1\2\1"}))
