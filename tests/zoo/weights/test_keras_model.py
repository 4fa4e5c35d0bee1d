"""Models come out of .keras files as they were saved, or not at all."""

import copy
import io
import json
import random
import re
import resource
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras_files import (
    ARRAYS,
    BIAS,
    KERNEL,
    called,
    dense,
    entry,
    function,
    functional,
    hdf5,
    input_layer,
    keras_archive,
    output,
    sequential,
)

import zoo
from zoo.blocks import GroupedConv2D
from zoo.errors import ModelFileError
from zoo.filling import FillMissing
from zoo.weights.keras_limits import KerasLimits
from zoo.weights.keras_model import load_model
from zoo.weights.keras_names import ACTIVATIONS, APPLICATION_LAYERS, LAYERS, OBJECTS, OPERATIONS

pytestmark = pytest.mark.keras
KL = keras.layers


@pytest.fixture
def refuse(write):
    """Return the message with which a .keras file of these bytes is refused, having checked that it names the file."""

    def _refuse(data):
        path = write(data, "model.keras")
        with pytest.raises(ModelFileError) as caught:
            load_model(path)
        assert str(caught.value).startswith(f"{path}: ")
        return str(caught.value).removeprefix(f"{path}: ")

    return _refuse


@pytest.fixture
def cheap():
    """Check that what happens in the test takes less than 200 MB, TensorFlow's memory included."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def shake(model, seed=0):
    """Give every weight a value of its own, so that none is right by chance."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape).astype(variable.dtype))
    for layer in model.layers:
        if isinstance(layer, KL.Normalization) and layer.weights:
            layer.finalize_state()
    return model


def described(model):
    """A model's layers, without the numbers that tell which objects were shared in memory."""
    return re.sub(r', "shared_object_id": \d+', "", json.dumps(json.loads(model.to_json())["config"]))


def unnumbered(path):
    """Return a variable's path without the number that Keras counts through the process."""
    return re.sub(r"variable_\d+$", "variable", path)


def check_same(found, model):
    """Compare weights, names and description, and the answers to the same numbers."""
    assert described(found) == described(model)
    for ours, theirs in zip(found.weights, model.weights, strict=True):
        # a Normalization layer in a sequential model is built before the model, which is not yet in its path
        assert ours.dtype == theirs.dtype and unnumbered(theirs.path).endswith(unnumbered(ours.path))
        np.testing.assert_array_equal(ours, theirs)
    rng = np.random.default_rng(1)
    inputs = [rng.random((2, *(size or 5 for size in x.shape[1:])), "f4") for x in model.inputs]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    # told not to train, for layers that draw at random
    answers = [keras.tree.flatten(each(inputs, training=False)) for each in (found, model)]
    for ours, theirs in zip(*answers, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def saved(model, tmp_path):
    """Save a model and load it again, with our reader."""
    model.save(tmp_path / "model.keras")
    return load_model(tmp_path / "model.keras")


# Good files


def mlp():
    """A network over numbers that were measured first."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            KL.Normalization(),
            KL.Dense(5, "relu", kernel_regularizer="l2", bias_constraint="non_neg"),
            KL.Dropout(0.2, seed=3),
            KL.Dense(2, kernel_initializer=keras.initializers.Constant(0.1)),
        ]
    )
    model.layers[0].adapt(np.random.default_rng(0).random((50, 4)))
    return model


def bidirectional():
    """A recurrent network."""
    cell = KL.LSTM(4, return_sequences=True, dropout=0.1, recurrent_dropout=0.1)
    layers = [KL.Bidirectional(cell), KL.TimeDistributed(KL.Dense(3)), KL.GRU(2), KL.Dense(2, "softmax")]
    return keras.Sequential([keras.Input((None, 3)), *layers])


MODELS = {
    "efficientnet_lite0": lambda: zoo.create(
        "efficientnet_lite0", input_shape=(64, 64, 3), num_classes=3, weights=None
    ),
    "mlp": mlp,
    "bidirectional": bidirectional,
    "MobileNetV2": lambda: keras.applications.MobileNetV2(weights=None, input_shape=(64, 64, 3), classes=3),
    "ResNet50V2": lambda: keras.applications.ResNet50V2(weights=None, input_shape=(64, 64, 3), classes=3),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_models_come_back_bit_equal(make, tmp_path):
    """The zoo's, hand-made ones, and those of keras.applications."""
    model = make()
    check_same(saved(model, tmp_path), model)


def test_shared_and_nested_layers_come_back(tmp_path):
    """A layer and a model that are called twice, a model in a model, two inputs, and outputs by name."""
    left, right = keras.Input((3,), name="left"), keras.Input((3,), name="right")
    inside = keras.Input((4,))
    tower = keras.Model(inside, KL.Dense(4)(inside), name="tower")
    chain, shared = keras.Sequential([keras.Input((3,)), KL.Dense(4), tower], name="chain"), KL.Dense(3)
    first = chain(shared(shared(left)))
    outputs = {"sum": KL.Add()([first, chain(right)]), "scaled": first * 2.0 + 1.0}
    model = shake(keras.Model([left, right], outputs))
    found = saved(model, tmp_path)
    check_same(found, model)
    assert found(found.inputs).keys() == {"sum", "scaled"}


def test_model_in_a_wrapper_comes_back(tmp_path):
    """A whole network for every step of a series."""
    inner = keras.Sequential([keras.Input((4,)), KL.BatchNormalization(), KL.Dense(2)])
    model = shake(keras.Sequential([keras.Input((3, 4)), KL.TimeDistributed(inner)]))
    check_same(saved(model, tmp_path), model)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "float16", "float64"])
