"""A model's config.json is held against a list, and whatever is not on it is refused by name."""

import pytest
from keras_files import MLP, called, dense, entry, function, functional, input_layer, output, sequential

from zoo.weights.keras_calls import Output
from zoo.weights.keras_config import read_config
from zoo.weights.keras_limits import KerasLimits
from zoo.weights.weight_file import Refused

LAMBDA = entry("Lambda", "bad", function={"class_name": "__lambda__", "config": {"value": "4wEAAAA="}})
GET_FILE = function("get_file", "keras.utils")
RELU = entry("ReLU", "relu")


def refusal(config, limits=None):
    """Why a config is refused."""
    with pytest.raises(Refused) as caught:
        read_config(config, limits or KerasLimits())
    return caught.value.found


def within(layer):
    """A sequential model with this layer between others."""
    return sequential(input_layer(2), layer, dense(name="last"))


def initializer(name="Zeros", module="keras.initializers", registered=None, **config):
    """An initializer, or what stands in its place."""
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


# Good configs


def test_sequential_model_is_read():
    """With its layers in order."""
    network = read_config(MLP, KerasLimits())
    assert (network.kind, network.name) == ("Sequential", "mlp")
    assert [(layer.name, layer.kind) for layer in network.layers] == [("in", "InputLayer"), ("dense", "Dense")]
    assert network.layers[1].config == {"name": "dense", "units": 3}


def test_functional_model_is_read():
    """With its calls in an order in which each finds what it needs, whatever the order of the layers."""
    late, early = called(dense(), [output("relu")]), called(RELU, [output("in")])
    network = read_config(functional(late, called(input_layer(2)), early), KerasLimits())
    assert network.order == ((2, 0), (0, 0))
    assert (network.inputs, network.outputs) == (Output("in", 0, 0), Output("dense", 0, 0))
    assert network.layers[0].calls[0].args == (Output("relu", 0, 0),)


def test_policies_become_their_names():
    """A dtype is a name or a policy, which has one."""
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}
    network = read_config(within(dense(dtype=policy)), KerasLimits())
    assert network.layers[1].config["dtype"] == "mixed_bfloat16"


def test_objects_are_made_anew():
    """What Keras gets holds nothing but what was checked."""
    given = {**initializer("VarianceScaling", scale=2.0), "shared_object_id": 7, "build_config": {"x": GET_FILE}}
    network = read_config(within(dense(kernel_initializer=given)), KerasLimits())
    assert network.layers[1].config["kernel_initializer"] == initializer("VarianceScaling", scale=2.0)


def test_nested_and_wrapped_layers_are_read():
    """Each by the same rules."""
    wrapped = entry("Bidirectional", "both", layer=entry("LSTM", "lstm", units=2))
    wrapper = read_config(within(within(wrapped)), KerasLimits()).layers[1].layers[1]
    assert (wrapper.kind, wrapper.inner["layer"].kind, dict(wrapper.config)) == (
        "Bidirectional",
        "LSTM",
        {"name": "both"},
    )


def test_our_own_layer_is_known():
    """By module and registered name, both."""
    ours = {**entry("GroupedConv2D", "conv", "zoo.blocks"), "registered_name": "zoo>GroupedConv2D"}
    assert read_config(within(ours), KerasLimits()).layers[1].kind == "GroupedConv2D"


def test_compile_config_of_keras_is_no_fault():
    """It is looked at and left out."""
    optimizer = {
        "module": "keras.optimizers",
        "class_name": "Adam",
        "config": {"name": "adam"},
        "registered_name": None,
    }
    losses = ["mse", function("mean_squared_error", "builtins"), entry("MeanSquaredError", "m", "keras.losses")]
    config = {**MLP, "compile_config": {"optimizer": optimizer, "loss": losses, "metrics": [["accuracy"]]}}
    assert read_config(config, KerasLimits()) == read_config(MLP, KerasLimits())


# Code and files

