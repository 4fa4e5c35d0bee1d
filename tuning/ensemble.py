"""The best heads of a study averaged in one model, chosen on examples by which the search chose nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from finetune.config import FinetuneConfig
from finetune.data.split import Splits
from finetune.environment import environment
from finetune.evaluation.sides import full_metrics
from finetune.judging import judge
from finetune.learning import Learned, learn
from finetune.progress import Reporter
from finetune.report.write import write_report
from finetune.run import Run
from finetune.run_dir import RunDir
from finetune.tasks import TASKS
from finetune.transfer.runtime_names import in_float32
from finetune.transfer.trunk import verify_joined
from tuning.best_model import joined
from tuning.ground import Ground, Grounds
from tuning.objective import Objective
from tuning.quiet import tensorflow_quiet
from tuning.ranking import distinct
from tuning.reopening import grounds_of, require_same_data
from tuning.selection import average, choose_members
from tuning.settings import settings_of
from tuning.study import Study
from tuning.subject import Subject, subject_of
from tuning.trial import Trial
from zoo.errors import ConfigError, RunStateError
from zoo.weights.sources import file_sha256

# Share of the training side that nothing is learned from, so that it can choose.
CHOOSING = 0.2
ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class _Member:
    """A trial that learned without the examples that choose, and its answers for all."""

    trial: Trial
    config: FinetuneConfig
    learned: Learned
    answers: np.ndarray


def make_ensemble(study: Study, *data: object, members: int = 10, reporter: Reporter | None = None) -> Run:
    """Average the best heads of a study into one model, and write it as a run.

    The best trials learn again without a fifth of the training side. That fifth, by which the search chose nothing,
    says which of them make the best average, and which is the best alone. Both are then judged on the test side, once.
    The run's metrics are those of the average; under "single_best" are those of the one.

    Args:
        study: that has trials with scores; `STUDY/ensemble` is written.
        *data: what was searched, as in `load_best`: needed where it was objects of Python.
        members: most trials to choose from.
        reporter: shows progress.

    Raises:
        RunStateError: the data are not those of the study any more, fewer than two trials can be averaged, or they are
            of a function `build_model`.
        ConfigError: `members` is less than two; or objects of Python are needed and not given.
    """
    reporter = reporter or Reporter(0)
    if members < 2:
        raise ConfigError(f"an ensemble is of two members or more; received members={members}")
    if subject_of(study.about) is Subject.BUILD:
        raise RunStateError(
            f"{study.path} searched a function build_model, and what is averaged are heads on one network. Each model "
            f"that was kept comes with tuning.load_best(study, build_model, number=…)"
        )
    grounds = grounds_of(study, data, "make_ensemble")
    with tensorflow_quiet():
        ground, choosing, library = _trained(study, grounds, members, reporter)
    target = ground.prepared.kind.target(ground.data)
    cost = _cost_of(study.objective, target, choosing)
    counts = choose_members([member.answers[choosing] for member in library], cost)
    chosen = [at for at, count in enumerate(counts) for _ in range(count)]
    single = min(library, key=lambda member: cost(member.answers[choosing]))
    for member, count in zip(library, counts, strict=True):
        score = cost(member.answers[choosing])
        reporter.say(f"trial {member.trial.number}: {abs(score):.4g} on the choosing side, counts {count} times")
    outputs = average([member.answers for member in library], chosen)
    parts = [(member, count) for member, count in zip(library, counts, strict=True) if count]
    with RunDir.claim(study.path / ENSEMBLE, overwrite=True) as run_dir:
        _write(run_dir, study, ground, parts, outputs, single)
    return Run(study.path / ENSEMBLE)


def _trained(
    study: Study, grounds: Grounds, members: int, reporter: Reporter
) -> tuple[Ground, np.ndarray, list[_Member]]:
    """Return the ground of the best trial, the examples that choose, and the best trials trained without them."""
    ranked, library, ground, choosing = distinct(study.ranked(), members), [], None, None
    for trial in ranked:
        asked = grounds.asked(settings_of(trial.proposal.values), seed=trial.seed)
        # judged are answers on features, so these must be what the model that is kept computes
        asked = asked.model_copy(update={"runtime": in_float32(asked.runtime)})
        own = grounds.under(asked, reporter)
        config = own.config(asked)
        if ground is None:
            ground = own
            require_same_data(study, ground)
            learners, choosing = deal_choosing(ground, config.split_seed)
            splits = Splits(tuple(learners.tolist()), ground.splits.validation, ())
        # what learns in its trunk has a trunk of its own, and would make the model that many times as large
        if own is not ground or not own.learns_head_alone(config):
            continue
        keras.utils.set_random_seed(config.seed)
        lesson, trunk = own.lesson(config)
        learned = learn(lesson, trunk, splits)
        target = own.prepared.kind.target(own.data)
        answers = learned.outputs(TASKS[target.task], np.arange(len(target.values)))
        library.append(_Member(trial, config, learned, answers))
        reporter.say(f"trial {trial.number} has learned again, {len(library)} of at most {len(ranked)}")
    if len(library) < 2:
        raise RunStateError(
            f"{study.path}: {len(library)} trials can be averaged; an ensemble takes two or more that have a score, "
            f"differ in their values, and learn a head alone"
        )
    return ground, choosing, library


def deal_choosing(ground: Ground, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Deal the training side to those that learn and those that choose, as it was dealt: by class, group or time."""
    train, examples = np.array(ground.splits.train), ground.data.examples
    strata, groups = getattr(examples, "strata", None), getattr(examples, "groups", ())
    if strata is None:
        cut = round(len(train) * (1 - CHOOSING))
        return train[:cut], train[cut:]
    if len(groups):
        dealer = GroupShuffleSplit(1, test_size=CHOOSING, random_state=seed % 2**32)
        learners, choosing = next(dealer.split(train, groups=[groups[index] for index in train]))
        return train[learners], train[choosing]
    labels = np.asarray(strata)[train]
    enough = np.bincount(labels)[np.unique(labels)].min() >= 2 and len(train) * CHOOSING >= len(np.unique(labels))
    learners, choosing = train_test_split(
        train, test_size=CHOOSING, random_state=seed % 2**32, stratify=labels if enough else None
    )
    return np.sort(learners), np.sort(choosing)


