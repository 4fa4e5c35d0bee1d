"""Trials of any `build_model(hp)`: the functions and HyperModels of keras-tuner's users, run as they are."""

import copy
import hashlib
import inspect
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import keras
import keras_tuner as kt
import numpy as np

from tuning.job import Job
from tuning.kept import Kept, KeptWeights
from tuning.keras_space import from_keras, with_values
from tuning.objective import Objective
from tuning.peak_memory import forget_peak, peak_bytes
from tuning.quiet import tensorflow_quiet
from tuning.run_trial import MOST_POINTS, failed, short
from tuning.trial import Trial
from zoo.errors import ConfigError

# Builds that look for hyperparameters which a first one did not reach, behind an `if` of Python's.
_LOOKS = 8
WHOLE = "inputs"
Build = Callable[[kt.HyperParameters], keras.Model]


@dataclass(frozen=True)
class BuildRunner:
    """Runs trials of a build function in this process.

    Attributes:
        build: from hyperparameters to a compiled model; or a `keras_tuner.HyperModel`, whose `fit` is used too.
        hyperparameters: all that it asks for.
        fit: arguments of `Model.fit`.
        objective: key of the history, and its direction.
        kept: where weights of good trials go.
    """

    build: Build | kt.HyperModel
    hyperparameters: kt.HyperParameters
    fit: Mapping[str, object]
    objective: Objective
    kept: Kept

    def __call__(self, job: Job) -> Trial:
        """Run a trial; what goes wrong in it is its outcome."""
        started = time.perf_counter()
        forget_peak()
        try:
            with tensorflow_quiet():
                done = self._run(job)
        # a trial may fail in any way, and the search goes on
        except Exception as error:
            done = failed(job.trial, error)
        return replace(done, seconds=round(time.perf_counter() - started, 3), peak_bytes=peak_bytes())

    def _run(self, job: Job) -> Trial:
        trial = job.trial
        keras.utils.set_random_seed(trial.seed)
        hp = with_values(self.hyperparameters, trial.proposal.values)
        model = built(self.build, hp)
        # a callback has a state, and each trial begins with a new one
        options = dict(self.fit) | {"callbacks": copy.deepcopy(self.fit.get("callbacks", []))}
        if trial.proposal.epochs is not None:
            options["epochs"] = trial.proposal.epochs
        fit = self.build.fit if isinstance(self.build, kt.HyperModel) else _fit
        history = _rows(fit(hp, model, **options), self.objective)
        values = history.get(self.objective.name)
        if not values:
            raise ConfigError(f"the history has no {self.objective.name}; it has {', '.join(sorted(history))}")
        best = min(range(len(values)), key=lambda epoch: self.objective.cost(values[epoch]))
        done = _measured(trial, model, history, values[best])
        if done.score is not None and self.objective.cost(done.score) < job.keep_under:
            self.kept.write(trial.number, KeptWeights(WHOLE, model.get_weights()))
        return done


def built(build: Build | kt.HyperModel, hp: kt.HyperParameters) -> keras.Model:
    """Return the model of a build function or HyperModel."""
    return build.build(hp) if isinstance(build, kt.HyperModel) else build(hp)


def found_hyperparameters(build: Build | kt.HyperModel, known: kt.HyperParameters | None = None) -> kt.HyperParameters:
    """Return all hyperparameters that a build function asks for.

    It is called with defaults, and then with some drawn values, for what it asks for may depend on what it got.

    Raises:
        ConfigError: it asks for none.
    """
    found = known.copy() if known else kt.HyperParameters()
    built(build, found)
    for look in range(_LOOKS):
        before = len(found.space)
        if not before:
            raise ConfigError("build_model asks for no hyperparameters: nothing can be searched")
        values = from_keras(found).draw(random.Random(look))
        drawn = with_values(found, values or {})
        built(build, drawn)
        found.merge(drawn, overwrite=False)
        if len(found.space) == before and look:
            break
    return found


def fingerprint(*data: object) -> str:
    """Return the SHA-256 of arrays; of what is no array, such as a data set, only its type counts."""
    digest = hashlib.sha256()
    for part in data:
        if isinstance(part, np.ndarray | list | tuple):
            array = np.ascontiguousarray(part)
            digest.update(f"{array.shape} {array.dtype};".encode())
            digest.update(array.tobytes() if array.dtype != object else repr(array.tolist()).encode())
        else:
            digest.update(f"{type(part).__name__};".encode())
    return digest.hexdigest()


def source_digest(build: Build | kt.HyperModel) -> str:
    """Return the SHA-256 of the text of a build function, by which a changed one is known; of its name without text."""
    try:
        text = inspect.getsource(type(build) if isinstance(build, kt.HyperModel) else build)
    except (OSError, TypeError):
        text = getattr(build, "__name__", type(build).__name__)
    return hashlib.sha256(text.encode()).hexdigest()


def _fit(hp: kt.HyperParameters, model: keras.Model, **options: object) -> keras.callbacks.History:
    return model.fit(**options)


def _rows(result: object, objective: Objective) -> dict[str, list[float]]:
    """Return the history of what a fit returned: a History, a dict of scores, or one score."""
    if isinstance(result, keras.callbacks.History):
        return {name: [float(value) for value in values] for name, values in result.history.items()}
    if isinstance(result, Mapping):
        return {name: [float(value)] for name, value in result.items()}
    return {objective.name: [float(result)]}


def _measured(trial: Trial, model: keras.Model, history: Mapping[str, list[float]], score: float) -> Trial:
    epochs = max(map(len, history.values()))
    places = sorted(set(np.linspace(0, epochs - 1, min(epochs, MOST_POINTS)).round().astype(int).tolist()))
    whole = {name: values for name, values in history.items() if len(values) == epochs}
    finite = math.isfinite(score)
    return replace(
        trial,
        status="completed" if finite else "failed",
        score=score if finite else None,
        error=None if finite else f"the score is not finite: {score}",
        curve={n: [short(v[p]) for p in places] for n, v in whole.items() if all(map(math.isfinite, v))},
        curve_epochs=[place + 1 for place in places],
        epochs=epochs,
        parameters=model.count_params(),
        trainable=sum(math.prod(weight.shape) for weight in model.trainable_weights),
    )
