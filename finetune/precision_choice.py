"""Which precision a run learns in: the one given, the one it began with, or the fastest by a few steps of its model."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import ModuleType

import keras
import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.split import Splits
from finetune.data.targets import Target
from finetune.decide import Decision
from finetune.devices import has_gpu
from finetune.environment import cpu_flags
from finetune.progress import Reporter
from finetune.run_dir import RunDir
from finetune.tasks import TASKS, Scale
from finetune.training.fit import Material
from finetune.training.precision import BFLOAT16, FLOAT16, FLOAT32, halved_layers
from finetune.training.step_rates import StepRates, step_rates
from finetune.transfer.freeze import set_trainable
from finetune.transfer.methods import HEAD, Phase, phases_of
from finetune.transfer.network import FEATURES, INPUTS, Network, make_network
from zoo.description import describe
from zoo.errors import RunStateError

AUTO = "auto"
# What another precision has to be faster by: less is within what a busy machine hides.
WORTH = 1.15
# Instructions on half precision as Linux names them: of x86, and of ARM. Without any, it is float32 with detours.
_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16")
# Most of a run's seconds that measuring may take. Whether it would is guessed first: how long a layer takes to compile,
# and how many operations a second a core or a GPU makes at best.
_MOST_SHARE = 0.03
_LAYER_SECONDS, _CORE_SPEED, _GPU_SPEED = 0.03, 3e10, 1e13
# Forward, and twice as much backward; each a multiplication and an addition.
_OPERATIONS = 6
# Not 0, by which Ftrl would divide.
_NO_RATE = 1e-9


@dataclass(frozen=True)
class PrecisionChoice:
    """What a run learns in, and why.

    Attributes:
        value: of the setting.
        why: in words; empty where the user chose.
        rates: examples a second by precision, where they were measured.
    """

    value: str
    why: str = ""
    rates: Mapping[str, float] = field(default_factory=dict)

    @property
    def decisions(self) -> list[Decision]:
        """The decision of the run; none where the user chose."""
        return [Decision("precision", self.value, self.why)] if self.why else []

    def as_json(self) -> dict[str, object]:
        """Return JSON values, by which `choice_of` knows it again."""
        return asdict(self)


def choice_of(run_dir: RunDir) -> PrecisionChoice | None:
    """Return what a run that is there began with; None where none is, or where it does not say."""
    if not run_dir.has("config"):
        return None
    value = run_dir.read_json("config").get("precision", AUTO)
    try:
        stored = run_dir.read_json("environment").get("precision")
    except RunStateError:  # killed before it was written
        stored = None
    if stored and stored["value"] == value:
        return PrecisionChoice(**stored)
    if value == AUTO:
        return None
    # decisions lie there before the config does
    return PrecisionChoice(value, next((one["why"] for one in _decisions(run_dir) if one["what"] == "precision"), ""))


def _decisions(run_dir: RunDir) -> list[dict[str, object]]:
    return run_dir.read_json("decisions") if run_dir.has("decisions") else []


def choose_precision(
    kind: ModuleType, config: FinetuneConfig, data: object, trunk: object, splits: Splits, reporter: Reporter
) -> PrecisionChoice:
    """Return the precision that a run learns in.

    With "auto" it is float32 where that is clear; else the phase with the most work is timed in each precision that
    the machine has, and another than float32 is taken where it is 1.15 times as fast.

    Args:
        kind: module for the kind of data.
        config: resolved.
        data: checked examples.
        trunk: what comes before the head; it is left as it was.
        splits: who learns.
        reporter: says what was found.
    """
    gpu = has_gpu()
    if config.precision != AUTO:
        if config.precision == FLOAT16 and not gpu:
            reporter.warn("precision=mixed_float16 without a GPU is many times slower than float32")
        return PrecisionChoice(config.precision)
    choice = _chosen(kind, config, data, trunk, splits, gpu=gpu)
    for decision in choice.decisions:
        reporter.say(f"  {decision}")
    return choice


def _chosen(
    kind: ModuleType, config: FinetuneConfig, data: object, trunk: object, splits: Splits, *, gpu: bool
) -> PrecisionChoice:
    flags = cpu_flags()
    if not gpu and flags is not None and flags.isdisjoint(_INSTRUCTIONS):
        return PrecisionChoice(FLOAT32, "this processor has no instructions for bfloat16")
    if kind.STAGED and config.method == "head":
        return PrecisionChoice(FLOAT32, "a linear head learns, which takes no time")
    target = kind.target(data)
    head = kind.new_head(config, trunk.model.output_shape[1:], target)
    network = make_network(trunk.model, head, staged=kind.STAGED)
    rehearsal = _rehearsal(kind, config, data, network, splits)
    phase, others = rehearsal.phase, (BFLOAT16, FLOAT16) if gpu else (BFLOAT16,)
    layers = halved_layers(network.above(rehearsal.cut))
    guess = rehearsal.operations / (_GPU_SPEED if gpu else _CORE_SPEED * (os.cpu_count() or 1))
    if not layers or (1 + len(others)) * len(layers) * _LAYER_SECONDS > _MOST_SHARE * guess:
        return PrecisionChoice(FLOAT32, "too little is computed to be worth a measurement")
    set_trainable(network, phase.stages, bn=config.bn, freeze=config.freeze)
    whole = rehearsal.cut == INPUTS or not kind.STAGED
    model = kind.training_model(config, network.above(rehearsal.cut), whole=whole)
    found = step_rates(
        model,
        _made_up(kind, config, model, target, splits.train),
        config,
        # steps that change next to nothing: only their time is wanted
        replace(phase, learning_rate=_NO_RATE),
        others=others,
        examples=rehearsal.examples,
        most_share=_MOST_SHARE,
    )
    return _judged(found)


def _judged(found: StepRates) -> PrecisionChoice:
    """Return the fastest precision, float32 where none is clearly faster."""
    rates = {name: round(rate, 2) for name, rate in found.rates.items()}
    others = {name: rate for name, rate in found.rates.items() if name != FLOAT32}
    if not others:
        why = f"the run takes {found.run_seconds:,.0f} s at most, too short to measure others"
        return PrecisionChoice(FLOAT32, why, rates)
    best = max(others, key=others.get)
    words = ", ".join(
        f"{rate:,.0f}" + (f" in {name} ({rate / found.rates[FLOAT32]:.2f} times)" if name in others else f" in {name}")
        for name, rate in found.rates.items()
    )
    value = best if others[best] >= WORTH * found.rates[FLOAT32] else FLOAT32
    need = "" if value != FLOAT32 else f"; {WORTH} times would be worth it"
    return PrecisionChoice(
        value, f"examples a second in training: {words}{need}; found in {found.seconds:.0f} s", rates
    )


@dataclass(frozen=True)
class _Rehearsal:
    """The phase of a run with the most work.

    Attributes:
        phase: which.
        cut: where the network is cut for it.
        examples: that the run takes through what is above the cut, most likely.
        operations: that this takes.
    """

    phase: Phase
    cut: str
    examples: float
    operations: float


def _rehearsal(kind: ModuleType, config: FinetuneConfig, data: object, network: Network, splits: Splits) -> _Rehearsal:
    found = []
    for phase in phases_of(config, tuple(network.stages) if kind.STAGED else (HEAD,)):
        cut = kind.cut_for(config, network, network.cut_below(phase.stages[0]), data) if kind.STAGED else FEATURES
        # patience ends most phases before their last epoch
        epochs = min(phase.epochs, 2 * phase.patience)
        examples = len(splits.train) * epochs * (1 + len(splits.folds))
        operations = _OPERATIONS * describe(network.above(cut)).totals.multiply_adds * examples
        found.append(_Rehearsal(phase, cut, examples, operations))
    return max(found, key=lambda one: one.operations)


def _made_up(
    kind: ModuleType, config: FinetuneConfig, model: keras.Model, target: Target, train: Sequence[int]
) -> Material:
    """Return a batch of inputs that are drawn, with targets of the training side: how long steps take is the same."""
    count = min(config.batch_size, len(train))
    x = np.random.default_rng(0).random((count, *model.input_shape[1:]), "float32")
    values = target.values[np.array(train)[:count]]
    task = TASKS[target.task]
    scale = None if task.activation else Scale.of(values)
    sides = {"train": np.arange(count), "validation": np.arange(1)}
    return Material(x, values, task, sides, scale, None, kind.mixing(config))
