"""Methods: which stages learn, in which order and at what rate; a row each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from finetune.config import FinetuneConfig
from finetune.settings.phase import PhaseSettings
from zoo.errors import ConfigError, nearest

HEAD = "head"
# As many stages as there are.
ALL = 1_000


@dataclass(frozen=True)
class Step:
    """A phase of a method before it is known which network it is for.

    Attributes:
        name: in the history.
        stages: how many of the last stages learn beside the head; None for as many as the setting `unfreeze` says.
        brief: whether it makes ready for later phases, in few epochs.
        fine: whether trained weights are moved a little: at a lower rate, and for fewer epochs.
        each: whether one stage more learns in a phase of its own, until `stages` are reached.
    """

    name: str
    stages: int | None
    brief: bool = False
    fine: bool = False
    each: bool = False


METHODS: Mapping[str, tuple[Step, ...]] = MappingProxyType(
    {
        "head": (Step("head", 0),),
        "two_phase": (Step("head", 0, brief=True), Step("upper", None, fine=True)),
        "gradual": (Step("head", 0, brief=True), Step("upper", None, fine=True, each=True)),
        "full": (Step("all", ALL, fine=True),),
        "reinit": (Step("upper", None),),
        "scratch": (Step("all", ALL),),
    }
)
# Stages that learn beside the head where the setting is left open. After five epochs of the head and at three tenths of
# its rate, two thirds of EfficientNet-Lite0's stages learned 0.9 points more than the head alone from 20 pictures a
# class of Fashion-MNIST (five draws, -0.8 to 2.8), and at 96 px 5.5 more (three draws). After a head that had learned
# all it could they learned nothing more.
_USUAL_UNFREEZE: Mapping[str, Callable[[int], int]] = MappingProxyType(
    {"two_phase": lambda stages: round(2 * stages / 3), "gradual": lambda stages: 3, "reinit": lambda stages: 1}
)


@dataclass(frozen=True)
class Phase:
    """One stretch of training with one set of layers that learn.

    Attributes:
        name: in the history.
        stages: that learn, from the lowest to the head.
        epochs: most epochs.
        patience: epochs without a lower validation loss before it ends.
        to_the_end: whether its last epoch is kept unless validation is clearly against it.
        learning_rate: of the head; lower stages have that times `layer_decay` for each stage between.
        reinit: stages that begin from random weights.
        schedule: of the learning rate; None for the config's.
    """

    name: str
    stages: tuple[str, ...]
    epochs: int
    patience: int
    learning_rate: float
    reinit: tuple[str, ...] = ()
    schedule: str | None = None
    to_the_end: bool = False


def phases_of(config: FinetuneConfig, stages: Sequence[str]) -> tuple[Phase, ...]:
    """Return the phases of a resolved config's method.

    Args:
        config: method or phases, unfreeze, reinit, epochs, head_epochs, fine_tune_epochs, fine_tune_factor, patience,
            learning_rate.
        stages: of the network from the inputs on; the last is the head.

    Raises:
        ConfigError: more stages are to learn or to be drawn anew than there are.
    """
    below = [stage for stage in stages if stage != HEAD]
    if config.phases:
        return tuple(_custom(config, settings, below, number) for number, settings in enumerate(config.phases, start=1))
    wanted = config.unfreeze
    if wanted is None:
        usual = _USUAL_UNFREEZE.get(config.method, lambda stages: 0)
        wanted = max(usual(len(below)), config.reinit or 0)
    for name, number in (("unfreeze", config.unfreeze), ("reinit", config.reinit)):
        if number is not None and number > len(below):
            raise ConfigError(
                f"{name}={number}: {config.model} has {len(below)} stages before its head ({', '.join(below)})"
            )
    if config.method == "reinit" and (config.reinit or 1) > wanted:
        raise ConfigError(
            f"reinit={config.reinit or 1} with unfreeze={wanted}: stages that begin from random weights have to learn. "
            f"Raise unfreeze"
        )
    found: list[Phase] = []
    for step in METHODS[config.method]:
        most = min(wanted if step.stages is None else step.stages, len(below))
        for number in range(1, most + 1) if step.each else (most,):
            found.append(_phase(config, step, below, number))
    return tuple(found)


def _phase(config: FinetuneConfig, step: Step, below: Sequence[str], number: int) -> Phase:
    upper = tuple(below[len(below) - number :])
    # a fine phase is one cycle that ends at rate 0, as fastai's fine_tune: cut short, it would be all shock
    cycle = step.fine and config.schedule == "auto"
    again = (1 if config.reinit is None else config.reinit) if config.method == "reinit" else 0
    return Phase(
        name=f"{step.name} {number}" if step.each else step.name,
        stages=(*upper, HEAD),
        epochs=_epochs(config, step),
        patience=config.fine_tune_epochs if cycle else config.patience,
        learning_rate=config.learning_rate * (config.fine_tune_factor if step.fine else 1),
        reinit=tuple(below[len(below) - again :]) if again else (),
        schedule="one_cycle" if cycle else None,
        to_the_end=cycle,
    )


def _epochs(config: FinetuneConfig, step: Step) -> int:
    if step.fine:
        return config.fine_tune_epochs
    return min(config.head_epochs, config.epochs) if step.brief else config.epochs


def _custom(config: FinetuneConfig, settings: PhaseSettings, below: Sequence[str], number: int) -> Phase:
    """Return a phase that the user put together."""
    place = f"phase {number}" if settings.name is None else f"phase {settings.name}"
    learning = _chosen(settings.stages, below, f"{place}: stages")
    again = _chosen(settings.reinit, below, f"{place}: reinit")
    still = [stage for stage in again if stage not in learning]
    if still:
        raise ConfigError(f"{place}: {', '.join(still)} begin from random weights, and so have to be among its stages")
    return Phase(
        name=settings.name or f"phase {number}",
        stages=(*learning, HEAD),
        epochs=settings.epochs or config.epochs,
        patience=settings.patience or config.patience,
        learning_rate=settings.learning_rate or config.learning_rate,
        reinit=again,
        schedule=None if settings.schedule == "auto" else settings.schedule,
    )


def _chosen(wanted: int | str | tuple[str, ...], below: Sequence[str], place: str) -> tuple[str, ...]:
    """Return stages by how many of the last ones, by "all", or by their names, from the lowest."""
    if wanted == "all":
        return tuple(below)
    if isinstance(wanted, int):
        if wanted > len(below):
            raise ConfigError(f"{place} is {wanted}: there are {len(below)} before the head ({', '.join(below)})")
        return tuple(below[len(below) - wanted :])
    for name in wanted:
        if name not in below:
            raise ConfigError(f"{place}: there is no {name!r}; accepted: {', '.join(below)}.{nearest(name, below)}")
    return tuple(stage for stage in below if stage in wanted)
