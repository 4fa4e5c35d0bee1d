"""A search over any `build_model(hp)`, as users of keras-tuner have it, with a study of ours behind it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras_tuner as kt

from finetune.progress import Reporter
from tuning.carrying_out import Plan, carry_out
from tuning.keras_space import from_keras, to_keras
from tuning.objective import Objective, parse_objective
from tuning.run_build import BuildRunner, fingerprint, found_hyperparameters, source_digest
from tuning.space import Space
from tuning.study import Study
from tuning.subject import BUILD_MODEL
from tuning.wishes import Wishes
from zoo.errors import ConfigError

# Epochs of a trial where none are given, as in `Model.fit`.
_EPOCHS = 1


def is_build(data: object) -> bool:
    """Whether what is to be searched makes models, and is no data."""
    return isinstance(data, kt.HyperModel) or (callable(data) and not hasattr(data, "__array__"))


def search_build(
    build: object,
    arrays: Sequence[object],
    wishes: Wishes,
    *,
    space: object,
    fit: Mapping[str, object],
    reporter: Reporter,
) -> Study:
    """Search the hyperparameters of a build function.

    Args:
        build: from `keras_tuner.HyperParameters` to a compiled model; or a HyperModel.
        arrays: x and y, or a data set.
        wishes: how to search.
        space: `keras_tuner.HyperParameters` or a space in words, whose values take the place of those that `build`
            asks for; None finds them out by calling it.
        fit: arguments of `Model.fit` beside x and y; and `seed` and `tensorboard`.
        reporter: says how it goes.

    Raises:
        ConfigError: there is nothing to search, no objective is known, or nothing to score on.
    """
    if wishes.nested_folds:
        raise ConfigError(
            "nested_folds deal examples of `finetune`; the arrays of a function are dealt by whoever has it"
        )
    fit = dict(fit)
    seed, tensorboard = int(fit.pop("seed", 0)), bool(fit.pop("tensorboard", False))
    fit |= _named(arrays, build, fit)
    fit.setdefault("verbose", 0)
    objective = _objective(wishes.objective, fit)
    hyperparameters = _hyperparameters(build, space)
    searched = from_keras(hyperparameters)
    name = getattr(build, "__name__", type(build).__name__)
    path = Path(wishes.study) if wishes.study else Path("studies") / re.sub(r"\W+", "-", f"{name}-{wishes.algorithm}")
    scored = fit.get("validation_data")
    parts = scored if isinstance(scored, tuple | list) else (scored,)
    plan = Plan(
        path=path,
        source=name,
        data={"fingerprint": fingerprint(*arrays, *parts)},
        objective=objective,
        space=searched,
        seed=seed,
        settings={BUILD_MODEL: source_digest(build), **_plain(fit)},
        max_epochs=int(fit.get("epochs", _EPOCHS)),
        ends_hopeless=False,
        tensorboard=tensorboard,
        runner=lambda kept, states: BuildRunner(build, hyperparameters, fit, objective, kept),
    )
    return carry_out(plan, wishes, reporter)


def _named(arrays: Sequence[object], build: object, fit: Mapping[str, object]) -> dict[str, object]:
    """Return x and y by their names as `Model.fit` has them."""
    if len(arrays) > 2:
        raise ConfigError(
            f"beside a function there are x and y; received {len(arrays)} objects. Give y as a list of them"
        )
    # the fit of a HyperModel may have data of its own
    if not arrays and "x" not in fit and not isinstance(build, kt.HyperModel):
        raise ConfigError("a function needs data to learn from: tuning.search(build_model, x, y, validation_split=0.2)")
    return dict(zip(("x", "y"), arrays, strict=False))


def _objective(text: str | None, fit: Mapping[str, object]) -> Objective:
    objective = parse_objective(text or "val_loss")
    scored = any(fit.get(name) is not None for name in ("validation_data", "validation_split"))
    if objective.name.startswith("val_") and not scored:
        raise ConfigError(
            f"{objective.name} needs examples to score on: give validation_data=(x, y) or validation_split=0.2"
        )
    return objective


def _hyperparameters(build: object, space: object) -> kt.HyperParameters:
    if space is None:
        return found_hyperparameters(build)
    if isinstance(space, kt.HyperParameters):
        return found_hyperparameters(build, space)
    if not isinstance(space, Space):
        space = Space.from_mapping(space) if isinstance(space, Mapping) else Space.from_file(space)
    return to_keras(space)


def _plain(fit: Mapping[str, object]) -> dict[str, object]:
    """Return the arguments of a fit that can be written down; arrays are known by their fingerprint."""
    return {name: value for name, value in fit.items() if isinstance(value, bool | int | float | str)}
