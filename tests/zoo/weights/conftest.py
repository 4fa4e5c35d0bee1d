"""What the tests of the weight readers share."""

import pytest

from zoo.errors import ModelFileError
from zoo.weights.safetensors_file import read_safetensors
from zoo.weights.torch_file import read_torch_file
from zoo.weights.weight_file import ReadLimits


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file and return its path."""

    def _write(data, name="weights.pth"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return _write


@pytest.fixture
def refusal(write):
    """Return the message with which a file of these bytes is refused, having checked that it names the file."""

    def _refusal(data, name="weights.pth", **limits):
        path = write(data, name)
        read = read_torch_file if name.endswith(".pth") else read_safetensors
        with pytest.raises(ModelFileError) as caught:
            read(path, limits=ReadLimits(**limits))
        assert str(caught.value).startswith(f"{path}: ")
        return str(caught.value).removeprefix(f"{path}: ")

    return _refusal
