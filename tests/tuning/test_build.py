"""A keras-tuner user's function runs unchanged, and its study resumes like any other."""

import keras
import keras_tuner as kt
import numpy as np
import pytest

import tuning
from tuning.run_build import found_hyperparameters
from zoo.errors import ConfigError, RunStateError

pytestmark = pytest.mark.keras
X = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("int32")


def build_model(hp):
    """Build as keras-tuner's guide does, with what depends on a choice behind an `if`."""
    model = keras.Sequential([keras.Input((3,))])
    model.add(keras.layers.Dense(hp.Int("units", 2, 8, step=2), activation=hp.Choice("activation", ["relu", "tanh"])))
    if hp.Boolean("dropout"):
        model.add(keras.layers.Dropout(hp.Float("rate", 0.1, 0.5)))
    model.add(keras.layers.Dense(2))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(hp.Float("lr", 1e-3, 1e-1, sampling="log")), loss, metrics=["accuracy"])
    return model


class Model(kt.HyperModel):
    """The same as a class with a fit of its own."""

    def build(self, hp):
        """Build."""
        return build_model(hp)

    def fit(self, hp, model, *args, **kwargs):
        """Fit with a batch size that is searched too, and return one number."""
        model.fit(*args, batch_size=hp.Choice("batch_size", [8, 16]), **kwargs)
        return {"val_loss": float(hp.get("lr"))}


def search(folder, build=build_model, max_trials=2, **options):
    """Search quietly."""
    how = {"algorithm": "random", "validation_split": 0.25, "epochs": 2, "fresh_seeds": 0, "verbose": 0}
    return tuning.search(build, X, Y, max_trials=max_trials, study=folder / "study", **(how | options))


def test_function_is_searched_and_resumes(tmp_path):
    """Two trials and then two more are the four of an unbroken search, with curves and parameters."""
    search(tmp_path, objective="val_accuracy", max_trials=2)
    study = search(tmp_path, objective="val_accuracy", max_trials=3)
    (tmp_path / "whole").mkdir()
    whole = search(tmp_path / "whole", objective="val_accuracy", max_trials=3)
    assert [(t.proposal.values, t.score) for t in study.trials] == [(t.proposal.values, t.score) for t in whole.trials]
    assert study.trials[0].parameters > 8 and len(study.trials[0].curve["val_accuracy"]) == 2


def test_what_is_behind_an_if_is_found():
    """Hyperparameters that only some values lead to are searched too."""
    names = {hp.name for hp in found_hyperparameters(build_model).space}
    assert names == {"units", "activation", "dropout", "rate", "lr"}


def test_hypermodel_with_its_own_fit(tmp_path):
    """`HyperModel.fit` is called, and may return scores instead of a history."""
    study = search(tmp_path, Model(), max_trials=1)
    trial = study.trials[0]
    assert trial.score == pytest.approx(trial.proposal.values["lr"]), trial.error


def test_other_data_or_function_are_refused(tmp_path):
    """A study of a function knows its arrays and the function's text."""
    search(tmp_path, max_trials=1)
    with pytest.raises(RunStateError, match="data.fingerprint was"):
        tuning.search(build_model, X + 1, Y, study=tmp_path / "study", **{"validation_split": 0.25, "max_trials": 1})
    with pytest.raises(RunStateError, match="settings.build_model was"):
        search(tmp_path, lambda hp: build_model(hp), max_trials=1)


def test_nothing_to_score_on_is_refused(tmp_path):
    """A validation score needs a validation side."""
    with pytest.raises(ConfigError, match="give validation_data=.x, y. or validation_split"):
        tuning.search(build_model, X, Y, max_trials=1, study=tmp_path / "study")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((build_model,), r"needs data to learn from: tuning.search\(build_model, x, y"),
        ((build_model, X, Y, Y), "there are x and y; received 3 objects"),
        ((X, Y, Y), "one y at most; received 2 objects"),
    ],
)
def test_too_few_and_too_many_objects_are_refused(asked, message):
    """Nothing that was given is passed over, and nothing is begun without data."""
    with pytest.raises(ConfigError, match=message):
        tuning.search(*asked, max_trials=1, validation_split=0.2)
