"""The report of a study as one HTML file that needs nothing else, made from its journal alone."""

from collections import Counter
from pathlib import Path

from finetune.report.figures import duration, memory, number, setting
from finetune.report.frame import page_frame
from tuning.nested_result import OuterScore, read_nested
from tuning.ranking import TOP, Candidate, candidates
from tuning.report import plots
from tuning.report.importance import MIN_TRIALS, importances, varying
from tuning.study import Study
from tuning.trial import Trial, repeats
from tuning.words import how_to_use
from zoo.atomic import write_atomic
from zoo.errors import ResourceError

REPORT = "report.html"
# Hyperparameters that lines can be followed through, and trials that are listed.
_AXES, _LISTED = 14, 1000


def write_report(study: Study) -> Path:
    """Make the page of a study again; return its path.

    Raises:
        ResourceError: it cannot be written.
    """
    path = study.path / REPORT
    try:
        write_atomic(path, render(study))
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def render(study: Study) -> str:
    """Return the page of a study: whatever became of its trials, there is one."""
    trials = study.trials
    scored = [trial for trial in trials if trial.score is not None]
    found = candidates(study)
    nested = read_nested(study.path)
    front = plots.pareto([trial for trial in scored if trial.seconds is not None], study.objective)
    values = {
        "source": Path(study.about["source"]).name or study.about["source"],
        "model": study.about["settings"].get("model", "auto"),
        "about": study.about,
        "objective": study.objective,
        "found": [_row(study, one) for one in found[:TOP]],
        "nested": nested,
        "nested_rows": [_outer(row) for row in nested.rows] if nested else [],
        "counts": Counter(trial.status for trial in trials),
        "spent": duration(study.spent_seconds),
        "pictures": _pictures(study, scored, front),
        "importances": importances(scored),
        "min_trials": MIN_TRIALS,
        "front": [_listed(trial) for trial in front],
        "duplicates": repeats(trials),
        "failures": [trial for trial in trials if trial.status == "failed"],
        "trials": [_listed(trial) for trial in trials[:_LISTED]],
        "hidden": max(0, len(trials) - _LISTED),
        "names": list(dict.fromkeys(name for trial in trials for name in trial.proposal.values)),
        "commands": how_to_use(study).split(" && "),
    }
    return page_frame(Path(__file__).parent).get_template("study.html").render(values)


def _pictures(study: Study, scored: list[Trial], front: list[Trial]) -> dict[str, bytes]:
    if not scored:
        return {}
    objective, names = study.objective, varying(scored)
    found = {"history": plots.history(scored, objective)}
    if names and len(scored) > 1:
        found["slices"] = plots.slices(scored, objective)
        if len(names) <= _AXES:
            found["parallel"] = plots.parallel(scored, objective)
    timed = [trial for trial in scored if trial.seconds is not None]
    if len(timed) > 1:
        found["cost"] = plots.cost(timed, front, objective)
    return found


def _row(study: Study, candidate: Candidate) -> dict[str, object]:
    trial = candidate.trial
    return _listed(trial) | {
        "text": candidate.text,
        "mean": f"{candidate.mean:.4g}",
        "spread": None if candidate.spread is None else f"{candidate.spread:.2g}",
        "fresh": [f"{score:.4g}" for score in candidate.fresh],
        "failed": sum(again.status == "failed" for again in study.repeats_of(trial.number)),
    }


def _listed(trial: Trial) -> dict[str, object]:
    """Return the texts of a trial."""
    return {
        "number": trial.number,
        "score": "–" if trial.score is None else f"{trial.score:.5g}",
        "status": trial.status,
        "epochs": number(trial.epochs) if trial.epochs else "–",
        "seconds": "–" if trial.seconds is None else duration(trial.seconds),
        "memory": "–" if trial.peak_bytes is None else memory(trial.peak_bytes),
        "parameters": "–" if trial.parameters is None else number(trial.parameters),
        "values": {name: _value(value) for name, value in trial.proposal.values.items()},
        "error": trial.error,
    }


def _outer(row: OuterScore) -> dict[str, object]:
    """Return the texts of an outer fold."""
    return {
        "fold": row.fold,
        "inside": f"{row.inside:.4g}",
        "outside": f"{row.outside:.4g}",
        "examples": ", ".join(f"{number(count)} {side}" for side, count in row.examples.items()),
        "values": ", ".join(f"{name} {_value(value)}" for name, value in row.values.items()),
    }


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else setting(value)