def test_precision_comes_back(policy, tmp_path):
    """With the numbers as they were; bfloat16 is stored in a way of its own."""
    layers = [KL.Dense(3, dtype=policy), KL.BatchNormalization(dtype=policy), KL.Dense(2, dtype="float32")]
    model = shake(keras.Sequential([keras.Input((4,)), *layers]))
    check_same(saved(model, tmp_path), model)


def test_our_grouped_convolution_comes_back(tmp_path):
    """The one class of our own."""
    model = shake(keras.Sequential([keras.Input((5, 5, 4)), GroupedConv2D(4, 3, groups=2)]))
    assert type(saved(model, tmp_path).layers[0]) is GroupedConv2D
    check_same(saved(model, tmp_path), model)


def test_model_of_a_table_comes_back(tmp_path):
    """Blanks are filled and texts of any letters looked up as before, from inputs by name."""
    numbers, text = keras.Input((2,), name="numbers"), keras.Input((1,), dtype="string", name="text")
    words = ["a", "b\nc", "d\xa0" + "e" * 2000]
    parts = [FillMissing([1.0, 2.0])(numbers), KL.StringLookup(vocabulary=words, output_mode="one_hot")(text)]
    inputs = {"numbers": numbers, "text": text}
    model = shake(keras.Model(inputs, KL.Dense(2)(KL.Concatenate()(parts))))
    found = saved(model, tmp_path)
    rows = {
        "numbers": keras.ops.convert_to_tensor([[np.nan, 3.0]] * 4),
        "text": keras.ops.convert_to_tensor([[word] for word in (*words, "f")]),
    }
    np.testing.assert_array_equal(found(rows), model(rows))


def test_trained_model_comes_back_uncompiled_and_can_go_on(tmp_path):
    """The optimizer's numbers are not even looked at."""
    x, y = np.random.default_rng(0).random((8, 4)), np.ones((8, 2))
    model = mlp()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(x, y, verbose=0)
    found = saved(model, tmp_path)
    assert not found.compiled
    check_same(found, model)
    found.compile("sgd", "mse")
    assert np.isfinite(found.fit(x, y, verbose=0).history["loss"][0])


