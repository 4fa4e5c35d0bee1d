"""OpenVINO runs what Keras runs: the same numbers, in order, at every cut; needs the extra `fast`."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from finetune.config import make_config
from finetune.transfer import openvino_runner
from finetune.transfer import trunk as trunks
from finetune.transfer.frozen_graph import FrozenGraph
from finetune.transfer.network import make_network
from finetune.transfer.openvino_bytes import of_bytes
from finetune.transfer.openvino_runner import OpenVinoRunner
from finetune.transfer.runtime_names import CannotRun

pytestmark = [
    pytest.mark.keras,
    pytest.mark.skipif(not openvino_runner.is_installed(), reason="the extra `fast` is not installed"),
]


@pytest.fixture(scope="module")
def network():
    """Real Lite0 weights at a small size, with a head."""
    config = make_config({"model": "efficientnet_lite0", "image_size": 32, "cache_dir": "/nonexistent"})
    return make_network(trunks.build_trunk(config).model, trunks.new_head(1280, 3, dropout=0.2, seed=0), staged=True)


@pytest.fixture(scope="module")
def pictures():
    """Eleven noisy pictures."""
    return np.random.default_rng(0).integers(0, 256, (11, 32, 32, 3), dtype="uint8")


@pytest.fixture(scope="module")
def exact(network):
    """The network up to its features."""
    return OpenVinoRunner(FrozenGraph(network.below("features")))


def answers(runner, pictures):
    """Return what a runner gives for pictures in batches of four."""
    return np.concatenate(list(runner(pictures[start : start + 4] for start in range(0, len(pictures), 4))))


@pytest.mark.parametrize("cut", ["stem", "stage4"])
def test_every_cut_gives_what_keras_gives(network, pictures, cut):
    """Maps in the middle of the network agree in five digits, the short last batch included."""
    below = network.below(cut)
    expected = np.asarray(below(trunks.as_inputs(below, pictures)))
    found = answers(OpenVinoRunner(FrozenGraph(below)), pictures)
    assert found.shape == expected.shape and found.dtype == "float32"
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_features_are_those_of_keras(network, pictures, exact):
    """Pooled features agree in five digits."""
    below = network.below("features")
    expected = np.asarray(below(trunks.as_inputs(below, pictures)))
    np.testing.assert_allclose(answers(exact, pictures), expected, atol=1e-5 * expected.max())


def test_rows_depend_on_nothing_but_their_picture(pictures, exact):
    """The same picture gives the same bits at another place of another batch, so that a run can go on anywhere."""
    np.testing.assert_array_equal(answers(exact, pictures)[3:], answers(exact, pictures[3:]))


def test_bfloat16_is_near_but_not_the_same(network, pictures, exact):
    """Half the digits give features that differ by some percent, and no more."""
    if not openvino_runner.has_bfloat16():
        pytest.skip("this CPU does not compute in bfloat16")
    rounded = OpenVinoRunner(FrozenGraph(network.below("features")), precision="bfloat16")
    expected = answers(exact, pictures)
    difference = np.linalg.norm(answers(rounded, pictures) - expected) / np.linalg.norm(expected)
    assert 1e-4 < difference < 0.3


# What comes before the first convolution: scaled by channel or as one, by a factor only, turned round, or nothing.
BEGINNINGS = {
    "by channel": (3, [layers.Normalization(mean=[120, 110, 100], variance=[9, 16, 25])], True),
    "all alike": (3, [layers.Normalization(mean=127, variance=128**2)], True),
    "to one": (3, [layers.Rescaling(1 / 127.5, offset=-1)], True),
    "one channel": (1, [layers.Normalization(mean=[33], variance=[78**2])], True),
    "four channels": (4, [layers.Rescaling(1 / 255), layers.Normalization(mean=[1, 2, 3, 4], variance=[1] * 4)], True),
    "blue first": (3, [layers.Lambda(lambda x: x[..., ::-1]), layers.Rescaling(1 / 255)], False),
    "by place": (3, [layers.Multiply()], False),
    "as it is": (3, [layers.Activation("linear")], False),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_bytes_are_scaled_as_they_lie(name, monkeypatch):
    """Whatever scales pictures, they give what Keras gives; where it is by constants, OpenVINO moves them no more."""
    channels, first, moved_later = BEGINNINGS[name]
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((10, 12, channels))
    for layer in first:
        x = layer([x, x / 255] if name == "by place" else x)
    x = layers.Conv2D(5, 3, strides=2, padding="same", activation="relu")(x)
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(x))
    pictures = np.random.default_rng(0).integers(0, 256, (5, 10, 12, channels), dtype="uint8")
    kept = []
    monkeypatch.setattr(openvino_runner, "of_bytes", lambda network: kept.append(of_bytes(network)) or kept[0])
    np.testing.assert_allclose(answers(OpenVinoRunner(FrozenGraph(model)), pictures), model(pictures), rtol=1e-4)
    (taken,) = kept[0].get_parameters()
    (user,) = taken.output(0).get_target_inputs()
    assert (user.get_node().get_type_name() == "Reshape") == moved_later
    assert taken.get_element_type().get_type_name() == "u8"


def test_pictures_may_go_two_ways():
    """A network that takes its pictures twice, or the scaled ones, or gives those themselves, is what Keras runs."""
    inputs = keras.Input((8, 8, 3))
    scaled = layers.Rescaling(1 / 255)(inputs)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype="uint8")
    maps = layers.Conv2D(3, 3, padding="same")(scaled)
    for outputs in (layers.Add()([maps, inputs]), layers.Add()([maps, scaled]), layers.Flatten()(scaled)):
        model = keras.Model(inputs, layers.Flatten()(outputs))
        found = answers(OpenVinoRunner(FrozenGraph(model)), pictures)
        np.testing.assert_allclose(found, model(pictures), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["silu", "resized", "efficientnet_b0"])
def test_helpers_of_gradients_are_no_outputs(name, precision, pictures):
    """Layers whose graph has ends that nobody asked for run as others do: SiLU, Resizing, EfficientNet-B0."""
    if precision == "bfloat16" and not openvino_runner.has_bfloat16():
        pytest.skip("this CPU does not compute in bfloat16")
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    if name == "efficientnet_b0":
        model = zoo.backbone(name, weights=None, input_shape=(32, 32, 3))
    else:
        x = layers.Rescaling(1 / 255)(inputs if name == "silu" else layers.Resizing(16, 16)(inputs))
        model = keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="silu")(x)))
    expected, found = (
        np.asarray(model(pictures)),
        answers(OpenVinoRunner(FrozenGraph(model), precision=precision), pictures),
    )
    tolerance = 1e-5 if precision == "float32" else 0.03
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("count", [1, 3, 7])
def test_failing_while_it_computes_is_a_reason_too(count):
    """What OpenVINO raises only with a picture at hand is why another runs it; all that was begun is waited for."""
    begun, waited = [], set()

    class Request:
        def set_input_tensor(self, tensor):
            pass

        def start_async(self):
            begun.append(self)

        def wait(self):
            waited.add(self)
            raise RuntimeError("Exception from src/inference:12:\n  nothing to see")

    class Compiled:
        def get_property(self, name):
            return 2

        def create_infer_request(self):
            return Request()

        def output(self, number):
            return np.zeros((1, 5))

    with pytest.raises(CannotRun, match="nothing to see"):
        list(openvino_runner._outputs(Compiled(), [np.zeros((count, 4, 4, 3), "uint8")]))
    assert begun and set(begun) == waited


def test_version_is_known_without_a_package(monkeypatch):
    """An OpenVINO that pip does not know, from an archive or built here, is asked itself."""

    def unknown(name):
        raise openvino_runner.importlib.metadata.PackageNotFoundError(name)

    expected = openvino_runner.version()
    monkeypatch.setattr(openvino_runner.importlib.metadata, "version", unknown)
    assert openvino_runner.version().startswith(expected)


def test_nothing_is_reported_to_the_publisher(tmp_path):
    """OpenVINO is imported without the package that sends events and leaves an identity in the home directory."""
    code = "import sys; from finetune.transfer import openvino_runner as o; o.has_bfloat16(); print(*sys.modules)"
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    loaded = done.stdout.split()
    assert "openvino" in loaded and "openvino_telemetry" not in loaded
    assert not (tmp_path / "intel").exists()


def test_layers_may_be_called_with_an_underscore():
    """Names that TensorFlow refuses at the root of a graph are no hindrance."""
    inputs = keras.Input((8, 8, 3))
    outputs = layers.GlobalAveragePooling2D(name="_pool")(layers.Conv2D(4, 3, name="_conv")(inputs))
    model, pictures = keras.Model(inputs, outputs), np.full((2, 8, 8, 3), 7, "uint8")
    np.testing.assert_allclose(answers(OpenVinoRunner(FrozenGraph(model)), pictures), model(pictures), rtol=1e-5)


def test_network_that_cannot_be_converted_says_why():
    """An operation that OpenVINO does not know is one error with a reason."""

    @keras.saving.register_keras_serializable()
    class Eigenvalues(layers.Layer):
        def call(self, x):
            return keras.ops.eigh(x)[0]

    inputs = keras.Input((8, 8, 8))
    model = keras.Model(inputs, layers.Flatten()(Eigenvalues()(inputs)))
    with pytest.raises(CannotRun, match="."):
        OpenVinoRunner(FrozenGraph(model))
