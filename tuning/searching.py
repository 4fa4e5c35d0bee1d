"""A search: a study is begun or gone on with, and the best of it is found out honestly."""

import re
from collections.abc import Mapping
from pathlib import Path

from finetune.config import FinetuneConfig
from finetune.data.given import Given
from finetune.preparing import read_request
from finetune.progress import Reporter
from finetune.recipe import run_stem
from finetune.resume import FREE
from tuning.build_search import is_build, search_build
from tuning.carrying_out import Plan, carry_out
from tuning.default_spaces import default_space
from tuning.ground import Ground, Grounds
from tuning.objective import objective_for
from tuning.run_trial import RecipeRunner
from tuning.settings import check_settings
from tuning.space import Space
from tuning.study import Study
from tuning.wishes import Wishes
from zoo.errors import ConfigError

_OF_DATA = ("kind", "task", "fingerprint", "class_names", "outputs", "splits")


def search(
    data: object,
    *targets: object,
    space: Space | Mapping[str, object] | str | Path | None = None,
    verbose: int = 1,
    algorithm: str = "bayesian",
    max_trials: int | None = None,
    max_minutes: float | None = None,
    objective: str | None = None,
    study: str | Path | None = None,
    workers: int | str = 0,
    cluster: str | None = None,
    fresh_seeds: int = 2,
    ends_hopeless: bool | None = None,
    **settings: object,
) -> Study:
    """Search the settings of fine-tuning that are best on the validation side; the test side is never looked at.

    Called again it goes on with what is there; with more `max_trials` or `max_minutes` it goes further.

    Args:
        data: what `finetune.fit` takes: a path or name, arrays, a DataFrame, …; or a function `build_model(hp)` that
            returns a compiled model, or a `keras_tuner.HyperModel`.
        *targets: y, where `data` is an array; x and y, where it is a function.
        space: what may be tried: a file, a mapping in the same words, or a `Space`; None for that of the model.
        verbose: 0 is silent, 1 says a line for each trial, 2 its values too.
        algorithm: "random", "grid", "bayesian" or "hyperband".
        max_trials: of the whole study; None where time or the space ends it.
        max_minutes: of the whole study; no trial is begun after them.
        objective: such as "val_accuracy" or "val_loss:min"; None for cross-entropy of classes, mean absolute error of
            numbers.
        study: directory; None names it after data, model and algorithm, below `studies`.
        workers: processes that run trials; 0 runs them in this one, "auto" finds out by the first what is faster.
        cluster: address of a Ray cluster, or "local".
        fresh_seeds: how often each of the best three is run again before the best is named.
        ends_hopeless: whether trials are ended that are worse than half of the others at the same epoch; None where
            they are expensive.
        **settings: fields of `FinetuneConfig` that all trials share, such as model="mlp" or epochs=20; for a function
            arguments of `Model.fit`, such as validation_split=0.2, and `seed`.

    Returns:
        The study: its trials, and the best of them.

    Raises:
        ConfigError: settings, space or objective are wrong.
        DataError: the data cannot be used.
        RunStateError: the study was begun with something else.

    Example:
        >>> study = search("data/wine.csv", target="class", model="mlp", max_trials=20)  # doctest: +SKIP
        >>> candidates(study)[0].trial.proposal.values  # doctest: +SKIP
        {'learning_rate': 0.004, 'optimizer': 'adam'}
    """
    wishes = Wishes(
        **{"algorithm": algorithm, "max_trials": max_trials, "max_minutes": max_minutes, "objective": objective},
        **{"study": study, "workers": workers, "cluster": cluster, "fresh_seeds": fresh_seeds},
        ends_hopeless=ends_hopeless,
    )
    if is_build(data):
        return search_build(data, targets, wishes, space=space, fit=settings, reporter=Reporter(verbose))
    base, given = read_request(data, *(targets or (None,)), settings)
    return search_recipe(base, wishes, space=space, given=given, reporter=Reporter(verbose))


def search_recipe(
    base: FinetuneConfig,
    wishes: Wishes,
    *,
    reporter: Reporter,
    space: Space | Mapping[str, object] | str | Path | None = None,
    given: Given | None = None,
) -> Study:
    """Carry out a search of `finetune`; arguments and errors are those of `search`."""
    if base.data is None:
        raise ConfigError("DATA is missing: tuner search FOLDER, or a CSV file")
    if base.folds is not None:
        raise ConfigError("folds judge one recipe; in a search the validation side scores, and no test side is seen")
    grounds = Grounds(base, given)
    asked = grounds.asked({}, seed=base.seed)
    ground = grounds.under(asked, reporter)
    config, described = ground.config(asked), ground.prepared.described
    objective = objective_for(described["task"], wishes.objective)
    searched = _space(space, base, config, described["task"])
    root = ground.opened.source.root
    path = Path(wishes.study) if wishes.study else Path("studies") / _name(root, config, wishes)
    if path.absolute().is_relative_to(root):
        raise ConfigError(f"the study {path} lies inside the data, where the next search would find it")
    plan = Plan(
        path,
        root,
        {name: described[name] for name in _OF_DATA if name in described},
        objective,
        searched,
        base.seed,
        _shared(base),
        config.epochs,
        _is_expensive(ground, config),
        lambda kept, states: RecipeRunner(grounds, objective, kept, states),
    )
    return carry_out(plan, wishes, reporter)


def _space(space: object, base: FinetuneConfig, config: FinetuneConfig, task: str) -> Space:
    """Return what is searched: what the user says, or the table of the model without what the user has settled."""
    if space is None:
        return default_space(config.model, config.method, task=task, settled=base.model_fields_set)
    found = space
    if not isinstance(space, Space):
        found = Space.from_mapping(space) if isinstance(space, Mapping) else Space.from_file(space)
    check_settings(found)
    return found


def _shared(base: FinetuneConfig) -> dict[str, object]:
    given = base.model_dump(mode="json", exclude_unset=True)
    return {name: value for name, value in given.items() if name not in FREE and value is not None}


def _name(root: str, config: FinetuneConfig, wishes: Wishes) -> str:
    """Return what a study is called: by its data, model and algorithm."""
    parts = (run_stem(root), Path(config.model).stem, wishes.algorithm)
    return "-".join(re.sub(r"[^\w.]+", "-", part) for part in parts)


def _is_expensive(ground: Ground, config: FinetuneConfig) -> bool:
    """Whether a trial takes minutes: more than a head learns, and from pictures."""
    kind = ground.prepared.kind
    return (kind.STAGED and config.method != "head") or kind.NOUN == "pictures" and config.method == "scratch"