def _write(
    run_dir: RunDir,
    study: Study,
    ground: Ground,
    parts: Sequence[tuple[_Member, int]],
    outputs: np.ndarray,
    single: _Member,
) -> None:
    kind, data, best = ground.prepared.kind, ground.data, parts[0][0]
    target, splits = kind.target(data), ground.prepared.splits
    heads = [member.learned.network.above(member.learned.cut) for member, _ in parts]
    total = sum(count for _, count in parts)
    model = joined(ground, heads, [count / total for _, count in parts], best.learned.scale)
    inputs, indices = kind.some_inputs(best.config, ground.trunk, data)
    verify_joined(model, inputs, outputs[list(indices)], best.learned.scale)
    run_dir.write_json("config", best.config.model_copy(update={"run_dir": str(run_dir.path)}).model_dump(mode="json"))
    run_dir.write_json("environment", environment())
    run_dir.write_json("data", ground.prepared.described)
    with run_dir.model_to_write() as temporary:
        model.save(temporary)
    card = {"format": 1, "task": target.task, "name": best.config.model, "class_names": list(target.names)}
    card |= {"parameters": model.count_params(), "trainable_parameters": 0, "stages": []}
    card |= kind.describe_inputs(best.config, ground.trunk)
    why = f"of {study.about['algorithm']} search {study.path.name}, chosen on a fifth of the training side"
    members = {f"trial {member.trial.number}": count for member, count in parts}
    card |= {"model_sha256": file_sha256(run_dir.model_path)}
    run_dir.write_json("model", card | {"decisions": [{"what": "members", "value": members, "why": why}]})
    run_dir.write_history(best.learned.history)
    judged, alone = (judge(kind, data, splits, one, None) for one in (outputs, single.answers))
    metrics = judged.metrics | {"seconds": {}, "single_best": {"trial": single.trial.number, **alone.metrics}}
    run_dir.write_predictions(judged.rows)
    run_dir.write_json("metrics", metrics)
    run_dir.write_json("mistakes", [])
    write_report(run_dir)
    run_dir.finish()


def _cost_of(objective: Objective, target: object, choosing: np.ndarray) -> Callable[[np.ndarray], float]:
    values = target.values[choosing]

    def cost(answers: np.ndarray) -> float:
        found = full_metrics(target.task, values, answers, target.names)[objective.name.removeprefix("val_")]
        return objective.cost(found)

    return cost
