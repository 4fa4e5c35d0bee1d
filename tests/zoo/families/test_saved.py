"""Saved models of the user's as backbones: runs, models of the zoo, and anybody's .keras files."""

import json
from dataclasses import asdict

import keras
import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError, ModelFileError, RunStateError
from zoo.families.saved.table import is_path
from zoo.families.saved.weights import read_published
from zoo.head import activate, classifier, pool
from zoo.preprocessing import normalize
from zoo.spec import Preprocessing
from zoo.weights.sources import file_sha256

pytestmark = pytest.mark.keras
KL = keras.layers
SIDE = 32
PIXELS = Preprocessing(SIDE, (127.0, 126.0, 125.0), (128.0, 127.0, 126.0), "bilinear", 0.875)


def shake(model):
    """Give every weight a value of its own."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 0.5, weight.shape).astype("f4") for weight in model.weights])
    return model


def zoo_model(num_classes=3):
    """Make a small model as the zoo makes them, frozen as in a run."""
    inputs = keras.Input((SIDE, SIDE, 3), name="image")
    x = KL.Conv2D(4, 3, strides=2, use_bias=False, name="stem_conv")(normalize(inputs, PIXELS))
    x = KL.BatchNormalization(name="stem_bn", trainable=False)(x)
    features = KL.Conv2D(6, 3, activation="relu", name="stage1_conv", trainable=False)(x)
    logits = classifier(pool(features), num_classes, dropout=0.3)
    return shake(keras.Model(inputs, activate(logits, "softmax"), name="tiny"))


def foreign_model(*end):
    """Make a small model with names that Keras gives, and one that the zoo has for itself."""
    layers = [KL.Rescaling(1 / 255), KL.Normalization(), KL.Conv2D(4, 3), KL.Dropout(0.2, name="dropout")]
    end = end or (KL.Flatten(), KL.Dense(5), KL.Dense(2, "softmax"))
    model = shake(keras.Sequential([keras.Input((SIDE, SIDE, 3)), *layers, KL.Conv2D(6, 3, activation="relu"), *end]))
    model.layers[1].finalize_state()
    return model


@pytest.fixture
def run(tmp_path):
    """A directory with what a run leaves of its model."""
    folder = tmp_path / "run"
    folder.mkdir()
    zoo_model().save(folder / "model.keras")
    sha256 = file_sha256(folder / "model.keras")
    card = {"format": 1, "class_names": ["a", "b", "c"], "preprocessing": asdict(PIXELS), "model_sha256": sha256}
    (folder / "model.json").write_text(json.dumps(card))
    return folder


@pytest.fixture
def file(tmp_path):
    """A function that saves a model and returns its path as text."""

    def _file(model):
        model.save(tmp_path / "model.keras")
        return str(tmp_path / "model.keras")

    return _file


def pictures(side=SIDE):
    """Return random pictures."""
    return np.random.default_rng(1).uniform(0, 255, (2, side, side, 3)).astype("float32")


def feature_map(model, layer):
    """Return what a model's layer takes for the pictures."""
    return np.asarray(keras.Model(model.inputs[0], layer.input)(pictures()))


@pytest.mark.parametrize(("name", "answer"), [("a/b", True), ("m.keras", True), ("resnet18", False), ("m.h5", False)])
def test_paths_are_told_from_names(name, answer):
    """A slash or the ending makes a path."""
    assert is_path(name) is answer


def test_run_says_its_own_preprocessing(run):
    """The row of a run has the preprocessing of model.json, the hash of model.keras and the name of the model."""
    row = zoo.find(str(run))
    assert row.preprocessing == row.weights[0].preprocessing == PIXELS and row.dropout == 0.3
    assert row.weights[0].sha256 == file_sha256(run / "model.keras") and row.weights[0].num_classes == 3
    assert row.model_name == "tiny" and row.family == "saved"


def test_run_comes_back_whole(run):
    """Without a number of classes, a run's model is what it was."""
    model, expected = zoo.create(str(run)), zoo_model()
    np.testing.assert_allclose(model(pictures()), expected(pictures()), atol=1e-6)


