"""Going on with a run that was stopped: with the same settings on the same data, from its newest checkpoint."""

from collections.abc import Mapping

from finetune.config import FinetuneConfig
from finetune.run_dir import RunDir
from finetune.training.checkpoints import Checkpoints
from finetune.training.keeper import Keeper
from zoo.errors import RunStateError

# What may differ: where things lie, and what changes no number. The data are known by their fingerprint.
_FREE = ("data", "run_dir", "cache_dir", "datasets_dir", "threads", "store_gigabytes", "checkpoint_seconds")
_SAME_DATA = ("fingerprint", "class_names", "outputs", "splits")


def new_keeper(run_dir: RunDir, config: FinetuneConfig) -> Keeper:
    """Return what keeps the state of a run that begins."""
    return Keeper(Checkpoints(run_dir.checkpoint_folder, config.checkpoint_seconds))


def keeper_of(run_dir: RunDir, config: FinetuneConfig, data: Mapping[str, object]) -> Keeper:
    """Return what keeps the state of a run that goes on; of one that begins where none is there.

    Args:
        run_dir: of the run.
        config: resolved, as it is now.
        data: data.json as it would be now.

    Raises:
        RunStateError: settings or data are not those that the run began with.
    """
    keeper = new_keeper(run_dir, config)
    if not run_dir.has_config:
        return keeper
    before, now = run_dir.read_json("config"), config.model_dump(mode="json")
    differ = [f"{name} was {before.get(name)!r}, is {now[name]!r}" for name in now if _differs(name, before, now)]
    there = run_dir.read_json("data") if run_dir.has_data else data
    differ += [
        f"{name} of the data differs{_of(name, there, data)}" for name in _SAME_DATA if there[name] != data[name]
    ]
    if differ:
        raise RunStateError(
            f"{run_dir.path} cannot be gone on with: {'; '.join(differ)}. Give what it began with, or begin a new run "
            f"with --overwrite or another --run-dir"
        )
    return Keeper(keeper.checkpoints, keeper.checkpoints.latest())


def _differs(name: str, before: Mapping[str, object], now: Mapping[str, object]) -> bool:
    return name not in _FREE and before.get(name) != now[name]


def _of(name: str, before: Mapping[str, object], now: Mapping[str, object]) -> str:
    if name == "fingerprint":
        return ": files were added, removed or changed"
    return f" ({before[name]!r:.200} then, {now[name]!r:.200} now)"
