"""What learns: phase after phase on a network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType

import keras
import numpy as np

from finetune.clock import Clock
from finetune.config import FinetuneConfig
from finetune.data.split import SPLITS, Splits
from finetune.decide import Decision
from finetune.memory import give_back_memory
from finetune.progress import Reporter
from finetune.tasks import TASKS, Scale, Task
from finetune.training.epochs import Progress, Row
from finetune.training.fit import Material, Rates, fit_phase
from finetune.training.gradients import phase_faults
from finetune.training.keeper import Keeper
from finetune.training.loop import Watch
from finetune.training.state import begin_again, outside, put_outside, remembered, what_stays
from finetune.training.weights import example_weights
from finetune.transfer.freeze import Count, FreezeAudit, count_parameters, reinitialize, set_trainable
from finetune.transfer.methods import HEAD, Phase, phases_of
from finetune.transfer.network import FEATURES, INPUTS, Network, make_network
from finetune.transfer.trunk import head_outputs

# The part of a run in which the model that is kept learns.
WHOLE = "training"


@dataclass(frozen=True)
class Lesson:
    """What learning needs beside a split: the same for the kept model and for each fold.

    Attributes:
        kind: module for the kind of data.
        config: of the run, resolved.
        data: checked examples.
        reporter: shows progress.
        clock: times the parts.
        callbacks: of Keras.
        keeper: writes checkpoints, and knows where a run goes on that was stopped.
    """

    kind: ModuleType
    config: FinetuneConfig
    data: object
    reporter: Reporter
    clock: Clock = field(default_factory=Clock)
    callbacks: Sequence[keras.callbacks.Callback] = ()
    keeper: Keeper = Keeper()


@dataclass(frozen=True)
class Curriculum:
    """What learns, and in which phases.

    Attributes:
        trunk: what comes before the head.
        network: trunk and head as one graph.
        phases: of the method.
        material: what they learn from, but for the features.
    """

    trunk: object
    network: Network
    phases: tuple[Phase, ...]
    material: Material


@dataclass(frozen=True)
class Ready:
    """A phase that can begin.

    Attributes:
        phase: which one.
        model: from the cut to logits, not compiled; only what learns in the phase is trainable.
        material: what it learns from.
        rates: variables of each stage and what their learning rate is multiplied by.
        cut: where the network is cut.
        features: of all examples at that cut.
    """

    phase: Phase
    model: keras.Model
    material: Material
    rates: Rates
    cut: str
    features: object


@dataclass(frozen=True)
class Learned:
    """A network that has learned.

    Attributes:
        network: with the weights of its best epoch.
        scale: of targets that are numbers.
        history: a row for each epoch of all phases.
        best_epoch: whose weights are kept, counted from 1 over all phases.
        stages: parameters by stage, as they learned in the last phase.
        cut: where the network was cut last.
        features: of all examples at that cut.
        runtime: what ran the frozen part, where there was a choice.
    """

    network: Network
    scale: Scale | None
    history: list[Row]
    best_epoch: int
    stages: list[Count]
    cut: str
    features: object
    runtime: Decision | None = None

    def outputs(self, task: Task, indices: np.ndarray, features: np.ndarray | None = None) -> np.ndarray:
        """Return the outputs (n, outputs) float32 for rows of the features, or of others at the same cut."""
        array = self.features.array if features is None else features
        return head_outputs(self.network.above(self.cut), array, task, self.scale, indices=indices)


def learn(lesson: Lesson, trunk: object, splits: Splits, title: str = WHOLE) -> Learned:
    """Build a network on a trunk and train it, phase by phase, the validation side picking the epoch.

    Everything below the lowest stage that learns in a phase is run once over all examples, and what it gives is kept.

    Args:
        lesson: what is learned, and how.
        trunk: what comes before the head; its weights change where the method says so.
        splits: who learns and who picks.
        title: of the bar.
    """
    course = begin(lesson, trunk, splits)
    ready, progress, runtime = None, None, None
    for number in range(len(course.phases)):
        if not lesson.keeper.is_past(title, number):
            ready, progress = learn_phase(lesson, course, number, before=progress, title=title)
            runtime = ready.features.runtime or runtime
    network, scale = course.network, course.material.scale
    stages = count_parameters(network)
    best = progress.best["epoch"]
    return Learned(network, scale, progress.rows, best, stages, ready.cut, ready.features, runtime)


def begin(lesson: Lesson, trunk: object, splits: Splits) -> Curriculum:
    """Return a network with a new head, and what it will learn in which phases; arguments are those of `learn`."""
    kind, config = lesson.kind, lesson.config
    target = kind.target(lesson.data)
    task, sides = TASKS[target.task], {name: np.array(getattr(splits, name), int) for name in SPLITS}
    scale = None if task.activation else Scale.of(target.values[sides["train"]])
    network = _new_network(lesson, trunk)
    phases = phases_of(config, tuple(network.stages) if kind.STAGED else (HEAD,))
    weights = example_weights(config, target, sides["train"], lesson.data.examples.weights)
    # features come with the phases, as each has a cut of its own
    material = Material(None, target.values, task, sides, scale, weights, kind.mixing(config))
    return Curriculum(trunk, network, phases, material)


def make_ready(lesson: Lesson, course: Curriculum, number: int) -> Ready:
    """Set which layers learn in a phase, and have all examples run through what is below them."""
    kind, config = lesson.kind, lesson.config
    network, phase = course.network, course.phases[number]
    fresh = {HEAD}.union(*(one.reinit for one in course.phases[: number + 1]))
    reinitialize(network, phase.reinit, seed=config.seed)
    set_trainable(network, phase.stages, bn=config.bn, freeze=config.freeze, fresh=tuple(fresh))
    if kind.STAGED:
        lesson.reporter.say(_described(phase, count_parameters(network)))
    cut, features = _prepare(lesson, course.trunk, network, phase)
    give_back_memory()
    model = kind.training_model(config, network.above(cut), whole=cut == INPUTS or not kind.STAGED)
    material = replace(course.material, features=features.array, views=getattr(features, "views", 0))
    return Ready(phase, model, material, _rates(config, network, phase), cut, features)


def learn_phase(
    lesson: Lesson, course: Curriculum, number: int, *, before: Progress | None, title: str
) -> tuple[Ready, Progress]:
    """Train a phase, or what is left of it; return it, and the progress with the history so far.

    Args:
        lesson: what is learned, and how.
        course: what learns, phase after phase.
        number: of the phase, from 0.
        before: of the phase before it.
        title: of the bar.
    """
    going_on = lesson.keeper.goes_on(title, number)
    if going_on:
        before = remembered(lesson.keeper.saved.place["before"])
        # what runs once below the cut has to be as the phases before left it
        put_outside(course.network.model, going_on)
    ready = make_ready(lesson, course, number)
    if going_on and not going_on.numbers:
        begin_again(ready.model, going_on)
        going_on = None
    audit, history = FreezeAudit(course.network), before.rows if before else []
    place = {"part": title, "phase": number, "before": what_stays(before)}
    with (
        lesson.clock("train"),
        lesson.keeper.watching(ready.model, place, _changed_below(course, number, ready)) as between,
        lesson.reporter.epochs(_titled(title, ready.phase, course.phases), ready.phase.epochs) as on_epoch,
    ):
        on_epoch = _warned(lesson, on_epoch, going_on.numbers["rows"] if going_on else ())
        watch = Watch(lesson.callbacks, on_epoch, _both(_once(audit.check), between))
        progress = fit_phase(
            ready.model,
            ready.material,
            lesson.config,
            ready.phase,
            rates=ready.rates,
            before=before,
            saved=going_on,
            watch=watch,
        )
        audit.check()
    progress.rows[:0] = history
    return ready, progress


def _changed_below(course: Curriculum, number: int, ready: Ready) -> dict[str, np.ndarray]:
    """Return what earlier phases changed below the cut of a phase: nothing where each reaches lower than the last."""
    stages = list(course.network.stages)
    lowest = [stages.index(phase.stages[0]) for phase in course.phases[: number + 1]]
    return outside(course.network.model, ready.model) if min(lowest) < lowest[-1] else {}


def _new_network(lesson: Lesson, trunk: object) -> Network:
    """Return a trunk with a new head."""
    target = lesson.kind.target(lesson.data)
    head = lesson.kind.new_head(lesson.config, trunk.model.output_shape[1:], target)
    return make_network(trunk.model, head, staged=lesson.kind.STAGED)


def _prepare(lesson: Lesson, trunk: object, network: Network, phase: Phase) -> tuple[str, object]:
    """Return where the network is cut for a phase, and what all examples are there."""
    with lesson.clock("features"):
        if lesson.kind.STAGED:
            wanted = network.cut_below(phase.stages[0])
            return lesson.kind.prepare(lesson.config, trunk, network, wanted, lesson.data, lesson.reporter)
        return FEATURES, lesson.kind.features(lesson.config, trunk, lesson.data, lesson.reporter)


def _rates(config: FinetuneConfig, network: Network, phase: Phase) -> Rates:
    """Return the variables of each stage that learns, and what their rate is multiplied by: less the lower they are."""
    above = {stage: number for number, stage in enumerate(reversed(phase.stages))}
    return {
        stage: ([v for layer in network.stages[stage] for v in layer.trainable_weights], config.layer_decay**depth)
        for stage, depth in above.items()
    }


def _warned(lesson: Lesson, on_epoch: Callable[[Row], None], before: Sequence[Row]) -> Callable[[Row], None]:
    """Return what is called with each row of a phase: it says once what is wrong with the gradients."""
    rows, said = [*before], set(phase_faults(before))

    def after_epoch(row: Row) -> None:
        on_epoch(row)
        rows.append(row)
        for kind, fault in phase_faults(rows).items():
            if kind not in said:
                lesson.reporter.warn(fault)
            said.add(kind)

    return after_epoch


def _both(first: Callable[[Progress], None], second: Callable[[Progress], None]) -> Callable[[Progress], None]:
    def between(progress: Progress) -> None:
        first(progress)
        second(progress)

    return between


def _once(check: Callable[[], None]) -> Callable[[Progress], None]:
    """Return what checks after the first call of steps, and never again."""
    left = [check]
    return lambda progress: left.pop()() if left else None


def _described(phase: Phase, counts: Sequence[Count]) -> str:
    """Return a line that says what learns in a phase."""
    learning = ", ".join(f"{count.stage} {count.trainable:,}" for count in counts if count.trainable)
    total, all_of_it = sum(count.trainable for count in counts), sum(count.parameters for count in counts)
    again = f"; {', '.join(phase.reinit)} from random weights" if phase.reinit else ""
    return f"  phase {phase.name}: {total:,} of {all_of_it:,} parameters learn ({learning}){again}"


def _titled(title: str, phase: Phase, phases: Sequence[Phase]) -> str:
    return title if len(phases) == 1 else f"{title}: {phase.name}"
