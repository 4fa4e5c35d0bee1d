"""What a model is made of: hand-computed layers, published figures, and graphs of every shape."""

import json
import math
from dataclasses import dataclass
from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from zoo.description import Description, LayerRow, Window, describe, windows
from zoo.errors import ConfigError

pytestmark = pytest.mark.keras
IMAGE = (8, 8, 3)


def chain(shape: tuple, *parts: keras.Layer) -> keras.Model:
    """Return a Sequential model of `parts` on inputs of `shape`."""
    return keras.Sequential([keras.Input(shape), *parts])


def last_row(shape: tuple, *parts: keras.Layer) -> LayerRow:
    """Return the row of the last of `parts`."""
    return describe(chain(shape, *parts)).rows[-1]


WELL_KNOWN = ["VGG16", "ResNet50", "MobileNetV2", "densenet121", "efficientnet_lite0"]


@dataclass(frozen=True)
class Known:
    """What is kept of a model, which itself may be large: `layers` are (name, shape, parameters) as Keras has them.

    `sizes` are (name, output size by the formula, output size by Keras) of convolutions and the like.
    """

    description: Description
    layers: list[tuple]
    sizes: list[tuple]


def every_model() -> list:
    """Return the zoo's models as parameters; all but the first of a family, which differ in numbers alone, are slow."""
    first = {zoo.find(name).family: name for name in reversed(zoo.list_models())}
    return [pytest.param(n, marks=() if n in first.values() else pytest.mark.slow) for n in zoo.list_models()]


def vgg16() -> keras.Model:
    """Return VGG-16 with zeros in its large dense layers, for drawing a hundred million numbers takes seconds."""
    body = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
    x = layers.Flatten()(body.output)
    for units in (4096, 4096, 1000):
        x = layers.Dense(units, kernel_initializer="zeros")(x)
    return keras.Model(body.input, x)


@cache
def known(name: str) -> Known:
    """Return what there is to know of a model of Keras or of ours with random weights and 1000 classes."""
    if name == "VGG16":
        model = vgg16()
    elif name in zoo.list_models():
        model = zoo.create(name, weights=None)
    else:
        model = getattr(keras.applications, name)(weights=None)
    facts = [(layer.name, layer.output.shape[1:], layer.count_params()) for layer in model.layers]
    sizes = [
        (layer.name, tuple(map(Window.output_size, moves, layer.input.shape[1:3])), layer.output.shape[1:3])
        for layer in model.layers
        if (moves := windows(layer))
    ]
    return Known(describe(model), facts, sizes)


@pytest.mark.parametrize(
    ("window", "size", "expected"),
    [
        (Window(3), 5, 3),
        (Window(2, stride=2), 5, 2),
        (Window(11, stride=4), 227, 55),  # AlexNet's first layer
        (Window(7, stride=2, padding=6), 224, 112),  # the stem of ResNet
        (Window(3, stride=2, padding=None), 5, 3),
        (Window(3, dilation=2), 7, 3),
        (Window(1, padding=-3), 10, 7),
    ],
)
def test_output_size_follows_the_formula(window, size, expected):
    """floor((n + 2p - f_eff) / s) + 1, or ceil(n / s) where Keras pads."""
    assert window.output_size(size) == expected