CODE = {
    "top level": sequential(input_layer(2), LAMBDA),
    "functional": functional(called(input_layer(2)), called(LAMBDA, [output("in")]), outputs=["bad", 0, 0]),
    "nested": within(within(LAMBDA)),
    "time distributed": within(entry("TimeDistributed", "wrapper", layer=LAMBDA)),
    "bidirectional": within(entry("Bidirectional", "wrapper", layer=LAMBDA)),
    "backward layer": within(
        entry("Bidirectional", "wrapper", layer=entry("LSTM", "lstm", units=1), backward_layer=LAMBDA)
    ),
    "the model itself": LAMBDA,
}


@pytest.mark.parametrize("config", CODE.values(), ids=CODE)
def test_lambda_is_refused_wherever_it_stands(config):
    """Keras' safe mode refuses it too, as long as it is called so."""
    assert refusal(config) == "holds a layer of class Lambda, which would run code out of the file"


@pytest.mark.parametrize("kind", ["TFSMLayer", "TorchModuleWrapper", "JaxLayer"])
def test_layers_that_load_programs_are_refused(kind):
    """A SavedModel is a program."""
    assert f"layer of class {kind}, which would run code" in refusal(within(entry(kind, "x", filepath="/tmp/x")))


@pytest.mark.parametrize("kind", ["StringLookup", "IntegerLookup", "TextVectorization"])
@pytest.mark.parametrize("vocabulary", ["/etc/passwd", "https://evil.example/words.txt"])
def test_layers_that_read_vocabularies_are_refused(kind, vocabulary):
    """Keras opens the path, or fetches the address, while the layer is made."""
    found = refusal(within(entry(kind, "x", vocabulary=vocabulary)))
    assert found == f"holds a layer of class {kind}, which would read a file or an address that it names"


def test_lookup_of_listed_words_is_read():
    """A table's texts stand in the file itself: nothing is opened."""
    layer = entry("StringLookup", "x", vocabulary=["a", "b\n"], output_mode="one_hot", num_oov_indices=1)
    assert read_config(within(layer), KerasLimits()).layers[1].config["vocabulary"] == ["a", "b\n"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("num_oov_indices", 2**40), ("num_oov_indices", True), ("max_tokens", 5), ("idf_weights", "/etc/passwd")],
)
def test_lookup_with_other_settings_is_refused(setting, value):
    """Some of them make Keras take memory by a number in the file."""
    found = refusal(within(entry("StringLookup", "x", vocabulary=["a"], **{setting: value})))
    assert found.startswith(f"layer 'x' (StringLookup) has {setting} = ")


@pytest.mark.parametrize("kind", ["IntegerLookup", "TextVectorization"])
def test_other_lookups_are_refused_with_words_too(kind):
    """No run of ours has them."""
    assert f"layer of class {kind}, which would read" in refusal(within(entry(kind, "x", vocabulary=["a"])))


FUNCTIONS = {
    "activation": ("activation", GET_FILE, "an object 'keras.utils.function.get_file'"),
    "activation by path": ("activation", "keras.utils.get_file", "'keras.utils.get_file'"),
    "activation of another kind": ("activation", ["relu"], """"['relu']\""""),
    "recurrent activation": ("recurrent_activation", "os.system", "'os.system'"),
    "layer as activation": ("activation", RELU, "an object 'keras.layers.ReLU'"),
    "initializer": ("kernel_initializer", GET_FILE, "an object 'keras.utils.function.get_file'"),
    "initializer by name": ("bias_initializer", "zeros", "'zeros'"),
    "initializer of elsewhere": ("kernel_initializer", initializer(module="os"), "an object 'os.Zeros'"),
    "unknown initializer": ("kernel_initializer", initializer("STFT"), "an object 'keras.initializers.STFT'"),
    "registered": ("kernel_initializer", initializer(registered="evil>Zeros"), "an object 'keras.initializers.Zeros'"),
    "object in an initializer": ("kernel_initializer", initializer(value=GET_FILE), "get_file'; numbers, texts"),
    "regularizer": ("kernel_regularizer", initializer(module="keras.regularizers"), "'keras.regularizers.Zeros'"),
    "constraint": ("bias_constraint", function("get_file", "builtins"), "an object 'builtins.function.get_file'"),
    "plain setting": ("units", GET_FILE, "an object 'keras.utils.function.get_file'; numbers, texts"),
    "in a list": ("units", [[GET_FILE]], "an object 'keras.utils.function.get_file'; numbers, texts"),
    "dtype": ("dtype", entry("QuantizedDTypePolicy", "x", "keras"), "an object 'keras.QuantizedDTypePolicy'"),
    "name of a dtype": ("dtype", "string", "'string'; accepted are bfloat16"),
}


