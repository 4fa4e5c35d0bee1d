"""Files in the layout that keras.applications publishes give what Keras' own models give."""

import io

import h5py
import keras
import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError, ModelFileError
from zoo.families.applications.table import own_head

pytestmark = pytest.mark.keras
# One of each kind of file; those that take 3 s and more are opted in.
QUICK = ("mobilenet",)
SLOW = ("mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "efficientnet_v2_b0", "convnext_tiny", "resnet50_v2")
NAMES = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
STATISTICS = [np.array(values, "f4") for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]


def published(name, top, path):
    """Write the weights of Keras' model as Keras publishes them, and return the model as it computes on our pixels."""
    row = zoo.find(name)
    side = row.preprocessing.image_size if top else 96
    options = {"classes": 7} if top else {}
    function = getattr(keras.applications, row.arguments["function"])
    model = function(include_top=top, weights=None, input_shape=(side, side, 3), **options)
    rng, statistics = np.random.default_rng(0), None
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.set_weights([*STATISTICS, np.array(0)])
            statistics = layer
        else:
            arrays = [a + 0.05 * rng.random(a.shape, "f4") if a.ndim == 1 else a for a in layer.get_weights()]
            layer.set_weights(arrays)
    path.write_bytes(older_layout(model))
    if statistics:  # what compensates for them is in Keras' model with its own weights only
        return keras.Model(statistics.output, model.output)
    return model


def older_layout(model):
    """Return a model's weights in the layout from before Keras 3, a group for each layer of the model."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            weights = layer.trainable_weights + layer.non_trainable_weights
            paths = [f"{number}/{weight.name}:0" for number, weight in enumerate(weights)]
            group.attrs["weight_names"] = [path.encode() for path in paths]
            for path, weight in zip(paths, weights, strict=True):
                group[path] = np.asarray(weight)
    return buffer.getvalue()


def prepared(name, pictures):
    """Return pictures as Keras' model wants them, where that does not prepare them itself."""
    if name.startswith("efficientnet_b"):
        return (pictures / 255 - STATISTICS[0]) / STATISTICS[1]
    if name in ("mobilenet", "mobilenet_v2", "resnet50_v2"):
        return pictures / 127.5 - 1
    return pictures


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("top", [False, True])
def test_published_layout_gives_what_keras_gives(name, top, tmp_path):
    """With and without classifier, from pixels to the output; a classifier that is no head of ours is left out."""
    path = tmp_path / "weights.h5"
    theirs = published(name, top, path)
    if name == "convnext_tiny" and top:
        with pytest.raises(ModelFileError, match="none accepted. Take the file without top"):
            zoo.backbone(name, weights=path)
        return
    ours_too = top and own_head(zoo.find(name).arguments["function"]) is None
    shape = (96, 96, 3) if not top else None
    ours = (zoo.create if ours_too else zoo.backbone)(name, weights=path, input_shape=shape)
    if top and not ours_too:
        with pytest.raises(ConfigError, match="hold no classifier that fits"):
            zoo.create(name, weights=path)
        return
    pictures = np.random.default_rng(0).uniform(0, 255, (1, *ours.input_shape[1:])).astype("float32")
    expected = np.asarray(theirs(prepared(name, pictures).astype("float32")))
    np.testing.assert_allclose(ours(pictures), expected, atol=1e-4 * np.abs(expected).max())


def test_file_of_another_model_is_refused(tmp_path):
    """A file is not taken for a model with as many layers."""
    published("mobilenet", False, tmp_path / "weights.h5")
    with pytest.raises(ModelFileError, match=r"weights\.h5: "):
        zoo.backbone("mobilenet_v2", input_shape=(96, 96, 3), weights=tmp_path / "weights.h5")