@pytest.mark.parametrize("name", WELL_KNOWN[:3] + every_model())
def test_formula_and_keras_agree_on_every_layer(name):
    """Every convolution, pooling and padding of every model of the zoo has the size that the formula gives."""
    sizes = known(name).sizes
    assert len(sizes) >= 10
    assert [size for size in sizes if size[1] != size[2]] == []


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (layers.Conv1D, {"filters": 2, "kernel_size": 3, "dilation_rate": 3}),
        (layers.Conv2D, {"filters": 2, "kernel_size": (3, 4), "strides": (2, 3)}),
        (layers.Conv3D, {"filters": 2, "kernel_size": 2, "strides": 2}),
        (layers.DepthwiseConv1D, {"kernel_size": 4, "strides": 3}),
        (layers.DepthwiseConv2D, {"kernel_size": 3, "strides": 2}),
        (layers.SeparableConv1D, {"filters": 2, "kernel_size": 5, "strides": 2}),
        (layers.SeparableConv2D, {"filters": 2, "kernel_size": 3, "dilation_rate": 2}),
        (layers.MaxPooling1D, {"pool_size": 3}),
        (layers.MaxPooling2D, {"pool_size": 3, "strides": 2}),
        (layers.MaxPooling3D, {"pool_size": (1, 2, 3)}),
        (layers.AveragePooling1D, {"pool_size": 4, "strides": 1}),
        (layers.AveragePooling2D, {"pool_size": (2, 3), "strides": (3, 2)}),
        (layers.AveragePooling3D, {"pool_size": 2, "strides": 3}),
    ],
)
def test_formula_and_keras_agree_on_every_kind(kind, options, padding):
    """Kernels, strides and dilations of one, two and three axes give Keras' sizes."""
    rank = int(kind.__name__[-2])
    layer = kind(padding=padding, **options)
    output = layer(keras.Input((11, 10, 9)[:rank] + (3,)))
    sizes = tuple(move.output_size(n) for move, n in zip(windows(layer), (11, 10, 9), strict=False))
    assert sizes == output.shape[1:-1]


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (layers.ZeroPadding1D((1, 2)), (13,)),
        (layers.ZeroPadding2D(((1, 2), (3, 4))), (13, 17)),
        (layers.ZeroPadding3D(2), (14, 14, 14)),
        (layers.Cropping1D((1, 2)), (7,)),
        (layers.Cropping2D(((1, 2), (3, 4))), (7, 3)),
        (layers.Cropping3D(2), (6, 6, 6)),
    ],
)
def test_padding_and_cropping_move_a_window_of_one(layer, size):
    """What is added or cut stands in 2p, and the receptive field stays one pixel."""
    row = last_row((10,) * len(size) + (3,), layer)
    assert tuple(move.output_size(10) for move in windows(layer)) == size == row.output_shape[:-1]
    assert row.receptive_field == (1,) * len(size)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (layers.Conv1D(4, 3), (10, 2), 8 * 3 * 2 * 4),
        (layers.Conv1D(4, 3, padding="causal"), (10, 2), 10 * 3 * 2 * 4),
        (layers.Conv2D(4, (3, 2), strides=2), IMAGE, 3 * 4 * 3 * 2 * 3 * 4),
        (layers.Conv2D(6, 3, groups=3), IMAGE, 6 * 6 * 3 * 3 * 1 * 6),
        (layers.Conv2D(4, 3, data_format="channels_first"), (3, 8, 8), 6 * 6 * 3 * 3 * 3 * 4),
        (layers.Conv3D(2, 2), (4, 4, 4, 3), 3**3 * 2**3 * 3 * 2),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), IMAGE, 6 * 6 * 3 * 3 * 3 * 2),
        (layers.SeparableConv2D(5, 3, depth_multiplier=2), IMAGE, 6 * 6 * (3 * 3 * 6 + 6 * 5)),
        (layers.Conv2DTranspose(4, 3, strides=2), IMAGE, 8 * 8 * 3 * 3 * 3 * 4),
        (layers.Dense(5), (7,), 7 * 5),
        (layers.Dense(5), (10, 7), 10 * 7 * 5),
        (layers.SimpleRNN(5), (10, 7), 10 * (7 + 5) * 5),
        (layers.LSTM(5), (10, 7), 10 * 4 * (7 + 5) * 5),
        (layers.GRU(5), (10, 7), 10 * 3 * (7 + 5) * 5),
        (layers.Bidirectional(layers.LSTM(5)), (10, 7), 2 * 10 * 4 * (7 + 5) * 5),
    ],
)
def test_multiply_adds_by_hand(layer, shape, expected):
    """Places or steps, times kernel, times channels of a group, times filters."""
    assert last_row(shape, layer).multiply_adds == expected


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.BatchNormalization(), IMAGE),
        (layers.LayerNormalization(axis=(1, 2, 3)), IMAGE),
        (layers.PReLU(), IMAGE),
        (layers.Activation("gelu"), IMAGE),
        (layers.MaxPooling2D(3), IMAGE),
        (layers.GlobalAveragePooling2D(), IMAGE),
        (layers.Flatten(), IMAGE),
        (layers.Embedding(50, 8), (4,)),
    ],
)
def test_what_works_value_by_value_counts_as_nothing(layer, shape):
    """Neither normalisation nor pooling nor looking up has multiply-adds, whatever its weights."""
    assert last_row(shape, layer).multiply_adds == 0