def test_policy_of_the_caller_is_left_alone(tmp_path):
    """Neither used, nor changed."""
    model = mlp()
    model.save(tmp_path / "model.keras")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert load_model(tmp_path / "model.keras").compute_dtype == "float32"
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_saving_again_gives_the_same_arrays(tmp_path):
    """Keras reads what is saved after loading here."""
    model = shake(bidirectional())
    saved(model, tmp_path).save(tmp_path / "again.keras")
    check_same(load_model(tmp_path / "again.keras"), model)
    again = keras.saving.load_model(tmp_path / "again.keras")
    for ours, theirs in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


# The list


def rows():
    """Every listed layer of keras.layers: class, input shape, arguments."""
    for n in (1, 2, 3):
        shape, convolved = (4,) * n + (2,), {"filters": 2, "kernel_size": 2}
        yield from ((f"{kind}{n}D", shape, {}) for kind in ("GlobalMaxPooling", "GlobalAveragePooling"))
        yield from ((f"{kind}Pooling{n}D", shape, {"pool_size": 2}) for kind in ("Max", "Average"))
        yield from ((f"{kind}{n}D", shape, {}) for kind in ("Cropping", "ZeroPadding", "UpSampling"))
        yield from ((f"Conv{n}D{kind}", shape, convolved) for kind in ("", "Transpose"))
        yield f"SpatialDropout{n}D", shape, {"rate": 0.5}
        yield f"ConvLSTM{n}D", (3, *shape), convolved
        if n < 3:
            yield f"SeparableConv{n}D", shape, convolved
            yield f"DepthwiseConv{n}D", shape, {"kernel_size": 2}
    picture, series, numbers = (4, 4, 2), (4, 2), (4,)
    yield from ((kind, series, {"units": 2}) for kind in ("LSTM", "GRU", "SimpleRNN"))
    yield from (
        (kind, picture, {})
        for kind in "BatchNormalization LayerNormalization UnitNormalization RMSNormalization PReLU ReLU LeakyReLU ELU "
        "Softmax Flatten Identity RandomFlip ActivityRegularization".split()
    )
    yield from ((kind, picture, {"height": 2, "width": 3}) for kind in ("Resizing", "CenterCrop", "RandomCrop"))
    yield from ((kind, picture, {"factor": 0.2}) for kind in ("RandomRotation", "RandomContrast", "RandomBrightness"))
    yield from ((kind, numbers, {"rate": 0.5}) for kind in ("Dropout", "GaussianDropout", "AlphaDropout"))
    yield "RandomZoom", picture, {"height_factor": 0.2}
    yield "RandomTranslation", picture, {"height_factor": 0.2, "width_factor": 0.1}
    yield "GroupNormalization", picture, {"groups": 2}
    yield "Normalization", numbers, {}
    yield "Normalization", picture, {"mean": [1.0, 2.0], "variance": [1.0, 4.0]}
    yield "Rescaling", picture, {"scale": [0.5, 0.25], "offset": 1.0}
    yield "Dense", numbers, {"units": 3, "activation": "gelu"}
    yield "Embedding", numbers, {"input_dim": 7, "output_dim": 3}
    yield "Activation", numbers, {"activation": "relu6"}
    yield "GaussianNoise", numbers, {"stddev": 0.1}
    yield "Reshape", numbers, {"target_shape": (2, 2)}
    yield "RepeatVector", numbers, {"n": 2}
    yield "Permute", series, {"dims": (2, 1)}
    yield "Masking", series, {"mask_value": 1.0}
    yield "Bidirectional", series, {"layer": KL.GRU(2), "backward_layer": KL.GRU(3, go_backwards=True)}
    yield "TimeDistributed", series, {"layer": KL.Dense(3)}


MERGES = "Add Subtract Multiply Average Maximum Minimum Concatenate Dot".split()


