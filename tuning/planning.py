"""A search of finetune planned: what it searches, over what, and where, from the settings that all its trials share."""

import re
from collections.abc import Mapping
from pathlib import Path

from finetune.config import FinetuneConfig
from finetune.progress import Reporter
from finetune.recipe import run_stem
from finetune.resume import FREE
from tuning.carrying_out import Plan
from tuning.default_spaces import default_space
from tuning.ground import Ground, Grounds
from tuning.objective import objective_for
from tuning.run_trial import RecipeRunner
from tuning.settings import check_settings
from tuning.space import Space
from tuning.space_file import read_space_file
from tuning.wishes import Wishes
from zoo.errors import ConfigError

SpaceLike = Space | Mapping[str, object] | str | Path | None
_OF_DATA = ("kind", "task", "fingerprint", "class_names", "outputs", "splits", "outer_fold")
# Settings that change no score of a trial.
_WITHOUT_EFFECT = (*FREE, "tensorboard")


def plan_search(
    base: FinetuneConfig, grounds: Grounds, wishes: Wishes, *, space: SpaceLike, path: Path | None, reporter: Reporter
) -> Plan:
    """Read, check and deal the data, and return what is needed to search on them.

    Args:
        base: settings that all trials share.
        grounds: that the trials will stand on.
        wishes: how to search.
        space: what may be tried; None for that of the model.
        path: of the study; None goes by the wishes, or names it after data, model and algorithm.
        reporter: says what takes long.

    Raises:
        ConfigError: a setting, the space or the objective does not go with the data.
        DataError: the data cannot be used.
    """
    asked = grounds.asked({}, seed=base.seed)
    ground = grounds.under(asked, reporter)
    config, described = ground.config(asked), ground.prepared.described
    objective = objective_for(described["task"], wishes.objective)
    searched = _space(space, base, config, described["task"])
    root = ground.opened.source.root
    path = path or (Path(wishes.study) if wishes.study else Path("studies") / _name(root, config, wishes))
    if path.absolute().is_relative_to(root):
        raise ConfigError(f"the study {path} lies inside the data, where the next search would find it")
    return Plan(
        path=path,
        source=root,
        data={name: described[name] for name in _OF_DATA if name in described},
        objective=objective,
        space=searched,
        seed=base.seed,
        settings=_shared(base),
        max_epochs=config.epochs,
        ends_hopeless=_is_expensive(ground, config),
        tensorboard=base.tensorboard,
        runner=lambda kept, states: RecipeRunner(grounds, objective, kept, states),
    )


def _space(space: SpaceLike, base: FinetuneConfig, config: FinetuneConfig, task: str) -> Space:
    """Return what is searched: what the user says, or the table of the model without what the user has settled."""
    if space is None:
        return default_space(config.model, config.method, task=task, settled=base.model_fields_set)
    if isinstance(space, str | Path):
        words, places = read_space_file(space)
        found = Space.from_mapping(words, places, name=Path(space).name)
        check_settings(found, places)
        return found
    found = space if isinstance(space, Space) else Space.from_mapping(space)
    check_settings(found)
    return found


def _shared(base: FinetuneConfig) -> dict[str, object]:
    given = base.model_dump(mode="json", exclude_unset=True)
    return {name: value for name, value in given.items() if name not in _WITHOUT_EFFECT and value is not None}


def _name(root: str, config: FinetuneConfig, wishes: Wishes) -> str:
    """Return what a study is called: by its data, model and algorithm."""
    parts = (run_stem(root), Path(config.model).stem, wishes.algorithm)
    return "-".join(re.sub(r"[^\w.]+", "-", part) for part in parts)


def _is_expensive(ground: Ground, config: FinetuneConfig) -> bool:
    """Whether a trial takes minutes: more than a head learns, and from pictures."""
    kind = ground.prepared.kind
    return (kind.STAGED and config.method != "head") or kind.NOUN == "pictures" and config.method == "scratch"