@pytest.mark.parametrize(
    "layer",
    [
        layers.EinsumDense("abc,cd->abd", (4, 5)),
        layers.TimeDistributed(layers.Dense(2)),
        layers.RNN(layers.LSTMCell(2)),
    ],
)
def test_weights_without_a_rule_are_named_as_uncounted(layer):
    """A layer with matrices that the rules do not know has no number, and the totals say which one."""
    description = describe(chain((4, 3), layers.Conv1D(2, 1), layer))
    assert description.rows[-1].multiply_adds is None
    assert description.totals.uncounted == (layer.name,)
    assert description.totals.multiply_adds == 4 * 3 * 2


def test_products_without_weights_are_uncounted_and_end_the_field():
    """Products of tensors multiply much without having a weight, and mix places."""
    x = keras.Input((6, 6))
    rows = describe(keras.Model(x, [layers.Dot(1)([x, x]), keras.ops.matmul(x, x)])).rows[1:]
    assert [(row.multiply_adds, row.receptive_field) for row in rows] == [(None, None)] * 2


@pytest.mark.parametrize(
    "attention", [layers.Attention(), layers.MultiHeadAttention(2, 3), layers.GroupQueryAttention(3, 2, 1)]
)
def test_attention_sees_all_at_unknown_cost(attention):
    """Whatever kind of attention it is, every step looks at every step."""
    x = keras.Input((6, 6))
    taken = [[x, x]] if type(attention) is layers.Attention else [x, x]
    row = describe(keras.Model(x, attention(*taken))).rows[-1]
    assert (row.multiply_adds, row.receptive_field, row.sees_all) == (None, None, True)


FIELDS = {
    "3x3": ([layers.Conv2D(2, 3)], (3, 3), (1, 1)),
    "oblong": ([layers.Conv2D(2, (1, 5)), layers.Conv2D(2, (3, 1), strides=(2, 1))], (3, 5), (2, 1)),
    "stride then kernel": ([layers.Conv2D(2, 3, strides=2), layers.Conv2D(2, 3)], (7, 7), (2, 2)),
    "dilated": ([layers.Conv2D(2, 3, dilation_rate=2), layers.Conv2D(2, 3, dilation_rate=4)], (13, 13), (1, 1)),
    "pooled": ([layers.AveragePooling2D(2), layers.DepthwiseConv2D(3), layers.AveragePooling2D(3)], (10, 10), (6, 6)),
    "separable": ([layers.SeparableConv2D(2, 3), layers.SeparableConv2D(2, 5, strides=3)], (7, 7), (3, 3)),
    "cropped": ([layers.Cropping2D(2), layers.ReLU(), layers.Conv2D(2, 3)], (3, 3), (1, 1)),
    "pointwise": ([layers.Conv2D(2, 3), layers.Dense(4), layers.BatchNormalization()], (3, 3), (1, 1)),
}


@pytest.mark.parametrize("name", FIELDS)
def test_receptive_field_by_hand(name):
    """Each axis grows by (f_eff - 1) strides so far, and strides multiply."""
    parts, field, stride = FIELDS[name]
    row = last_row((31, 31, 1), *parts)
    assert (row.receptive_field, row.stride, row.sees_all) == (field, stride, False)


