"""KerasHub's presets as models of the zoo: without the library by a stand-in, with it by a preset made here."""

import sys
import types
from dataclasses import dataclass

import keras
import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError, ModelFileError
from zoo.families.hub.build import build
from zoo.families.hub.presets import find_preset
from zoo.registry import find
from zoo.weights.keras_model import check_loadable
from zoo.weights.load import read_weights
from zoo.weights.named import named_weights

pytestmark = pytest.mark.keras
SHAPE = (32, 32, 3)


@dataclass(frozen=True)
class Converter:
    """Prepares pictures as KerasHub's ImageConverter does, or by a power that its fields do not tell."""

    image_size: tuple[int, int] | None = SHAPE[:2]
    scale: float | list[float] | None = 1 / 127.5
    offset: float | list[float] | None = -1.0
    interpolation: str = "lanczos3"
    power: int = 1
    crop_to_aspect_ratio: bool = True
    pad_to_aspect_ratio: bool = False

    def __call__(self, x):
        """Return scaled and shifted pictures."""
        return x**self.power * np.float32(self.scale or 1) + np.float32(self.offset or 0)


def small_backbone(output: str = "map") -> keras.Model:
    """Return a network like KerasHub's that gives a feature map, the maps of two stages, or tokens."""
    inputs = keras.Input(SHAPE)
    first = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="conv1")(inputs)
    second = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="conv2")(keras.layers.ReLU()(first))
    tokens = keras.layers.Reshape((-1, 8))(second)
    return keras.Model(inputs, {"map": second, "maps": {"a": second, "b": first}, "tokens": tokens}[output])


@pytest.fixture
def hub(monkeypatch):
    """Put a stand-in for keras_hub into place; return a function that says what its preset "small" holds."""

    def hold(backbone, converter):
        def from_preset(preset, **options):
            held = backbone if options else converter
            if preset != "small" or held is None:
                raise ValueError(f"Unknown preset identifier. A preset must be a one of:\nReceived: preset='{preset}'")
            return held

        library = types.ModuleType("keras_hub")
        kinds = types.SimpleNamespace(from_preset=from_preset, presets={"small": {}})
        library.models = types.SimpleNamespace(Backbone=kinds)
        library.layers = types.SimpleNamespace(ImageConverter=types.SimpleNamespace(from_preset=from_preset))
        monkeypatch.setitem(sys.modules, "keras_hub", library)

    return hold


def test_missing_library_names_extra_and_command(monkeypatch):
    """Without keras-hub one line says what needs it and how to install it."""
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ModelFileError, match=r"extra `hub` .*: pip install 'keras-graft\[hub\]'$"):
        build(keras.Input(SHAPE), preset="small")
    with pytest.raises(ModelFileError, match="extra `hub`"):
        find_preset("hub:small")


def test_row_says_how_pictures_are_prepared(hub):
    """Scale and offset become mean and standard deviation, the size is the preset's, the parameters are counted."""
    hub(small_backbone(), Converter(scale=[0.02, 0.01, 0.05], offset=[-2.0, -1.0, 0.0]))
    row = find_preset("hub:small")
    assert (row.name, row.family, dict(row.arguments)) == ("hub:small", "hub", {"preset": "small"})
    assert row.preprocessing.image_size == 32 and row.preprocessing.interpolation == "bicubic"
    np.testing.assert_allclose([row.preprocessing.mean, row.preprocessing.std], [[100, 100, 0], [50, 100, 20]])
    assert row.parameters == (3 * 3 * 3 * 4 + 4) + (3 * 3 * 4 * 8 + 8) + (8 + 1) * 1000


@pytest.mark.parametrize(
    ("resize", "options"),
    [
        ("crop", {}),
        ("pad", {"crop_to_aspect_ratio": False, "pad_to_aspect_ratio": True}),
        ("stretch", {"crop_to_aspect_ratio": False}),
    ],
)
def test_row_says_how_pictures_become_square(resize, options, hub):
    """Whether the preset was trained on crops, on whole pictures with borders, or on stretched ones is kept."""
    hub(small_backbone(), Converter(**options))
    assert find_preset("hub:small").preprocessing.resize == resize


@pytest.mark.parametrize("converter", [None, Converter(image_size=None, scale=None, offset=None)])
def test_pictures_without_a_rule_stay_as_they_are(converter, hub):
    """A preset that does not say how to prepare pictures gets them in [0, 255] with 224 pixels a side."""
    hub(small_backbone(), converter)
    row = find_preset("hub:small").preprocessing
    assert (row.image_size, row.mean, row.std) == (224, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_pictures_prepared_in_another_way_are_refused(hub):
    """A converter that does more than scale and shift cannot be a row."""
    hub(small_backbone(), Converter(power=2))
    with pytest.raises(ModelFileError, match="hub:small prepares its pictures by more than a mean"):
        find_preset("hub:small")


@pytest.mark.parametrize("output", ["map", "maps"])
def test_preset_computes_the_same_on_pixels(output, hub):
    """Our graph with the preset's weights gives the last feature map that KerasHub gives on converted pictures."""
    original, converter = small_backbone(output), Converter()
    hub(original, converter)
    model = zoo.backbone("hub:small")
    x = np.random.default_rng(0).uniform(0, 255, (2, *SHAPE)).astype("float32")
    expected = original(converter(x)) if output == "map" else original(converter(x))["a"]
    np.testing.assert_allclose(model(x), expected, atol=1e-5)
    assert not [layer.name for layer in model.layers if isinstance(layer, keras.Model)]


def test_random_backbone_draws_weights_of_its_own(hub):
    """`build` alone does not bring the preset's weights."""
    original = small_backbone()
    hub(original, Converter())
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, build(inputs, preset="small"))
    assert not np.array_equal(model.get_layer("conv1").kernel, original.get_layer("conv1").kernel)