def test_every_listed_layer_comes_back(tmp_path):
    """All side by side in one model: weights, settings and results."""
    listed = [(kind, shape, getattr(KL, kind)(**arguments)) for kind, shape, arguments in rows()]
    merges = [getattr(KL, kind)(**({"axes": 1} if kind == "Dot" else {})) for kind in MERGES]
    assert {kind for kind, _, _ in listed} | set(MERGES) | {"InputLayer"} == LAYERS
    inputs = {shape: keras.Input(shape) for shape in {shape for _, shape, _ in listed}}
    outputs = [layer(inputs[shape]) for _, shape, layer in listed]
    outputs += [layer([inputs[(4,)], outputs[[kind for kind, _, _ in listed].index("Dropout")]]) for layer in merges]
    model = shake(keras.Model(list(inputs.values()), outputs))
    check_same(saved(model, tmp_path), model)


def unpublished(name, module, **config):
    """A layer of a class that Keras keeps to itself."""
    return keras.saving.deserialize_keras_object(
        {"module": module.__module__, "class_name": name, "config": {"name": name, **config}, "registered_name": name}
    )


def test_layers_that_keras_keeps_to_itself_come_back(tmp_path):
    """Those of ConvNeXt and InceptionResNetV2, and functions of keras.ops."""
    x = keras.Input((4, 4, 2))
    convnext = keras.applications.ConvNeXtTiny
    layers = [
        unpublished("LayerScale", convnext, init_values=0.5, projection_dim=2),
        unpublished("StochasticDepth", convnext, drop_path_rate=0.5),
    ]
    scale = unpublished("CustomScaleLayer", keras.applications.InceptionResNetV2, scale=0.3)
    assert {type(layer).__name__ for layer in (*layers, scale)} == APPLICATION_LAYERS
    y = keras.ops.flip(scale([layers[0](x), layers[1](x)]), axis=-1)
    model = shake(keras.Model(x, ((1.0 - y) * 2.0 + x) / y))
    names = {type(operation).__name__ for operation in model.operations}
    assert names >= OPERATIONS
    check_same(saved(model, tmp_path), model)


def test_names_on_the_list_are_keras_own():
    """A name that Keras lacks would be a gap nobody guards."""
    for name in ACTIVATIONS:
        assert callable(keras.activations.get(name))
    for module, classes in OBJECTS.values():
        for name in classes:
            assert isinstance(getattr(getattr(keras, module.partition(".")[2]), name), type)


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.list_models())
def test_every_model_of_the_zoo_is_accepted(name, tmp_path):
    """At its smallest."""
    model = zoo.create(name, input_shape=(32, 32, 3), num_classes=2, weights=None)
    check_same(saved(model, tmp_path), model)


# Bad files

FUNCTION = function("get_file", "keras.utils")
UNSAFE = {
    "lambda": (entry("Lambda", "x", function={"class_name": "__lambda__", "config": {"value": "4w=="}}), "run code"),
    "lookup": (entry("StringLookup", "x", vocabulary="/etc/hostname"), "would read a file or an address"),
    "address": (entry("StringLookup", "x", vocabulary="https://evil.example/x"), "would read a file or an address"),
    "activation": (dense(name="x", activation=FUNCTION), "an object 'keras.utils.function.get_file'"),
    "initializer": (dense(name="x", bias_initializer=FUNCTION), "an object 'keras.utils.function.get_file'"),
    "module": (entry("Popen", "x", "subprocess"), "'subprocess.Popen'"),
}


@pytest.mark.parametrize(("layer", "reason"), UNSAFE.values(), ids=UNSAFE)
def test_unsafe_models_touch_nothing(refuse, layer, reason, tmp_path, monkeypatch):
    """No file but the model's is opened, no address is asked, and Keras' own reader is not tried."""
    monkeypatch.setattr(keras.saving, "load_model", None)
    events, watching = [], [True]
    sys.addaudithook(lambda name, args: events.append((name, args[0])) if watching and name in SEEN else None)
    message = refuse(keras_archive(sequential(input_layer(2), layer, dense())))
    watching.clear()
    assert reason in message
    assert [str(path) for name, path in events if str(path) != str(tmp_path / "model.keras")] == []


