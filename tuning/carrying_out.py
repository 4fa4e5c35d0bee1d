"""What every search does, whatever its trials are: claim the study, propose and run, run the best again, report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from finetune.progress import Reporter
from tuning import states
from tuning.grid_search import grid_size
from tuning.hparams_log import FOLDER as EVENTS
from tuning.hparams_log import HParamsLog
from tuning.in_process import InProcess
from tuning.job import Runner
from tuning.kept import Kept
from tuning.loop import Budget, Executor, Loop
from tuning.objective import Objective
from tuning.oracles import make_algorithm
from tuning.probing import Probing
from tuning.ranking import worth_keeping
from tuning.ray_cluster import RayCluster
from tuning.report.page import write_report
from tuning.run_trial import RecipeRunner
from tuning.space import Space
from tuning.stacking import Stacking
from tuning.study import MODELS, STATES, Study
from tuning.told import Told
from tuning.trial import Trial
from tuning.wishes import AUTO, Wishes
from tuning.workers import Workers


@dataclass(frozen=True)
class Plan:
    """A search that is ready to begin.

    Attributes:
        path: of the study.
        source: where the data are, for people.
        data: what they are known by.
        objective: of the search.
        space: that is searched.
        seed: of the study.
        settings: that all trials share.
        max_epochs: of a trial of Hyperband that is never given up.
        ends_hopeless: whether the median rule is used.
        tensorboard: whether TensorBoard is to show the trials.
        runner: from where weights and states go to what runs trials.
    """

    path: Path
    source: str
    data: Mapping[str, object]
    objective: Objective
    space: Space
    seed: int
    settings: Mapping[str, object]
    max_epochs: int
    ends_hopeless: bool
    tensorboard: bool
    runner: Callable[[Kept, Path], Runner]


def carry_out(plan: Plan, wishes: Wishes, reporter: Reporter) -> Study:
    """Search as planned, and return the study.

    Raises:
        RunStateError: the study was begun with something else, or none of its first trials could be run.
        LockedError: another process is searching there.
        ResourceError: the disk is full or cannot be written.
    """
    about = {
        **{"source": plan.source, "data": dict(plan.data), "objective": str(plan.objective)},
        **{"space": plan.space.as_json(), "algorithm": wishes.algorithm, "seed": plan.seed},
        "settings": dict(plan.settings),
    }
    algorithm = make_algorithm(
        wishes.algorithm,
        plan.space,
        direction=plan.objective.direction,
        seed=plan.seed,
        max_trials=wishes.max_trials,
        max_epochs=plan.max_epochs if wishes.algorithm == "hyperband" else None,
    )
    log = HParamsLog(plan.path / EVENTS, plan.objective) if plan.tensorboard else None
    if wishes.algorithm == "grid":
        reporter.say(f"a grid of {grid_size(plan.space):,} combinations")
    with Study.claim(plan.path, about) as study:
        kept = Kept(study.path / MODELS, study.about["id"])
        kept.take_over({trial.number for trial in study.trials})
        budget = Budget(wishes.max_trials, None if wishes.max_minutes is None else wishes.max_minutes * 60)
        with make_executor(wishes, plan.runner(kept, study.path / STATES), reporter) as executor:
            loop = Loop(
                study,
                algorithm,
                executor,
                budget,
                on_end=_told(study, budget, reporter, log),
                ends_hopeless=plan.ends_hopeless if wishes.ends_hopeless is None else wishes.ends_hopeless,
                prune=lambda: _prune(study, kept),
            )
            _run(loop, wishes.fresh_seeds, reporter)
        write_report(study)
    return study


def _told(study: Study, budget: Budget, reporter: Reporter, log: HParamsLog | None) -> Callable[[Trial], None]:
    """Return what is called with each trial that has ended."""
    told = Told(study, budget, reporter)
    if log is None:
        return told
    log.write_missing(again for trial in study.trials for again in (trial, *study.repeats_of(trial.number)))

    def tell(trial: Trial) -> None:
        log.write(trial)
        told(trial)

    return tell


def make_executor(wishes: Wishes, runner: Runner, reporter: Reporter) -> Executor:
    """Return what runs trials."""
    if wishes.workers == AUTO:
        return Probing(runner, reporter)
    if wishes.cluster:
        return RayCluster(runner, wishes.cluster, slots=wishes.workers or None)
    if wishes.workers:
        return Workers(runner, wishes.workers)
    # Hyperband cuts its trials and goes on with them, each from where it stands
    stacks = wishes.stack and wishes.algorithm != "hyperband" and isinstance(runner, RecipeRunner)
    return Stacking(runner, reporter) if stacks else InProcess(runner)


def _run(loop: Loop, fresh_seeds: int, reporter: Reporter) -> None:
    """Search, then run the best again with fresh seeds; whoever stops it finds the study ready to go on."""
    try:
        reporter.say(loop.search())
        loop.repeat(fresh_seeds)
    except KeyboardInterrupt:
        ranked = loop.study.ranked()
        best = f"; best so far {ranked[0].score:.4g}, trial {ranked[0].number}" if ranked else ""
        reporter.say(f"stopped after {len(loop.study.trials):,} trials{best}. The same command goes on")
        raise
    finally:
        loop.study.pause(loop.spent)


def _prune(study: Study, kept: Kept) -> None:
    """Remove weights of trials that are not among the best, and states that nothing goes on by."""
    kept.keep_only(worth_keeping(study))
    states.keep_only(study.path / STATES, study.trials)