def test_digest_is_that_of_the_weights(hub):
    """The same weights have the same SHA-256, others another: cached features depend on it."""
    original = small_backbone()
    hub(original, Converter())
    digests = [read_weights(find("hub:small"), "imagenet", None).sha256 for _ in range(2)]
    original.get_layer("conv2").bias.assign(np.ones(8))
    digests.append(read_weights(find("hub:small"), "imagenet", None).sha256)
    assert digests[0] == digests[1] != digests[2] and len(digests[0]) == 64


def test_preset_without_a_feature_map_is_refused(hub):
    """Tokens are not a feature map; the message says what was given and what is taken."""
    hub(small_backbone("tokens"), Converter())
    with pytest.raises(ModelFileError, match=r"hub:small gives \(None, 64, 8\) instead of a feature map"):
        find_preset("hub:small")


def test_unknown_preset_is_refused_in_one_line(hub):
    """The library's own words are cut to their first line, without the list that it announces; the nearest follow."""
    hub(small_backbone(), Converter())
    with pytest.raises(
        ModelFileError, match=r"^hub:smal cannot be loaded by KerasHub: Unknown preset identifier\. Nearest: small\.$"
    ):
        find_preset("hub:smal")


def test_layer_without_a_configuration_is_refused(hub):
    """A layer that cannot be made again cannot be copied, nor could a model with it be saved."""

    class Fixed(keras.layers.Layer):
        def __init__(self, *, factor):
            super().__init__()
            self.factor = factor

        def call(self, x):
            return x * self.factor

    inputs = keras.Input(SHAPE)
    hub(keras.Model(inputs, Fixed(factor=2.0)(inputs)), Converter())
    with pytest.raises(ModelFileError, match="layers that cannot be made again from their configuration"):
        build(keras.Input(SHAPE), preset="small")


def test_small_stem_is_refused(hub):
    """KerasHub's models have one stem; the message says so."""
    hub(small_backbone(), Converter())
    with pytest.raises(ConfigError, match="stem='small' is not to be had with hub:small"):
        build(keras.Input(SHAPE), preset="small", stem="small")


def test_names_of_weights_do_not_depend_on_what_was_built_before():
    """Variables without names, and twice the same name in one layer, are told apart by their place in the layer."""

    class Pair(keras.layers.Layer):
        def build(self, shape):
            self.free = [self.add_weight(shape=(1,)) for _ in range(2)]
            self.inner = [keras.layers.Dense(2), keras.layers.Dense(2)]
            for layer in self.inner:
                layer.build(shape)

        def call(self, x):
            return self.inner[1](self.inner[0](x)) + self.free[0] + self.free[1]

    for _ in range(2):
        inputs = keras.Input((2,))
        names = list(named_weights(keras.Model(inputs, Pair(name="pair")(inputs))))
        expected = {"variable", "variable_1", "kernel", "bias", "kernel_1", "bias_1"}
        assert len(names) == 6 and set(names) == {f"pair/{name}" for name in expected}


@pytest.fixture
def preset_folder(tmp_path):
    """Write a tiny residual network with its image converter as a preset of KerasHub."""
    keras_hub = pytest.importorskip("keras_hub")
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    backbone.save_to_preset(tmp_path)
    converter = keras_hub.layers.ResNetImageConverter(image_size=(64, 64), scale=1 / 127.5, offset=-1.0)
    converter.save_to_preset(tmp_path)
    return tmp_path


def test_preset_of_keras_hub_makes_the_round_trip(preset_folder):
    """A folder that KerasHub wrote gives, through our graph, what KerasHub computes from it."""
    keras_hub = pytest.importorskip("keras_hub")
    row = find_preset(f"hub:{preset_folder}")
    model = zoo.backbone(row.name)
    x = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    original = keras_hub.models.Backbone.from_preset(str(preset_folder))
    expected = np.asarray(original(keras_hub.layers.ImageConverter.from_preset(str(preset_folder))(x)))
    np.testing.assert_allclose(model(x), expected, atol=1e-4 * np.abs(expected).max())


def test_layers_of_keras_hub_compute_but_are_not_opened_again(tmp_path):
    """EfficientNet's blocks are KerasHub's own: its features are right, and a run with them is refused."""
    keras_hub = pytest.importorskip("keras_hub")
    stages = {"kernel_sizes": [3], "num_repeats": [2], "input_filters": [8], "output_filters": [8], "strides": [2]}
    stages |= {"expansion_ratios": [4], "squeeze_and_excite_ratios": [0.25], "block_types": ["unfused"]}
    original = keras_hub.models.EfficientNetBackbone(
        **{f"stackwise_{name}": value for name, value in stages.items()},
        width_coefficient=1.0,
        depth_coefficient=1.0,
        image_shape=(64, 64, 3),
    )
    original.save_to_preset(tmp_path)
    model = zoo.backbone(f"hub:{tmp_path}", input_shape=(64, 64, 3))
    x = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    expected = np.asarray(original(x))
    np.testing.assert_allclose(model(x), expected, atol=1e-4 * np.abs(expected).max())
    with pytest.raises(ModelFileError, match=r"MBConvBlock.* Take a backbone of Keras' own layers: hub: with a ResNet"):
        check_loadable(model, f"hub:{tmp_path}")
