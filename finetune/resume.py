"""Going on with a run that was stopped: with the same settings on the same data, from its newest checkpoint."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from finetune.config import FinetuneConfig
from finetune.decide import Decision, as_json
from finetune.learning import WHOLE
from finetune.run_dir import RunDir
from finetune.settings.data import OBJECTS
from finetune.training.checkpoints import Checkpoints
from finetune.training.keeper import Keeper, Remedy
from finetune.transfer.runtime_names import AUTO, AUTO_FLOAT32
from zoo.errors import RunStateError

# What may differ: where things lie, and what changes no number. The data are known by their fingerprint.
FREE = ("data", "run_dir", "cache_dir", "datasets_dir", "threads", "store_gigabytes", "checkpoint_seconds")
_SAME_DATA = ("fingerprint", "class_names", "outputs", "splits")
# What may differ too where the loss was not finite any more: it tames the steps, and no weight's shape depends on it.
_TAMING = ("learning_rate", "fine_tune_factor", "warmup_epochs", "clip_value", "clip_norm", "global_clip_norm")


def new_keeper(run_dir: RunDir, config: FinetuneConfig) -> Keeper:
    """Return what keeps the state of a run that begins."""
    return Keeper(Checkpoints(run_dir.checkpoint_folder, config.checkpoint_seconds), remedy=_remedy(run_dir, config))


def keeper_of(run_dir: RunDir, config: FinetuneConfig, data: Mapping[str, object]) -> Keeper:
    """Return what keeps the state of a run that goes on; of one that begins where none is there.

    Args:
        run_dir: of the run.
        config: resolved, as it is now.
        data: data.json as it would be now.

    Raises:
        RunStateError: settings or data are not those that the run began with; or its loss was not finite any more,
            and no setting is another now that could change that.
    """
    keeper = new_keeper(run_dir, config)
    if not run_dir.has("config"):
        return keeper
    saved = keeper.checkpoints.latest()
    lost = saved.place.get("lost") if saved else None
    free = (*FREE, *_TAMING) if lost else FREE
    before, now = run_dir.read_json("config"), config.model_dump(mode="json")
    differ = [
        f"{name} was {before.get(name)!r}, is {now[name]!r}"
        for name in now
        if name not in free and before.get(name) != now[name]
    ]
    there = run_dir.read_json("data") if run_dir.has("data") else data
    differ += [
        f"{name} of the data differs{_of(name, there, data)}" for name in _SAME_DATA if there[name] != data[name]
    ]
    if differ:
        raise RunStateError(
            f"{run_dir.path} cannot be gone on with: {'; '.join(differ)}. Give what it began with, or begin a new run "
            f"with --overwrite or another --run-dir"
        )
    changes = _changes(saved.place, lost, now) if lost else []
    if lost and not changes:
        raise RunStateError(
            f"{run_dir.path}: the loss was not finite any more in epoch {lost['epoch']}, and would be so again. "
            f"{keeper.remedy.go_on}"
        )
    return replace(keeper, saved=saved, changes=[*(saved.place["changes"] if saved else ()), *changes])


def as_begun(run_dir: RunDir, config: FinetuneConfig) -> FinetuneConfig:
    """Return settings with what ran the frozen part until a run was stopped, where that is left to the run."""
    if config.runtime not in (AUTO, AUTO_FLOAT32) or not run_dir.has("config"):
        return config
    return config.model_copy(update={"runtime": run_dir.read_json("config")["runtime"]})


def decided(run_dir: RunDir, decisions: Sequence[Decision]) -> list[Decision]:
    """Return what was decided when the run began: one that goes on by its config.json finds nothing left to decide."""
    if run_dir.has("config") and run_dir.has("decisions"):
        before = [Decision(**row) for row in run_dir.read_json("decisions")]
        known = {one.what for one in before}
        # an earlier version wrote fewer
        return before + [one for one in decisions if one.what == "precision" and one.what not in known]
    run_dir.write_json("decisions", as_json(decisions))
    return [*decisions]


def _changes(
    place: Mapping[str, object], lost: Mapping[str, object], now: Mapping[str, object]
) -> list[dict[str, object]]:
    """Return which settings are others now than when the loss was not finite any more."""
    first, epoch = place["before"]["rows"][-1]["epoch"] + 1, lost["epoch"]
    return [
        {
            "what": name,
            "value": now[name],
            "why": f"from epoch {first} on; with {value} the loss was not finite any more in epoch {epoch}",
        }
        for name, value in lost["settings"].items()
        if now[name] != value
    ]


def _remedy(run_dir: RunDir, config: FinetuneConfig) -> Remedy:
    """Return what to do where the loss is not finite any more: lower the rate, and go on or begin again."""
    run, file = (shlex.quote(str(path)) for path in (run_dir.path, run_dir.path / "config.json"))
    if any(phase.learning_rate for phase in config.phases):
        # a run goes on with the phases that it began with
        lower, change = "Lower the learning rates of the phases, or clip the gradients", "global_clip_norm=1"
    else:
        lower = f"Lower the learning rate (it is {config.learning_rate:g})"
        change = f"learning_rate={config.learning_rate / 10:g}"
    go_on = f"finetune resume {run} --set {change}"
    again = f"finetune fit --config {file} --run-dir {run} --overwrite --set {change}"
    if config.data.startswith(OBJECTS):
        go_on, again = (f"the same call with {how}=True, {change}" for how in ("resume", "overwrite"))
    return Remedy(
        settings={name: getattr(config, name) for name in _TAMING},
        # folds must all learn alike, or their mean would be that of no method
        parts=() if config.folds else (WHOLE,),
        go_on=f"{lower} and go on from there: {go_on}",
        begin_again=f"{lower} and begin again: {again}",
    )


def _of(name: str, before: Mapping[str, object], now: Mapping[str, object]) -> str:
    if name == "fingerprint":
        return ": files were added, removed or changed"
    return f" ({before[name]!r:.200} then, {now[name]!r:.200} now)"
