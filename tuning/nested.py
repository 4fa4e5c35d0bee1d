"""Nested folds: how good the search is, and not only its winner on the data that chose it.

In each outer fold a whole search runs on the other folds, and the settings that it finds best learn there and are
scored on this one, which nothing was chosen by. Cawley and Talbot, On Over-fitting in Model Selection (JMLR 11, 2010),
show that the score by which settings were chosen is too good, and that this one is not.
"""

from collections.abc import Mapping

import keras

from finetune.config import FinetuneConfig
from finetune.learning import learn
from finetune.progress import Reporter
from tuning.carrying_out import carry_out
from tuning.ground import Grounds, OuterFold
from tuning.nested_result import NestedResult, OuterScore, folder_of, read_json, write_json, write_nested
from tuning.planning import SpaceLike, plan_search
from tuning.quiet import tensorflow_quiet
from tuning.ranking import Candidate, candidates
from tuning.report.page import write_report
from tuning.run_trial import scores_on
from tuning.settings import settings_of
from tuning.study import Study
from tuning.trial import Trial
from tuning.wishes import Wishes
from zoo.errors import RunStateError

# In the study of a fold: what its best scored on the fold.
_OUTSIDE = "outside.json"


def search_folds(
    base: FinetuneConfig, grounds: Grounds, wishes: Wishes, *, study: Study, space: SpaceLike, reporter: Reporter
) -> NestedResult:
    """Search in each outer fold, score what it chose outside of it, and write both into the study.

    The study of fold n is `STUDY/nested-COUNT/fold-n`; each resumes as any other.

    Args:
        base: settings that all trials share.
        grounds: of the plain search, whose data are dealt anew.
        wishes: how to search; each fold has this budget for itself.
        study: of the plain search, which has ended.
        space: what may be tried.
        reporter: says how it goes.

    Raises:
        RunStateError: none of a fold's trials has a score.
    """
    count, rows = wishes.nested_folds, []
    folder = folder_of(study.path, count)
    for number in range(1, count + 1):
        reporter.say(f"outer fold {number} of {count}: a whole search without its examples")
        inside = grounds.on_fold(OuterFold(number, count))
        plan = plan_search(base, inside, wishes, space=space, path=folder / f"fold-{number}", reporter=reporter)
        rows.append(_scored(inside, carry_out(plan, wishes, reporter), number))
        reporter.say(
            f"outer fold {number} of {count}: {study.objective.name} {rows[-1].outside:.4g} outside of its search"
        )
    result = NestedResult(study.objective.name, tuple(rows))
    write_nested(study.path, result)
    write_report(study)
    return result


def _scored(grounds: Grounds, inner: Study, number: int) -> OuterScore:
    """Return what the search of a fold chose with its score outside, which is kept for the next call."""
    found = candidates(inner)
    if not found:
        raise RunStateError(f"{inner.path}: none of {len(inner.trials)} trials has a score, so none can be judged")
    path, best = inner.path / _OUTSIDE, found[0]
    kept = read_json(path) if path.is_file() else {}
    known = _mark(inner, best)
    if kept.get("of") != known:
        scores, examples = _outside(grounds, best.trial)
        kept = {"of": known, "scores": scores, "examples": examples}
        write_json(path, kept)
    values, outside = dict(best.trial.proposal.values), kept["scores"][inner.objective.name.removeprefix("val_")]
    return OuterScore(number, best.trial.number, values, best.mean, outside, kept["scores"], kept["examples"])


def _mark(inner: Study, best: Candidate) -> list[object]:
    """Return what a score outside is known by: another study, or another winner, has another one."""
    return [inner.about["id"], best.trial.number]


def _outside(grounds: Grounds, trial: Trial) -> tuple[Mapping[str, float], Mapping[str, int]]:
    """Let a trial's settings learn as `finetune fit` would; return scores on the fold, and the sizes of all sides."""
    asked = grounds.asked(settings_of(trial.proposal.values), seed=trial.seed)
    ground = grounds.under(asked, Reporter(0))
    config, sides = ground.config(asked), ground.prepared.splits
    keras.utils.set_random_seed(config.seed)
    with tensorflow_quiet():
        lesson, trunk = ground.lesson(config)
        learned = learn(lesson, trunk, ground.splits)
        return scores_on(ground, learned, sides.test, ""), sides.sizes()