def touched(model: keras.Model) -> tuple[int, ...]:
    """Return the extent of the pixels that move the middle place of the output, by its gradient."""
    x = tf.ones((1, *model.input_shape[1:]))
    for layer in model.layers:  # positive weights, so that no two paths cancel
        layer.set_weights([np.full(w.shape, 0.5, w.dtype) for w in layer.weights])
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = model(x)
        middle = output[0, output.shape[1] // 2, output.shape[2] // 2, 0]
    places = np.argwhere(tape.gradient(middle, x)[0, ..., 0].numpy())
    return tuple((np.ptp(places, axis=0) + 1).tolist())


@pytest.mark.parametrize("name", FIELDS)
def test_receptive_field_is_where_the_gradient_reaches(name):
    """Exactly the pixels of the field move an output in the middle."""
    model = chain((31, 31, 1), *(type(part).from_config(part.get_config()) for part in FIELDS[name][0]))
    assert touched(model) == describe(model).rows[-1].receptive_field


def test_largest_branch_counts():
    """Where branches meet, the field is the largest on each axis, and the gradient says so too."""
    x = keras.Input((31, 31, 1))
    tall, wide = (layers.Conv2D(1, kernel, padding="same")(x) for kernel in ((7, 1), (3, 5)))
    model = keras.Model(x, layers.Conv2D(1, 3)(layers.Concatenate()([layers.Add()([tall, wide]), x])))
    assert describe(model).rows[-1].receptive_field == touched(model) == (9, 7)


def test_local_field_survives_squeeze_and_excitation():
    """A gate that saw the whole picture is told by `sees_all`, and the field of the gated path goes on."""
    x = keras.Input(IMAGE)
    local = layers.Conv2D(4, 3, name="local")(x)
    gate = layers.Conv2D(4, 1, name="gate")(layers.GlobalAveragePooling2D(keepdims=True)(local))
    rows = {row.name: row for row in describe(keras.Model(x, layers.Multiply(name="gated")([local, gate]))).rows}
    assert (rows["local"].receptive_field, rows["local"].sees_all) == ((3, 3), False)
    assert (rows["gate"].receptive_field, rows["gate"].sees_all) == (None, True)
    assert (rows["gated"].receptive_field, rows["gated"].sees_all) == ((3, 3), True)


@pytest.mark.parametrize(
    ("shape", "parts"),
    [
        (IMAGE, [layers.Conv2D(2, 3), layers.GlobalMaxPooling2D()]),
        (IMAGE, [layers.Flatten(), layers.Dense(2)]),
        ((6, 2), [layers.LSTM(3, return_sequences=True)]),
        ((6, 2), [layers.Bidirectional(layers.LSTM(3, return_sequences=True))]),
        ((6, 2), [layers.Bidirectional(layers.GRU(3)), layers.Dense(2)]),
    ],
)
def test_layer_without_places_sees_all(shape, parts):
    """Global pooling, recurrent layers and dense layers on flat values have no field, for they see everything."""
    row = last_row(shape, *parts)
    assert (row.receptive_field, row.stride, row.sees_all) == (None, None, True)


@pytest.mark.parametrize("layer", [layers.UpSampling2D(2), layers.Resizing(4, 4), layers.Permute((2, 1, 3))])
def test_path_that_is_not_understood_has_no_field(layer):
    """Rather no field than a wrong one, also where the path meets another."""
    x = keras.Input(IMAGE)
    odd = layer(x)
    other = layers.ZeroPadding2D(4)(x) if odd.shape[1] == 16 else layers.Conv2D(3, 9 - odd.shape[1])(x)
    rows = describe(keras.Model(x, layers.Add(name="met")([other, odd]))).rows
    assert [row.receptive_field for row in rows if row.name in (layer.name, "met")] == [None, None]


@pytest.mark.parametrize(
    ("name", "multiply_adds"),
    [
        ("VGG16", 15_470_264_320),
        ("ResNet50", 3_857_973_248),  # strides in the first 1x1 of a block; in the 3x3, as torchvision has it, 4.09 G
        ("MobileNetV2", 300_774_272),
        ("densenet121", 2_834_161_664),
        ("efficientnet_lite0", 385_187_552),
    ],
)
def test_well_known_models_have_their_published_cost(name, multiply_adds):
    """Multiply-adds at 224 pixels and 1000 classes round to what is published."""
    totals = known(name).description.totals
    assert (totals.multiply_adds, totals.uncounted) == (multiply_adds, ())


@pytest.mark.parametrize("name", WELL_KNOWN)
def test_rows_are_the_layers_as_keras_has_them(name):
    """Every layer has a row with its output's shape, bytes as float32, and its parameters; totals are their sums."""
    rows, totals = known(name).description.rows, known(name).description.totals
    assert sorted((row.name, row.output_shape, row.parameters) for row in rows) == sorted(known(name).layers)
    assert all(row.output_bytes == 4 * math.prod(row.output_shape) for row in rows)
    assert totals.parameters == sum(parameters for *_, parameters in known(name).layers)
    assert totals.weight_bytes == 4 * totals.parameters
    assert totals.activation_bytes == sum(row.output_bytes for row in rows)


def test_rows_stand_in_the_order_of_the_computation():
    """In a chain of layers the rows have its order."""
    vgg = known("VGG16")
    assert [row.name for row in vgg.description.rows] == [name for name, *_ in vgg.layers]


@pytest.mark.parametrize(
    ("name", "layer", "field"),
    [("VGG16", "block5_pool", 212), ("ResNet50", "conv5_block3_out", 483)],
)
def test_well_known_models_have_their_published_field(name, layer, field):
    """The table of Araujo et al. 2019; the field of VGG-16 is that after its last pooling."""
    rows = {row.name: row for row in known(name).description.rows}
    assert rows[layer].receptive_field == (field, field)
    assert rows[layer].stride == (32, 32)


@pytest.mark.parametrize(
    ("name", "field"), [("MobileNet", 315), pytest.param("InceptionV3", 1311, marks=pytest.mark.slow)]
)
def test_published_field_of_paddings_and_branches(name, field):
    """The same table, for padding in layers of its own and for branches with oblong kernels."""
    model = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(224, 224, 3))
    assert describe(model).rows[-1].receptive_field == (field, field)