def test_run_gets_a_new_head(run):
    """With another number of classes the backbone stays and the head is new."""
    model, expected = zoo.create(str(run), num_classes=5), zoo_model()
    assert model.output_shape == (None, 5)
    ours = feature_map(model, model.get_layer("pool"))
    np.testing.assert_allclose(ours, feature_map(expected, expected.get_layer("pool")), rtol=1e-5)


def test_backbone_of_a_run_has_stages_and_can_be_trained(run):
    """Names of stages are kept, nothing stays frozen, and other sizes of pictures are taken."""
    backbone = zoo.backbone(str(run), input_shape=(64, 64, 3))
    assert list(zoo.stage_outputs(backbone)) == ["stem", "stage1"] and backbone.name == "tiny_backbone"
    assert len(backbone.trainable_weights) == 5 and backbone.output_shape == (None, 29, 29, 6)


def test_parameters_are_those_with_1000_classes(run):
    """The row counts as the others do."""
    trained = sum(weight.shape.num_elements() for weight in zoo.backbone(str(run)).trainable_weights)
    assert zoo.find(str(run)).parameters == trained + 7 * 1000


def test_saved_model_of_the_zoo_says_mean_and_std(file):
    """A .keras file of the zoo is a backbone without model.json too."""
    path = file(zoo_model())
    found = zoo.find(path).preprocessing
    assert found.image_size == SIDE
    np.testing.assert_allclose((*found.mean, *found.std), (*PIXELS.mean, *PIXELS.std), rtol=1e-6)
    np.testing.assert_allclose(zoo.create(path)(pictures()), zoo_model()(pictures()), atol=1e-6)


def test_pixels_go_to_a_foreign_model_as_they_are(file):
    """Somebody's Sequential model is cut before Flatten; its own normalization and weights stay in it."""
    model = foreign_model()
    backbone = zoo.backbone(file(model))
    assert zoo.find(file(model)).preprocessing == Preprocessing(SIDE, (0.0,) * 3, (1.0,) * 3)
    np.testing.assert_allclose(backbone(pictures()), feature_map(model, model.layers[-3]), rtol=1e-5)


def test_foreign_model_with_a_new_head_can_be_saved(file, tmp_path):
    """Layers with names of the zoo's own head get others, so that both fit into one graph."""
    model = zoo.create(file(foreign_model()), num_classes=4)
    assert {"dropout", "dropout_inner"} <= {layer.name for layer in model.layers}
    model.save(tmp_path / "again.keras")
    np.testing.assert_allclose(zoo.create(str(tmp_path / "again.keras"))(pictures()), model(pictures()), atol=1e-6)


def test_feature_map_as_output_is_taken_whole(file):
    """A model that ends in a feature map is a backbone as it is, whatever it pools inside."""
    model = foreign_model(KL.Conv2D(3, 1))
    np.testing.assert_allclose(zoo.backbone(file(model))(pictures()), model(pictures()), rtol=1e-5)


def test_nested_models_are_taken_apart(file):
    """A model inside the model does not matter."""
    inner = keras.Sequential([keras.Input((SIDE, SIDE, 3)), KL.Conv2D(4, 3, name="inner_conv")], name="inner")
    model = shake(keras.Sequential([keras.Input((SIDE, SIDE, 3)), inner, KL.GlobalMaxPooling2D(), KL.Dense(2)]))
    backbone = zoo.backbone(file(model))
    assert backbone.get_layer("inner_conv").filters == 4
    np.testing.assert_allclose(backbone(pictures()), inner(pictures()), rtol=1e-5)


def around():
    """Make a model whose output also comes around the pooling."""
    inputs = keras.Input((SIDE, SIDE, 3))
    x = KL.Conv2D(4, 3)(inputs)
    scale = KL.Dense(4)(KL.GlobalAveragePooling2D()(x))
    x = KL.Reshape((-1,))(KL.Multiply()([x, scale]))
    return keras.Model(inputs, KL.Dense(2)(x))


