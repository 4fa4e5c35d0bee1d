"""A study written as a project of keras-tuner's, which its own tuners and tools read."""

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras_tuner as kt

from tuning.keras_space import to_keras
from tuning.objective import DIRECTIONS
from tuning.space import Space
from tuning.study import Study
from tuning.trial import Trial
from zoo.atomic import write_atomic
from zoo.errors import ConfigError, ResourceError

# keras-tuner reads an oracle's state back only into an oracle of the same kind.
_ORACLES: Mapping[str, type[kt.Oracle]] = {
    "random": kt.oracles.RandomSearchOracle,
    "grid": kt.oracles.GridSearchOracle,
    "bayesian": kt.oracles.BayesianOptimizationOracle,
    "hyperband": kt.oracles.HyperbandOracle,
}
TUNERS = {"random": "RandomSearch", "grid": "GridSearch", "bayesian": "BayesianOptimization", "hyperband": "Hyperband"}


def write_keras_project(study: Study, folder: str | Path) -> Path:
    """Write the trials of a study that have ended as keras-tuner 1.4 lays them out.

    That is oracle.json, tuner0.json, and a trial_0000/trial.json for each. The scores are those of the search; runs
    with fresh seeds are not in it, for keras-tuner has none.

    Args:
        study: to write.
        folder: that is not there, or empty; what keras-tuner calls directory and project_name.

    Returns:
        The absolute path of the folder.

    Raises:
        ConfigError: the folder holds something, or keras-tuner has no word for the space.
        ResourceError: it cannot be written.
    """
    folder = Path(folder).expanduser().absolute()
    space = Space.from_mapping(study.about["space"])
    ended = [trial for trial in study.trials if trial.status != "running"]
    width = max(4, len(str(len(study.trials))))
    files = {f"trial_{trial.number:0{width}}/trial.json": _trial(study, space, trial, width) for trial in ended}
    # the tuner's own file last: where it is, keras-tuner takes the project to be whole
    files |= {"oracle.json": _oracle(study, space, ended, width), "tuner0.json": {}}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"{folder}: is not empty; name a folder that is not there, or an empty one")
        for name, values in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            write_atomic(folder / name, json.dumps(values))
    except OSError as error:
        raise ResourceError(f"{folder}: cannot be written ({error.strerror})") from error
    return folder


def how_to_read(study: Study, folder: Path) -> str:
    """Return the line of Python by which keras-tuner reads a project."""
    tuner, objective = TUNERS[study.about["algorithm"]], study.objective
    where = f"directory={str(folder.parent)!r}, project_name={folder.name!r}"
    return (
        f"keras_tuner.{tuner}(build_model, keras_tuner.Objective({objective.name!r}, {objective.direction!r}), "
        f"{where}).results_summary()"
    )


def _trial(study: Study, space: Space, trial: Trial, width: int) -> dict[str, object]:
    """Return what keras-tuner's `Trial.get_state` would."""
    step = _best_epoch(study, trial)
    scores = dict(trial.scores or {}) | ({} if trial.score is None else {study.objective.name: trial.score})
    metrics = {
        name: {
            "direction": study.objective.direction if name == study.objective.name else DIRECTIONS.get(name, "min"),
            "observations": [{"value": [value], "step": step}],
        }
        for name, value in scores.items()
    }
    early = "ended early: half of the others were better at the same epoch" if trial.status == "stopped" else None
    return {
        "trial_id": f"{trial.number:0{width}}",
        "hyperparameters": to_keras(space, {**trial.proposal.values, **_words(trial, width)}).get_config(),
        "metrics": {"metrics": metrics},
        "score": trial.score,
        "best_step": step,
        # it has no status for what was ended early, and would name one that has a score the best
        "status": "COMPLETED" if trial.status == "completed" else "FAILED",
        "message": trial.error or early,
    }


def _words(trial: Trial, width: int) -> dict[str, object]:
    """Return what its Hyperband keeps among the values."""
    proposal = trial.proposal
    if proposal.epochs is None:
        return {}
    words = {"tuner/epochs": proposal.epochs, "tuner/bracket": proposal.bracket, "tuner/round": proposal.round}
    return words | ({} if proposal.continues is None else {"tuner/trial_id": f"{proposal.continues:0{width}}"})


def _best_epoch(study: Study, trial: Trial) -> int:
    """Return the epoch of the score, from 0 as keras-tuner counts; where it is not known, the last."""
    values = (trial.curve or {}).get(study.objective.name)
    if not values:
        return max(0, (trial.epochs or 1) - 1)
    costs = [study.objective.cost(value) for value in values]
    return trial.curve_epochs[costs.index(min(costs))] - 1


def _oracle(study: Study, space: Space, ended: Sequence[Trial], width: int) -> dict[str, object]:
    """Return what its `Oracle.get_state` would after these trials."""
    objective = kt.Objective(study.objective.name, study.objective.direction)
    seed = int(study.about["seed"])
    oracle = _ORACLES[study.about["algorithm"]](objective, hyperparameters=to_keras(space), seed=seed or None)
    names = [f"{trial.number:0{width}}" for trial in ended]
    begun = datetime.datetime.fromisoformat(study.about["created"]).replace(tzinfo=None).isoformat()
    display = {"search_start": begun, "trial_start": {}, "trial_number": {n: at + 1 for at, n in enumerate(names)}}
    return oracle.get_state() | {"start_order": names, "end_order": names, "seed": seed, "display": display}