@pytest.mark.parametrize(("setting", "value", "reason"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions_and_objects_out_of_place_are_refused(setting, value, reason):
    """Keras loads some of them, and calls them when the model is used."""
    found = refusal(within(dense(**{setting: value})))
    assert found.startswith(f"layer 'dense' has the setting '{setting}' = ") and reason in found


COMPILED = {
    "lambda": {"loss": {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}},
    "layer": {"loss": LAMBDA},
    "function of Keras": {"loss": GET_FILE},
    "loss": {"loss": function("eval", "builtins")},
    "metric": {"metrics": [[{"a": function("get_file", "keras.metrics")}]]},
    "registered": {"loss": {**function("mean_squared_error", "builtins"), "registered_name": "evil>mse"}},
    "class of elsewhere": {"optimizer": entry("Popen", "x", "subprocess")},
    "inside an optimizer": {"optimizer": entry("Adam", "x", "keras.optimizers", learning_rate=GET_FILE)},
}


@pytest.mark.parametrize("config", COMPILED.values(), ids=COMPILED)
@pytest.mark.parametrize("nested", [False, True])
def test_what_is_not_keras_is_refused_in_compile_config(config, nested):
    """Though nothing of it is ever built: the file asks for it."""
    model = {**MLP, "compile_config": config}
    assert "its compile_config holds" in refusal(within(model) if nested else model)


# Names out of place

ENTRIES = {
    "unknown class": (entry("Evil", "x"), "holds a layer of class 'keras.layers.Evil'"),
    "unaccepted class": (entry("MultiHeadAttention", "x"), "'keras.layers.MultiHeadAttention'"),
    "module": (entry("Dense", "x", "os"), "holds a layer of class 'os.Dense'"),
    "longer module": (entry("Dense", "x", "keras.layers.evil"), "'keras.layers.evil.Dense'"),
    "registered": ({**dense(), "registered_name": "evil>Dense"}, "'keras.layers.Dense, registered as evil>Dense'"),
    "ours elsewhere": ({**entry("GroupedConv2D", "x"), "registered_name": "zoo>GroupedConv2D"}, "GroupedConv2D"),
    "operation elsewhere": (entry("TrueDivide", "x", "evil.ops.numpy"), "'evil.ops.numpy.TrueDivide'"),
    "application elsewhere": (entry("LayerScale", "x", "evil.applications.x"), "'evil.applications.x.LayerScale'"),
    "no dict": ("Dense", "something else where a layer or a model is expected"),
    "class that is none": ({**dense(), "class_name": ["Dense"]}, "something else where a layer"),
    "unknown key": ({**dense(), "loader": "os"}, "has an entry 'loader', which Keras does not write"),
    "no name": (entry("Dense", None), "lacks a name or its settings"),
    "config that is none": ({**dense(), "config": "x"}, "lacks a name or its settings"),
    "two names": ({**dense(), "name": "other"}, "layer 'dense' is called 'other' too"),
    "calls": ({**dense(), "inbound_nodes": {}}, "the calls of layer 'dense' are no list"),
    "state": (entry("LSTM", "x", units=1, stateful=True), "the setting 'stateful' on"),
    "adapter": (dense(lora_rank=4), "the setting 'lora_rank' on"),
    "doubling": (entry("Bidirectional", "b", layer=entry("Bidirectional", "c", layer=RELU)), "wraps something else"),
    "Normalization": (entry("Normalization", "x", axis=-1), "does not say what shape it was built with"),
    "no layers": (sequential(), "has no list of layers"),
    "unbuilt": (sequential(dense()), "was saved before it knew the shape of its input"),
    "same names": (sequential(input_layer(2), dense(), dense()), "two layers of model 'mlp' are called 'dense'"),
}


@pytest.mark.parametrize(("layer", "reason"), ENTRIES.values(), ids=ENTRIES)
def test_odd_entries_are_refused(layer, reason):
    """By what is wrong with them."""
    assert reason in refusal(within(layer))


def test_normalization_of_too_many_numbers_is_refused():
    """Keras would make them before the file's could be compared."""
    layer = {**entry("Normalization", "x", axis=[1, -1]), "build_config": {"input_shape": [None, 2**12, 9, 2**12]}}
    assert "numbers of layer 'x' (Normalization): 16777216; at most 1048576 accepted" in refusal(within(layer))


def test_layer_alone_is_no_model():
    """Nor is a wrapper."""
    assert refusal(dense()) == "its config.json describes a layer (Dense), not a model"


# Graphs


def net(*layers, **more):
    """A functional model around these layers."""
    return functional(called(input_layer(2)), *layers, **more)


BEFORE, AFTER = called(RELU, [output("dense")]), called(dense(), [output("relu")])
GRAPHS = {
    "circle": (net(BEFORE, AFTER), "the calls of its layers go round in a circle, 'relu' among them"),
    "itself": (net(called(dense(), [output("dense")])), "go round in a circle"),
    "unknown layer": (
        net(called(dense(), [output("x")])),
        "'dense' refers to call 0 of the layer 'x', which is not there",
    ),
    "unknown call": (net(called(dense(), [output("in", 1)])), "refers to call 1 of the layer 'in', which is not there"),
    "negative": (net(called(dense(), [output("in", -1)])), "refers to an output by"),
    "no input": (net(called(dense(), [3.0])), "is called on no output of another layer"),
    "text": (net(called(dense(), [output("in"), "x"])), "is called on something that is neither"),
    "function": (net(called(dense(), [output("in"), GET_FILE])), "is called on something that is neither"),
    "argument": (net(called(dense(), [output("in")], evil=1)), "is called with 'evil'; training, mask"),
    "called input": (functional(called(input_layer(2), [output("dense")])), "the input layer 'in' is called"),
    "list call": (net({**dense(), "inbound_nodes": [[["in", 0, 0]]]}), "not described by args and kwargs"),
    "outputs": (net(called(dense(), [output("in")]), outputs="dense"), "refers to an output by 'dense'"),
    "no outputs": (net(called(dense(), [output("in")]), outputs=[]), "names no output"),
    "trainable": (net(called(dense(), [output("in")]), trainable="yes"), "'yes'; true or false expected"),
    "inputs": (net(called(dense(), [output("in")]), input_layers=["dense", 0, 0]), "an input that is no InputLayer"),
}


@pytest.mark.parametrize(("config", "reason"), GRAPHS.values(), ids=GRAPHS)
def test_impossible_graphs_are_refused(config, reason):
    """Before a layer is built."""
    assert reason in refusal(config)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (KerasLimits(layers=3), "layers of the model: 4; at most 3 accepted"),
        (KerasLimits(references=3), "references to outputs of layers: 4; at most 3 accepted"),
    ],
)
def test_limits_are_kept(limits, reason):
    """A model of three layers, called once each."""
    config = net(called(RELU, [output("in")]), called(dense(), [output("relu")]))
    assert reason in refusal(config, limits)


def test_calls_are_counted():
    """Of one layer as of many."""
    config = net(called(dense(), *[[output("in")]] * 1501))
    assert "calls of layers: 1501; at most 1500 accepted" in refusal(config)
