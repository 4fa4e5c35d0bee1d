"""Networks trained from random weights on the pictures themselves: decoded once, augmented, mixed, repeatable."""

import io

import keras
import numpy as np
import pytest
from PIL import Image
from small_pictures import make_pictures

import finetune
from finetune.config import make_config
from finetune.data.targets import Target
from finetune.kinds import scratch
from finetune.report.sheet import contact_sheet
from finetune.training.augmentation import LEVELS, augmented, layers
from finetune.training.mixing import Mixing
from zoo.errors import ConfigError

pytestmark = pytest.mark.keras
PICTURES = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3)).astype("float32")


def fit(root, folder, name="run", **settings):
    """Train a small network quietly."""
    settings = {"model": "cnn", "image_size": 16, "epochs": 8, "batch_size": 8, "learning_rate": 0.01} | settings
    return finetune.fit(root, run_dir=folder / name, cache_dir=folder / "cache", **{"verbose": 0} | settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with pictures of three colours."""
    path = tmp_path_factory.mktemp("scratch")
    make_pictures(path / "pictures")
    return path


@pytest.fixture(scope="module")
def run(folder):
    """A finished run with augmentation."""
    return fit(folder / "pictures", folder, augmentation="light", epochs=25)


def test_colours_are_learned_from_random_weights(run):
    """A plain network tells colours apart; nothing pretrained is in it."""
    assert run.metrics["test"]["accuracy"] >= 0.8
    assert run.config.method == "scratch"


def test_saved_model_is_flat_and_without_augmentation(run):
    """What only training needs is not in the model that is kept."""
    kinds = {type(layer).__name__ for layer in run.model.layers}
    assert not [kind for kind in kinds if kind.startswith("Random")] and "Functional" not in kinds


def test_predictions_are_those_of_the_run(run):
    """The files of the test side get the answers that predictions.csv has."""
    first = (run.path / "predictions.csv").read_text().splitlines()[1].split(",")
    answer = run.predict([f"{run.config.data}/{first[0]}"])[0]
    assert answer.class_name == first[2] and answer.probability == pytest.approx(float(first[3]), abs=1e-4)


def test_pictures_are_decoded_once(folder, run):
    """A second run on the same pictures takes the decoded ones from the cache."""
    (store,) = (folder / "cache" / "pictures").glob("*/pictures.u8")
    before = store.stat().st_mtime_ns
    fit(folder / "pictures", folder, "again", epochs=1)
    assert store.stat().st_mtime_ns == before and store.stat().st_size == 30 * 16 * 16 * 3


def test_same_seed_gives_the_same_network(folder):
    """With augmentation and mixing a run repeats to the bit, decoded once or in every epoch, by one thread or more."""
    mixed = {"augmentation": "medium", "mixup": 0.2, "cutmix": 1.0, "epochs": 2}
    stored = fit(folder / "pictures", folder, "a", **mixed, threads=1)
    on_demand = fit(folder / "pictures", folder, "b", **mixed, threads=4, store_gigabytes=0)
    for one, other in zip(stored.model.get_weights(), on_demand.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_models_of_the_zoo_begin_with_random_weights():
    """A named model is built with the small stem for small pictures, and repeats by its seed."""
    config = make_config({"model": "efficientnet_lite0", "dropout": 0.1})
    goal = Target("classification", np.zeros(2, "int32"), ("a", "b"))
    one, again = (scratch.new_head(config, (32, 32, 3), goal) for _ in range(2))
    assert one.get_layer("stem_conv").output.shape[1] == 32 and one.output_shape == (None, 2)
    np.testing.assert_array_equal(one.get_layer("stem_conv").kernel, again.get_layer("stem_conv").kernel)


def test_augmentation_turns_the_cache_of_a_frozen_network_off(folder, capfd):
    """Pictures that differ from epoch to epoch go through the whole network each time, and that is said."""
    settings = {"model": "efficientnet_lite0", "image_size": 32, "augmentation": "light", "epochs": 2}
    run = fit(folder / "pictures", folder, "augmented", **settings, cached_views=0, verbose=2)
    assert "augmented anew: every epoch runs the whole network, and nothing is cached" in capfd.readouterr().err
    assert (run.path / "plots" / "samples.png").exists()


def test_augmented_versions_run_through_a_frozen_network_once(folder, capfd):
    """A second run takes them from the cache, and ends the same."""
    settings = {"model": "efficientnet_lite0", "image_size": 32, "augmentation": "light", "epochs": 3, "dropout": 0.0}
    first, second = (
        fit(folder / "pictures", folder, f"views{n}", **settings, cached_views=2, verbose=2) for n in (1, 2)
    )
    said = capfd.readouterr().err
    assert "once over each picture and 2 augmented versions of it" in said and "reused from an earlier run" in said
    assert first.metrics["test"] == second.metrics["test"]


@pytest.mark.parametrize("model", ["cnn", "resnet18"])
def test_numbers_are_learned_from_pictures_by_a_network_of_random_weights(folder, model):
    """Every network that learns pictures learns numbers too."""
    lines = [f"pictures/{file.parent.name}/{file.name},{len(file.parent.name)}.5" for file in pictures_of(folder)]
    (folder / f"{model}.csv").write_text("path,size\n" + "\n".join(lines) + "\n")
    run = fit(
        folder / f"{model}.csv", folder, f"numbers-{model}", model=model, method="scratch", image_size=32, epochs=1
    )
    assert run.metrics["task"] == "regression" and "mae" in run.metrics["test"]


def pictures_of(folder):
    """Return the picture files of a folder."""
    return sorted((folder / "pictures").rglob("*.png"))


def test_too_small_pictures_for_a_pretrained_network_are_refused(folder):
    """A plain network takes 16 pixels, a pretrained one does not; the message says what it takes."""
    with pytest.raises(ConfigError, match="at least 32 for a pretrained network; received 16"):
        fit(folder / "pictures", folder, "no", model="efficientnet_lite0")


@pytest.mark.parametrize("level", LEVELS)
def test_augmentation_changes_training_only(level):
    """Outside of training the network sees the pictures as they are; in training they stay within [0, 255]."""
    inputs = keras.Input((16, 16, 3))
    network = keras.Model(inputs, keras.layers.Flatten()(inputs))
    model = augmented(network, level, seed=0)
    np.testing.assert_array_equal(model(PICTURES, training=False), network(PICTURES))
    trained = np.asarray(model(PICTURES, training=True))
    assert 0 <= trained.min() and trained.max() <= 255
    assert np.array_equal(trained, np.asarray(network(PICTURES))) == (level == "none")


def test_levels_grow():
    """Each level has at least the layers of the one before."""
    counts = [len(layers(level, seed=0)) for level in LEVELS]
    assert counts == sorted(counts) and counts[0] == 0


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_mixed_targets_go_with_mixed_pictures(mixup, cutmix):
    """The share of each partner in a picture is its share in the target."""
    x = np.stack([np.full((16, 16, 1), value, "float32") for value in (0, 100)] * 3)
    y = np.eye(2, dtype="float32")[[0, 1] * 3]
    mixing = Mixing(mixup, cutmix, seed=3)
    for batch in range(5):
        mixed, shares = mixing(x, y, epoch=1, batch=batch)
        np.testing.assert_allclose(mixed.mean(axis=(1, 2, 3)) / 100, shares[:, 1], atol=1e-5)
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)


def test_mixing_is_a_function_of_seed_epoch_and_batch():
    """The same three give the same batch, another epoch another."""
    y = np.eye(6, dtype="float32")
    mixing = Mixing(0.4, 1.0, seed=1)
    one, again, other = (mixing(PICTURES, y, epoch=epoch, batch=2)[0] for epoch in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_report_shows_what_training_saw(run, folder):
    """With augmentation the report has a sheet of pictures; without it has none."""
    assert (run.path / "plots" / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert "What it was shown" in (run.path / "report.html").read_text()
    plain = fit(folder / "pictures", folder, "plain", epochs=1)
    assert "What it was shown" not in (plain.path / "report.html").read_text()


def test_sheet_has_a_place_for_each_picture():
    """Small pictures are enlarged by whole pixels, with a gap between."""
    sheet = Image.open(io.BytesIO(contact_sheet([PICTURES, PICTURES])))
    assert sheet.size == (6 * 96 + 5 * 4, 2 * 96 + 4)
    assert sheet.getpixel((0, 0)) == tuple(PICTURES[0, 0, 0].astype(int)) and sheet.getpixel((97, 0)) == (255,) * 3
