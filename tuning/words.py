"""What people and scripts read of a study: its trials as a table, CSV and JSON; its best, also as settings."""

import csv
import io
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import yaml

from tuning.nested_result import read_nested
from tuning.ranking import TOP, Candidate, candidates
from tuning.settings import settings_of
from tuning.study import Study
from tuning.subject import Subject, subject_of
from tuning.trial import Trial
from zoo.errors import RunStateError

_MEASURES = ("score", "status", "epochs", "seconds", "parameters", "trainable", "peak_bytes", "attempts", "seed")
_WIDE = 60


def trials_json(study: Study) -> list[dict[str, object]]:
    """Return all trials as JSON values, runs with fresh seeds among them."""
    everything = [again for trial in study.trials for again in (trial, *study.repeats_of(trial.number))]
    return [trial_json(trial) for trial in everything]


def trial_json(trial: Trial) -> dict[str, object]:
    """Return a trial as JSON values, without what it does not have."""
    found = {"number": trial.number, "repeat": trial.repeat, "values": dict(trial.proposal.values)}
    found |= {"trained_to": trial.proposal.epochs, "continues": trial.proposal.continues}
    found |= {name: getattr(trial, name) for name in (*_MEASURES, "scores", "curve_epochs", "curve", "error")}
    return {name: value for name, value in found.items() if value is not None}


