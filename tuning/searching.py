"""A search: a study is begun or gone on with, and the best of it is found out honestly."""

from pathlib import Path

from finetune.config import FinetuneConfig
from finetune.data.given import Given
from finetune.preparing import read_request
from finetune.progress import Reporter
from tuning.build_search import is_build, search_build
from tuning.carrying_out import carry_out
from tuning.ground import Grounds, OuterFold
from tuning.nested import search_folds
from tuning.planning import SpaceLike, plan_search
from tuning.study import Study
from tuning.wishes import Wishes
from zoo.errors import ConfigError


def search(
    data: object,
    *targets: object,
    space: SpaceLike = None,
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
    nested_folds: int | None = None,
    stack: bool = True,
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
        objective: such as "val_accuracy" or "val_loss:min"; None goes by the task.
        study: directory; None names it after data, model and algorithm, below `studies`.
        workers: processes that run trials; 0 for this one, "auto" for what the first trials show to be faster.
        cluster: address of a Ray cluster, or "local".
        fresh_seeds: how often each of the best three is run again before the best is named.
        ends_hopeless: whether trials end that are worse than half of the others; None where they are expensive.
        nested_folds: outer folds in which whole searches are made and judged, see `tuning.nested`; None for none.
        stack: whether heads that differ in numbers only learn as one, which is faster. Their scores are then those of
            `finetune.fit` up to the rounding of sums, to about five digits; False repeats them to the last bit.
        **settings: fields of `FinetuneConfig` that all trials share, such as model="mlp" or epochs=20; for a function
            `seed`, `tensorboard`, and arguments of `Model.fit`, such as validation_split=0.2.

    Returns:
        The study: its trials, and the best of them.

    Raises:
        ConfigError: settings, space or objective are wrong.
        DataError: the data cannot be used.
        RunStateError: the study was begun with something else.
    """
    wishes = Wishes(
        **{"algorithm": algorithm, "max_trials": max_trials, "max_minutes": max_minutes, "objective": objective},
        **{"study": study, "workers": workers, "cluster": cluster, "fresh_seeds": fresh_seeds},
        **{"ends_hopeless": ends_hopeless, "nested_folds": nested_folds, "stack": stack},
    )
    if is_build(data):
        return search_build(data, targets, wishes, space=space, fit=settings, reporter=Reporter(verbose))
    if len(targets) > 1:
        raise ConfigError(f"beside data there is one y at most; received {len(targets)} objects after the data")
    base, given = read_request(data, *(targets or (None,)), settings)
    return search_recipe(base, wishes, space=space, given=given, reporter=Reporter(verbose))


def search_recipe(
    base: FinetuneConfig,
    wishes: Wishes,
    *,
    reporter: Reporter,
    space: SpaceLike = None,
    given: Given | None = None,
) -> Study:
    """Carry out a search of `finetune`; arguments and errors are those of `search`."""
    if base.data is None:
        raise ConfigError("DATA is missing: tuner search FOLDER, or a CSV file")
    if base.folds is not None:
        raise ConfigError(
            "folds judge one recipe; in a search the validation side scores, and --nested-folds judge the whole search"
        )
    grounds = Grounds(base, given)
    plan = plan_search(base, grounds, wishes, space=space, path=None, reporter=reporter)
    if wishes.nested_folds:
        # refused now, if at all, and not after the plain search
        grounds.on_fold(OuterFold(1, wishes.nested_folds))
    study = carry_out(plan, wishes, reporter)
    if wishes.nested_folds:
        search_folds(base, grounds, wishes, study=study, space=space, reporter=reporter)
    return study