SEEN = {"open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "import"}
NAN, INF = np.array([0, np.nan, 1], "f4"), np.array([[0, 1, 2], [3, np.inf, np.nan]], "f4")
FAULTY = {
    "NaN": ({BIAS: NAN}, "variable 'mlp/dense/bias' ('layers/dense/vars/1') holds 1 numbers that are not finite, "),
    "inf": ({KERNEL: INF}, "'mlp/dense/kernel' ('layers/dense/vars/0') holds 2 numbers that are not finite, the first"),
    "shape": ({BIAS: np.ones(4, "f4")}, "1 of another shape ('layers/dense/vars/1 (4,) for mlp/dense/bias (3,)')"),
    "order of axes": ({KERNEL: np.ones((3, 2), "f4")}, "'layers/dense/vars/0 (3, 2) for mlp/dense/kernel (2, 3)'"),
    "dtype": ({BIAS: np.ones(3, "f8")}, "1 of another kind ('layers/dense/vars/1 F64 for mlp/dense/bias float32')"),
    "integers": ({BIAS: np.ones(3, "i4")}, "1 of another kind ('layers/dense/vars/1 I32 for mlp/dense/bias float32')"),
    "one more": ({"layers/dense/vars/2": np.ones(3, "f4")}, "1 not known ('layers/dense/vars/2')"),
    "own variables": ({"vars/0": np.ones(3, "f4")}, "1 not known ('vars/0')"),
}


@pytest.mark.parametrize(("arrays", "reason"), FAULTY.values(), ids=FAULTY)
def test_arrays_that_do_not_fit_are_named(refuse, arrays, reason):
    """By variable and by place in the file."""
    assert reason in refuse(keras_archive(weights=hdf5(ARRAYS | arrays)))


def test_missing_arrays_are_named(refuse):
    """With what they are for."""
    reason = "1 missing ('layers/dense/vars/1 for mlp/dense/bias')"
    assert reason in refuse(keras_archive(weights=hdf5({KERNEL: ARRAYS[KERNEL]})))


def test_group_in_place_of_an_array_is_refused(refuse):
    """It counts as missing; what is in it is not known."""
    message = refuse(keras_archive(weights=hdf5({KERNEL: ARRAYS[KERNEL], f"{BIAS}/0": ARRAYS[BIAS]})))
    assert "1 missing ('layers/dense/vars/1 for mlp/dense/bias'); 1 not known ('layers/dense/vars/1/0')" in message


@pytest.mark.parametrize("change", ["soft", "external"])
def test_links_in_place_of_an_array_are_refused(refuse, change):
    """Even one to an array of the right shape."""

    def link(file):
        del file[BIAS]
        file[BIAS] = h5py.SoftLink(f"/{KERNEL}") if change == "soft" else h5py.ExternalLink("other.h5", "x")

    assert ("a SoftLink" if change == "soft" else "an ExternalLink") in refuse(keras_archive(weights=hdf5(change=link)))


@pytest.mark.parametrize("count", [10**12, 9 * 10**8], ids=["4 TB", "3.6 GB"])
def test_huge_arrays_are_refused_by_their_shape(refuse, cheap, count):
    """Promised by the file: nothing is read. Keras' own limit lies above the second."""

    def grow(file):
        del file[BIAS]
        file.create_dataset(BIAS, (count,), "f4", chunks=(2**20,), compression="gzip")

    assert "is compressed" in refuse(keras_archive(weights=hdf5(change=grow)))


@pytest.mark.parametrize("units", [10**12, 9 * 10**8, 2**62], ids=["4 TB", "3.6 GB", "2**62"])
def test_huge_models_are_refused_by_their_arrays(refuse, cheap, units):
    """Promised by config.json: no variable gets memory before its array was compared."""
    assert f"mlp/dense/bias ({units},)" in refuse(keras_archive(sequential(input_layer(2), dense(units))))


def test_refused_models_leave_nothing_behind(refuse, cheap):
    """Keras gives memory to variables that wait for it whenever a stateless scope ends."""
    refuse(keras_archive(sequential(input_layer(2), dense(9 * 10**8))))
    with keras.StatelessScope():
        pass


SENSELESS = {
    "negative": (dense(-3), "layer 'dense' (Dense)"),
    "text": (dense("many"), "layer 'dense' (Dense)"),
    "unknown setting": (dense(evil=1), "layer 'dense' (Dense)"),
    "axis": (entry("BatchNormalization", "x", axis=7), "model 'mlp'"),
    "rank": (entry("Conv2D", "x", filters=1, kernel_size=1), "model 'mlp'"),
    "initializer": (
        dense(bias_initializer={**entry("Constant", "x", "keras.initializers"), "config": {"value": "x"}}),
        "mlp",
    ),
    "mean": (
        {**entry("Normalization", "x", axis=-1, mean=[1, 2, 3]), "build_config": {"input_shape": [None, 2]}},
        "'x'",
    ),
}


@pytest.mark.parametrize(("layer", "place"), SENSELESS.values(), ids=SENSELESS)
def test_senseless_settings_are_refused_by_layer(refuse, layer, place):
    """Whatever Keras answers to them."""
    message = refuse(keras_archive(sequential(input_layer(2), layer)))
    assert f"{place}" in message and "cannot be built as its config.json describes it" in message


def test_output_that_a_layer_does_not_have_is_refused(refuse):
    """Its number is known only when the layer is there."""
    config = functional(called(input_layer(2)), called(dense(), [output("in", 0, 5)]))
    assert "layer 'dense' (Dense): refers to output 5 of the layer 'in'" in refuse(keras_archive(config))


def test_chain_that_is_too_long_for_keras_is_refused(refuse):
    """Keras follows it by recursion."""
    layers = [entry("Identity", f"same{number}") for number in range(1200)]
    assert "more often than Keras can handle" in refuse(keras_archive(sequential(input_layer(2), *layers)))


def test_limits_are_the_caller_s(write):
    """Each can be raised or lowered."""
    path = write(keras_archive(), "model.keras")
    assert load_model(path, limits=KerasLimits(layers=3)).output_shape == (None, 3)
    with pytest.raises(ModelFileError, match="layers of the model: 3; at most 2 accepted"):
        load_model(path, limits=KerasLimits(layers=2))


# Any file


def places(value, path=()):
    """All places in a JSON value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


VALUES = (None, -1, 0, 2, 2**40, 1e300, "relu", "in", "", [], [1], [None, 2], [[]], {}, True, output("in"), dense())


def mutated(config, rng):
    """A config with a value or two replaced, left out or moved."""
    config = copy.deepcopy(config)
    for _ in range(rng.choice((1, 1, 2))):
        *path, key = rng.choice(list(places(config)))
        parent = config
        for step in path:
            parent = parent[step]
        if rng.random() < 0.2:
            del parent[key]
        else:
            parent[key] = copy.deepcopy(rng.choice(VALUES))
    return config


@pytest.mark.parametrize("kind", ["config", "weights", "archive"])
def test_mutated_files_load_or_are_refused(write, tmp_path, kind):
    """Any other exception is a defect."""
    model = bidirectional()
    model.save(tmp_path / "good.keras")
    good = (tmp_path / "good.keras").read_bytes()
    with zipfile.ZipFile(io.BytesIO(good)) as file:
        config, weights = json.loads(file.read("config.json")), file.read("model.weights.h5")
    rng, loaded = random.Random(0), 0
    for _ in range(100):
        if kind == "config":
            data = keras_archive(mutated(config, rng), weights, keras.__version__)
        else:
            data = bytearray(weights if kind == "weights" else good)
            for at in rng.sample([at for at, byte in enumerate(data) if byte], 2):
                data[at] = rng.choice((0, 1, 255, rng.randrange(256)))
            data = keras_archive(config, bytes(data), keras.__version__) if kind == "weights" else bytes(data)
        try:
            loaded += isinstance(load_model(write(data, "bad.keras")), keras.Model)
        except ModelFileError:
            pass
    assert loaded < 100