def small(*layers, shape=(SIDE, SIDE, 3)):
    """Make a Sequential model."""
    return keras.Sequential([keras.Input(shape), *layers])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: small(KL.Dense(2), shape=(7,)), r"its input is \(None, 7\); accepted is a model of one input"),
        (lambda: small(KL.Conv2D(2, 3), shape=(SIDE, SIDE, 1)), r"its input is \(None, 32, 32, 1\)"),
        (lambda: small(KL.Conv2D(2, 3), KL.Reshape((-1,)), KL.Dense(2)), "no global pooling or Flatten"),
        (lambda: small(KL.GlobalAveragePooling2D(), KL.Dense(2), KL.Flatten()), "takes no feature map"),
        (around, "the output comes by other ways too"),
        (lambda: small(KL.Conv2D(2, 3), shape=(SIDE, 48, 3)), "takes pictures of 32 x 48; square ones accepted"),
    ],
    ids=["numbers", "grey", "reshaped", "flat", "around", "oblong"],
)
def test_models_that_are_no_backbone_are_refused_with_the_reason(file, make, message):
    """What cannot be cut is named with what is accepted."""
    with pytest.raises(ModelFileError, match=f"model.keras: .*{message}"):
        zoo.find(file(make()))


def test_nothing_at_the_path_is_a_config_error(tmp_path):
    """A mistyped path is answered with what was looked for."""
    with pytest.raises(ConfigError, match=r"'.*none': there is neither a run directory nor a \.keras file"):
        zoo.create(f"{tmp_path}/none")


def test_folder_without_a_run_is_refused(tmp_path):
    """A directory must hold a run."""
    with pytest.raises(RunStateError, match=r"model\.json: cannot be read .*name the directory of a run"):
        zoo.backbone(str(tmp_path))


def test_run_on_a_table_is_no_backbone(run):
    """A run that takes no pictures says so."""
    card = json.loads((run / "model.json").read_text())
    del card["preprocessing"]
    (run / "model.json").write_text(json.dumps(card))
    with pytest.raises(ModelFileError, match="is a run on something else than pictures"):
        zoo.find(str(run))


def test_run_with_another_model_is_refused(run):
    """A model.keras that is not the one of model.json gives no backbone."""
    zoo_model(num_classes=4).save(run / "model.keras")
    with pytest.raises(ModelFileError, match="is not the model that model.json describes"):
        zoo.backbone(str(run))


def test_unsafe_model_is_refused(file):
    """A Lambda is no layer for us, here either."""
    model = small(keras.layers.Lambda(abs), KL.GlobalAveragePooling2D())
    with pytest.raises(ModelFileError, match="Lambda, which would run code out of the file"):
        zoo.backbone(file(model))


def test_small_stem_is_refused(run):
    """A saved model has the stem it has."""
    with pytest.raises(ConfigError, match="stem='small' is not to be had"):
        zoo.backbone(str(run), stem="small", weights=None)


def test_pictures_that_the_layers_cannot_take_are_refused(file):
    """A layer that is made for one size says so as a fault of the shape that was asked for."""
    model = small(KL.Conv2D(2, 3), KL.Reshape((15, 60, 2)), KL.GlobalAveragePooling2D(), KL.Dense(2))
    with pytest.raises(ConfigError, match=r"cannot take pictures of shape \(64, 64, 3\)"):
        zoo.backbone(file(model), input_shape=(64, 64, 3), weights=None)


def test_arrays_have_the_names_of_the_graph(run):
    """What is read from a run fits its backbone one to one."""
    row = zoo.find(str(run))
    arrays = read_published(row, row.weights[0])
    assert {name.partition("/")[0] for name in arrays} == {"stem_conv", "stem_bn", "stage1_conv", "logits"}


def test_stages_of_keras_applications_survive_a_run(run):
    """A saved model that is called like one of keras.applications has its stages only where it has its layers."""
    inputs = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(inputs, KL.Conv2D(3, 3, name="stage1_conv")(inputs), name="mobilenet_v2")
    model.save(run / "other.keras")
    assert list(zoo.stage_outputs(zoo.backbone(str(run / "other.keras")))) == ["stage1"]
    zoo.backbone("mobilenet_v2", input_shape=(SIDE, SIDE, 3), weights=None).save(run / "mobile.keras")
    stages = zoo.stage_outputs(zoo.backbone(str(run / "mobile.keras"), weights=None))
    assert list(stages) == ["stage1", "stage2", "stage3", "stage4", "stage5"]