def test_stages_come_from_names_like_ours():
    """Our names tell the stage; other names with underscores do not."""
    stages = list(dict.fromkeys(row.stage for row in known("efficientnet_lite0").description.rows))
    assert stages == ["", "stem", *(f"stage{number}" for number in range(1, 8)), "top"]
    assert {row.stage for row in known("VGG16").description.rows} == {""}


def test_frozen_weights_are_not_trainable_parameters():
    """Freezing a layer changes the trainable parameters alone."""
    model = chain((4,), layers.Dense(3, name="frozen"), layers.Dense(2))
    model.get_layer("frozen").trainable = False
    assert [(row.parameters, row.trainable_parameters) for row in describe(model).rows] == [(0, 0), (15, 0), (8, 8)]


def test_open_sizes_leave_parameters_and_field():
    """A model for pictures of any size has no cost, but parameters and fields."""
    description = describe(chain((None, None, 3), layers.Conv2D(4, 3, strides=2, name="conv"), layers.ReLU()))
    row = description.rows[-2]
    assert (row.output_shape, row.multiply_adds, row.output_bytes) == ((None, None, 4), None, None)
    assert (row.receptive_field, row.parameters) == ((3, 3), 112)
    assert description.totals.uncounted == ("conv",)


def test_nested_models_are_described_within():
    """Layers of inner models are rows under both names, with the field that the outer model gives them."""
    inner = chain((6, 6, 2), layers.Conv2D(2, 3, name="b"))
    inner.name = "inner"
    x = keras.Input(IMAGE)
    model = keras.Model(x, layers.Conv2D(1, 3, name="c")(inner(layers.Conv2D(2, 3, name="a")(x))))
    rows = describe(model).rows[1:]
    assert [(row.name, row.receptive_field) for row in rows] == [("a", (3, 3)), ("inner/b", (5, 5)), ("c", (7, 7))]
    assert sum(row.parameters for row in rows) == model.count_params()


def test_outputs_of_inner_models_keep_apart():
    """Of an inner model with two outputs, called twice, each output goes where it should."""
    y = keras.Input(IMAGE)
    inner = keras.Model(y, [layers.Conv2D(1, 3)(y), layers.Conv2D(1, 5)(y)], name="inner")
    first, second = keras.Input(IMAGE), keras.Input(IMAGE)
    three, _ = inner(layers.Conv2D(3, 3, padding="same")(first))
    _, five = inner(second)
    model = keras.Model([first, second], [layers.ReLU(name="three")(three), layers.ReLU(name="five")(five), five])
    rows = {row.name: row for row in describe(model).rows}
    assert (rows["three"].receptive_field, rows["five"].receptive_field) == ((5, 5), (5, 5))
    assert (rows["three"].output_shape, rows["five"].output_shape) == ((6, 6, 1), (4, 4, 1))
    assert describe(model).totals.parameters == model.count_params()


