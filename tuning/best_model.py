"""The model of a trial, out of the weights that the study kept: nothing is trained."""

from collections.abc import Sequence

import keras

from finetune.config import FinetuneConfig
from finetune.progress import Reporter
from finetune.tasks import TASKS, Scale, finish
from finetune.transfer.network import make_network
from tuning.ground import Ground
from tuning.kept import Kept, KeptWeights
from tuning.ranking import candidates
from tuning.reopening import grounds_of, require_same_data
from tuning.run_build import rebuilt
from tuning.settings import settings_of
from tuning.study import MODELS, Study
from tuning.subject import Subject, subject_of
from tuning.trial import Trial
from zoo.errors import RunStateError


def load_best(study: Study, *data: object, number: int | None = None) -> keras.Model:
    """Return the model of the best trial, or of another whose weights were kept, from raw inputs to outputs.

    Args:
        study: that was searched.
        *data: what it searched, as `tuning.search` took it: x and y, a DataFrame, …, or the function `build_model`.
            Data that lie where they did need not be named; those that were moved are named by their new path.
        number: of a trial; None for the winner.

    Returns:
        The model; that of a function is compiled as the function does it.

    Raises:
        RunStateError: its weights are not there any more, or the data or the function are not those of the study.
        ConfigError: objects of Python, or a function, are needed and not given.

    Example:
        >>> model = load_best(Study("studies/mine"), x, y)  # doctest: +SKIP
    """
    trial = _trial(study, number)
    kept = Kept(study.path / MODELS, study.about["id"])
    if not kept.path(trial.number).is_file():
        raise RunStateError(
            f"{kept.path(trial.number)}: the weights of trial {trial.number} are gone{_next(study, kept)}"
        )
    weights = kept.read(trial.number)
    if subject_of(study.about) is Subject.BUILD:
        return rebuilt(study, data[0] if data else None, trial, weights)
    grounds = grounds_of(study, data, "load_best")
    asked = grounds.asked(settings_of(trial.proposal.values), seed=trial.seed)
    ground = grounds.under(asked, Reporter(0))
    require_same_data(study, ground)
    config = ground.config(asked)
    if ground.learns_head_alone(config):
        return _with_head(ground, config, weights)
    kind, target = ground.prepared.kind, ground.prepared.kind.target(ground.data)
    trunk = ground.trunk.model
    network = make_network(trunk, kind.new_head(config, trunk.output_shape[1:], target), staged=kind.STAGED)
    network.above(weights.cut).set_weights(weights.arrays)
    return network.finished(TASKS[target.task], scale_of(ground))


def joined(ground: Ground, heads: Sequence[keras.Model], shares: Sequence[float], scale: Scale | None) -> keras.Model:
    """Return one model, from raw inputs to the weighted mean of what heads on the same trunk give.

    Args:
        ground: with the trunk.
        heads: features to logits.
        shares: of each head; they sum to 1.
        scale: of numbers.
    """
    trunk, terms = ground.trunk.model, []
    task = TASKS[ground.prepared.kind.target(ground.data).task]
    for number, (head, share) in enumerate(zip(heads, shares, strict=True)):
        x = trunk.output
        for layer in head.layers:
            if not isinstance(layer, keras.layers.InputLayer):
                copy = type(layer).from_config(layer.get_config() | {"name": f"{layer.name}_{number}"})
                x = copy(x)
                copy.set_weights(layer.get_weights())
        if task.activation:
            x = keras.layers.Activation(task.activation, dtype="float32", name=f"probabilities_{number}")(x)
        terms.append(keras.layers.Rescaling(share, name=f"share_{number}")(x) if share != 1 else x)
    mean = keras.layers.Add(name="average")(terms) if len(terms) > 1 else terms[0]
    # numbers are averaged before they get their units, which are those of the same training examples for all
    outputs = mean if task.activation else finish(mean, task, scale)
    return keras.Model(trunk.inputs if isinstance(trunk.input, list) else trunk.input, outputs, name=trunk.name)


def scale_of(ground: Ground) -> Scale | None:
    """Return the scale of targets that are numbers, by the training side."""
    target = ground.prepared.kind.target(ground.data)
    return None if TASKS[target.task].activation else Scale.of(target.values[list(ground.splits.train)])


def _with_head(ground: Ground, config: FinetuneConfig, weights: KeptWeights) -> keras.Model:
    lesson, bare = ground.lesson(config)
    target = ground.prepared.kind.target(ground.data)
    head = lesson.kind.new_head(config, bare.model.output_shape[1:], target)
    head.set_weights(weights.arrays)
    return joined(ground, [head], [1], scale_of(ground))


def _trial(study: Study, number: int | None) -> Trial:
    found = candidates(study)
    if not found:
        raise RunStateError(f"{study.path}: no trial has a score")
    if number is None:
        return found[0].trial
    known = {trial.number: trial for trial in study.trials}
    if number not in known:
        raise RunStateError(f"{study.path}: has no trial {number}; there are {len(known)}")
    return known[number]


def _next(study: Study, kept: Kept) -> str:
    there = [trial.number for trial in study.ranked() if kept.path(trial.number).is_file()]
    values = "--json` gives its values" if subject_of(study.about) is Subject.BUILD else "--config` gives its settings"
    command = f"; `tuner best {study.path} {values} to train it again"
    return f". The next best that has them is trial {there[0]}: number={there[0]}{command}" if there else command