def trials_csv(study: Study) -> str:
    """Return all trials as CSV: a column for each hyperparameter, score and measure."""
    rows = []
    for found in trials_json(study):
        row = {name: found.get(name) for name in ("number", "repeat", *_MEASURES)}
        row |= {f"values.{name}": value for name, value in found["values"].items()}
        row |= {f"scores.{name}": value for name, value in found.get("scores", {}).items()}
        rows.append(row | {"error": found.get("error")})
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["number"]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _escaped(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def table(study: Study) -> str:
    """Return the trials as lines for people, the best marked."""
    ranked = study.ranked()
    best = ranked[0].number if ranked else None
    lines = [f"{'trial':>6} {study.objective.name:>14}  {'status':<10} {'seconds':>8}  values"]
    for trial in study.trials:
        score = "" if trial.score is None else f"{trial.score:.6g}"
        seconds = "" if trial.seconds is None else f"{trial.seconds:.1f}"
        mark = "*" if trial.number == best else " "
        said = trial.error if trial.status == "failed" else _values(trial.proposal.values)
        lines.append(f"{mark}{trial.number:>5} {score:>14}  {trial.status:<10} {seconds:>8}  {said}")
    return "\n".join(lines)


def best_json(study: Study) -> dict[str, object]:
    """Return the best trial and the others that were run again, as JSON values.

    Raises:
        RunStateError: no trial has a score.
    """
    found = _candidates(study)
    nested = read_nested(study.path)
    judged = {"nested": {"mean": nested.mean, "spread": nested.spread, **asdict(nested)}} if nested else {}
    return {
        "study": str(study.path),
        "objective": str(study.objective),
        "trials": len(study.trials),
        "best": _candidate_json(found[0]) | {"settings": settings(study, found[0].trial)},
        "others": [_candidate_json(one) for one in found[1:TOP]],
    } | judged


def best_text(study: Study) -> str:
    """Return what people read of the best trial.

    Raises:
        RunStateError: no trial has a score.
    """
    found = _candidates(study)
    best, counts = found[0], {}
    for trial in study.trials:
        counts[trial.status] = counts.get(trial.status, 0) + 1
    lines = [
        f"{study.path}: {', '.join(f'{count:,} {status}' for status, count in counts.items())}",
        f"best: trial {best.trial.number}, {study.objective.name} {best.text}"
        + (f"; {best.trial.score:.4g} in the search, by which it was chosen" if best.fresh else ""),
        *(f"  {name} = {value}" for name, value in best.trial.proposal.values.items()),
    ]
    for one in found[1:TOP]:
        lines.append(f"next: trial {one.trial.number}, {one.text}: {_values(one.trial.proposal.values)}")
    return "\n".join([*lines, *_nested_lines(study), f"use it: {how_to_use(study)}"])


def best_config(study: Study) -> str:
    """Return the settings of the best trial as YAML for `finetune fit --config`; that run repeats the trial exactly.

    Raises:
        RunStateError: no trial has a score, or the study is of a function, which has no settings.
    """
    best = _candidates(study)[0]
    if subject_of(study.about) is Subject.BUILD:
        raise RunStateError(
            f"{study.path} searched a function build_model, of which `finetune fit` knows nothing; --json gives the "
            f"values of its best trial, and {how_to_use(study)} its model"
        )
    head = f"# trial {best.trial.number} of {study.path}\n# {study.objective.name} {best.text} (validation)\n"
    return head + yaml.safe_dump(settings(study, best.trial), sort_keys=False, allow_unicode=True)


def ensemble_text(path: Path, metrics: Mapping[str, object]) -> str:
    """Return what people read of an ensemble: its score on the test side beside that of the best trial alone."""
    lines = []
    for title, found in (
        ("average", metrics),
        (f"trial {metrics['single_best']['trial']} alone", metrics["single_best"]),
    ):
        test = found["test"]
        scores = ", ".join(f"{name} {test[name]:.4g}" for name in ("loss", "accuracy", "mae", "rmse") if name in test)
        lines.append(f"{title:>16}: {scores} on {test['num_examples']:,} test examples")
    return "\n".join([*lines, f"run: {path}"])


def _nested_lines(study: Study) -> list[str]:
    """Return what outer folds say of the search, beside which its own score is too good."""
    nested = read_nested(study.path)
    if nested is None:
        return []
    lines = [f"the search itself, judged outside of it: {nested.objective} {nested.text}"]
    for row in nested.rows:
        score = f"{row.outside:.4g}, where its search said {row.inside:.4g}"
        lines.append(f"  fold {row.fold}: {score}; chose {_values(row.values)}")
    return lines


def how_to_use(study: Study) -> str:
    """Return the command, or the line of Python, that makes something of the best trial."""
    path = shlex.quote(str(study.path))
    return {
        Subject.DATA: f"tuner best {path} --config > best.yaml && finetune fit --config best.yaml",
        Subject.OBJECTS: f"finetune.fit(x, y, **tuning.best_settings(tuning.Study({str(study.path)!r})))",
        Subject.BUILD: f"tuning.load_best(tuning.Study({str(study.path)!r}), build_model)",
    }[subject_of(study.about)]


def best_settings(study: Study) -> dict[str, object]:
    """Return the settings of the best trial, as `finetune.fit` takes them beside the data.

    Raises:
        RunStateError: no trial has a score, or the study is of a function, which has no settings.
    """
    best = _candidates(study)[0].trial
    if subject_of(study.about) is Subject.BUILD:
        raise RunStateError(f"{study.path} searched a function build_model; use {how_to_use(study)}")
    return {name: value for name, value in settings(study, best).items() if name != "data"}


def settings(study: Study, trial: Trial) -> dict[str, object]:
    """Return all settings of a trial: those that the study shares, its own, and its seed on the study's sides.

    Those of a function are the trial's values alone; objects of Python have no name as data.
    """
    subject, shared = subject_of(study.about), dict(study.about["settings"])
    if subject is Subject.BUILD:
        return dict(trial.proposal.values)
    sides = shared.get("split_seed", shared.get("seed", 0))
    data = {"data": study.about["source"]} if subject is Subject.DATA else {}
    return shared | data | settings_of(trial.proposal.values) | {"seed": trial.seed, "split_seed": sides}


def _candidates(study: Study) -> list[Candidate]:
    found = candidates(study)
    if not found:
        failed = [trial.error for trial in study.trials if trial.error]
        why = f"; the last error: {failed[-1]}" if failed else ""
        raise RunStateError(f"{study.path}: none of {len(study.trials)} trials has a score{why}")
    return found


def _candidate_json(candidate: Candidate) -> dict[str, object]:
    found = trial_json(candidate.trial)
    return found | {"fresh_scores": list(candidate.fresh), "mean": candidate.mean, "spread": candidate.spread}


def _values(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={_short(value)}" for name, value in values.items())


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"[:_WIDE]


def _escaped(value: object) -> object:
    """Return a cell that spreadsheets do not take for a formula."""
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky else value