def test_inner_models_take_their_inputs_by_name():
    """Inputs given as a dictionary go where their names say, in whatever order they stand."""
    a, b = keras.Input(IMAGE, name="a"), keras.Input(IMAGE, name="b")
    inner = keras.Model({"a": a, "b": b}, [layers.ReLU(name="of_a")(a), layers.ReLU(name="of_b")(b)], name="inner")
    x = keras.Input(IMAGE)
    three, five = (layers.Conv2D(3, kernel, padding="same")(x) for kernel in (3, 5))
    rows = {row.name: row for row in describe(keras.Model(x, inner({"b": five, "a": three}))).rows}
    assert rows["inner/of_a"].receptive_field == (3, 3)
    assert rows["inner/of_b"].receptive_field == (5, 5)


def test_inner_model_without_a_graph_is_one_row():
    """A model written as Python code has parameters, and its cost is not known."""

    class Written(keras.Model):
        def __init__(self):
            super().__init__(name="written")
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    x = keras.Input((3,))
    description = describe(keras.Model(x, Written()(x)))
    assert (description.rows[-1].parameters, description.totals.uncounted) == (8, ("written",))


def test_shared_layer_is_counted_once():
    """A second call costs multiply-adds again, but has no further parameters."""
    x, shared = keras.Input((4,)), layers.Dense(4, name="shared")
    rows = describe(keras.Model(x, [shared(shared(x)), shared(x)])).rows[1:]
    assert [row.name for row in rows] == ["shared", "shared#2", "shared#3"]
    assert [(row.parameters, row.multiply_adds) for row in rows] == [(20, 16), (0, 16), (0, 16)]


def test_second_call_stands_after_what_it_takes():
    """The row of a shared layer's second call comes behind the layer in between, and has its field."""
    x, shared = keras.Input((20, 3)), layers.Conv1D(3, 3, name="shared")
    rows = describe(keras.Model(x, shared(layers.MaxPooling1D(2, name="between")(shared(x))))).rows[1:]
    assert [(row.name, row.receptive_field) for row in rows] == [
        ("shared", (3,)),
        ("between", (4,)),
        ("shared#2", (8,)),
    ]


def test_rows_are_of_this_model_alone():
    """Layers that other models use with other sizes, and a Sequential that grew, have the sizes of this model."""
    conv = layers.Conv2D(2, 3)
    chain((20, 20, 3), conv)
    model = chain(IMAGE, conv)
    model.add(layers.MaxPooling2D(2))
    assert [row.output_shape for row in describe(model).rows] == [(8, 8, 3), (6, 6, 2), (3, 3, 2)]


def test_functions_of_keras_ops_are_rows():
    """What is not a layer is described as well."""
    x = keras.Input(IMAGE)
    row = describe(keras.Model(x, keras.ops.relu(layers.Conv2D(2, 3)(x)))).rows[-1]
    assert (row.kind, row.receptive_field, row.multiply_adds) == ("Relu", (3, 3), 0)


def test_describing_leaves_the_model_as_it_is():
    """Neither configuration nor weights nor the names of later layers change."""
    model = chain(IMAGE, layers.Conv2D(2, 3, name="conv"))
    before, weights = model.to_json(), model.get_weights()
    describe(model)
    assert model.to_json() == before
    assert model.get_layer("conv").output.shape == (None, 6, 6, 2)
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))


def test_json_holds_plain_values():
    """What `as_json` gives survives JSON, with a row for each layer and the totals."""
    described = json.loads(json.dumps(describe(chain((4,), layers.Dense(2, name="dense"))).as_json()))
    assert described["rows"][-1] | {"stage": ""} == described["rows"][-1]
    assert (described["rows"][-1]["name"], described["totals"]["multiply_adds"]) == ("dense", 8)


@pytest.mark.parametrize("model", [keras.Sequential([layers.Dense(2)], name="unbuilt"), keras.Model(name="unbuilt")])
def test_model_without_a_graph_is_refused(model):
    """What has no inputs yet, or is Python code, is refused with the remedy."""
    with pytest.raises(ConfigError, match="'unbuilt' has no graph to describe: give it an Input"):
        describe(model)


def test_layer_without_configuration_is_refused():
    """A layer of the user's that cannot tell its settings is named."""

    class Secret(layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def call(self, x):
            return self.function(x)

    x = keras.Input((3,))
    with pytest.raises(ConfigError, match="cannot be described: Object Secret .* implement `get_config"):
        describe(keras.Model(x, Secret(lambda x: x)(x)))
