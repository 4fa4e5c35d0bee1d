"""Trials of any `build_model(hp)`: the functions and HyperModels of keras-tuner's users, run as they are."""

import copy
import hashlib
import inspect
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import keras
import keras_tuner as kt
import numpy as np

from tuning.job import Job
from tuning.kept import Kept, KeptWeights
from tuning.keras_space import from_keras, to_keras, with_values
from tuning.objective import Objective
from tuning.peak_memory import forget_peak, peak_bytes
from tuning.quiet import tensorflow_quiet
from tuning.run_trial import MOST_POINTS, failed, short
from tuning.space import Space
from tuning.study import Study
from tuning.subject import BUILD_MODEL
from tuning.trial import Trial
from zoo.errors import ConfigError, RunStateError

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
        best = _BestEpoch(self.objective)
        # a callback has a state, and each trial begins with a new one
        options = dict(self.fit) | {"callbacks": [*copy.deepcopy(self.fit.get("callbacks") or []), best]}
        if trial.proposal.epochs is not None:
            options["epochs"] = trial.proposal.epochs
        fit = self.build.fit if isinstance(self.build, kt.HyperModel) else _fit
        returned = fit(hp, model, **options)
        history = _rows(returned, self.objective)
        values = history.get(self.objective.name)
        if not values:
            raise ConfigError(f"the history has no {self.objective.name}; it has {', '.join(sorted(history))}")
        done = _measured(trial, model, history, min(values, key=self.objective.cost))
        if done.score is not None and self.objective.cost(done.score) < job.keep_under:
            # what a fit of the user's scores is the model as it leaves it
            weights = best.weights if isinstance(returned, keras.callbacks.History) else None
            self.kept.write(trial.number, KeptWeights(WHOLE, weights or model.get_weights()))
        return done


class _BestEpoch(keras.callbacks.Callback):
    """Holds the weights of the epoch by which a trial is scored."""

    def __init__(self, objective: Objective):
        super().__init__()
        self.weights: list[np.ndarray] | None = None
        self._objective, self._cost = objective, math.inf

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Take the weights where they are better than before."""
        cost = self._objective.cost((logs or {}).get(self._objective.name))
        if cost < self._cost:
            self._cost, self.weights = cost, self.model.get_weights()


def built(build: Build | kt.HyperModel, hp: kt.HyperParameters) -> keras.Model:
    """Return the model of a build function or HyperModel."""
    return build.build(hp) if isinstance(build, kt.HyperModel) else build(hp)


def rebuilt(study: Study, build: Build | kt.HyperModel | None, trial: Trial, weights: KeptWeights) -> keras.Model:
    """Return the model of a trial, built again and with the weights that were kept.

    Args:
        study: of the function.
        build: the function or HyperModel that was searched.
        trial: of the study.
        weights: of the trial.

    Raises:
        ConfigError: the function is not given.
        RunStateError: it is another one, or builds another model.
    """
    if build is None:
        raise ConfigError(
            f"{study.path} searched a function, which it does not keep; give it again, in Python: "
            f"tuning.load_best(tuning.Study({str(study.path)!r}), build_model)"
        )
    if source_digest(build) != study.about["settings"][BUILD_MODEL]:
        raise RunStateError(f"{study.path}: build_model is not the function that was searched: its text differs")
    model = built(build, to_keras(Space.from_mapping(study.about["space"]), trial.proposal.values))
    shapes = [array.shape for array in weights.arrays]
    if [tuple(variable.shape) for variable in model.weights] != shapes:
        raise RunStateError(
            f"{study.path}: build_model does not build the model of trial {trial.number} any more; what it calls has "
            f"changed"
        )
    model.set_weights(weights.arrays)
    return model


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
    """Return the SHA-256 of arrays, tensors and tables, alone or in dicts and lists.

    Of what is no array, such as a data set, only its type counts.
    """
    digest = hashlib.sha256()
    for one in data:
        for part in _parts(one):
            digest.update(part)
    return digest.hexdigest()


def _parts(data: object) -> Iterator[bytes]:
    if isinstance(data, Mapping):
        for name in sorted(data, key=str):
            yield f"{name}:".encode()
            yield from _parts(data[name])
    elif hasattr(data, "__array__") or (isinstance(data, list | tuple) and not _holds_arrays(data)):
        array = np.ascontiguousarray(data)
        yield f"{array.shape} {array.dtype};".encode()
        yield array.tobytes() if array.dtype != object else repr(array.tolist()).encode()
    elif isinstance(data, list | tuple):
        for part in data:
            yield from _parts(part)
    else:
        yield f"{type(data).__name__};".encode()


def _holds_arrays(data: list | tuple) -> bool:
    """Whether a list is one of parts, such as (x, y), and not of numbers."""
    return any(hasattr(part, "__array__") or isinstance(part, Mapping) or part is None for part in data)


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
