"""What trials stand on: data read, checked and dealt once, and the trunk; only what learns is made for each trial."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import SimpleNamespace

import keras
import numpy as np

from finetune.config import FIELDS, FinetuneConfig, make_config
from finetune.data.findings import refuse_errors
from finetune.data.given import Given
from finetune.data.split import Splits
from finetune.learning import Lesson
from finetune.preparing import Opened, Prepared, check_and_deal, open_data
from finetune.progress import Reporter
from finetune.transfer.network import FEATURES, make_network
from finetune.transfer.runtime_names import RUNTIMES, in_float32
from zoo.errors import ConfigError, GraftError

# Settings that decide nothing before learning begins. Trials that differ in others stand on different grounds.
LEARNING = frozenset(
    {
        *("units", "l2", "unfreeze", "reinit", "freeze", "bn", "head_epochs", "fine_tune_epochs", "fine_tune_factor"),
        *("seed", "augmentation", "cached_views", "mixup", "cutmix", "epochs", "patience", "batch_size"),
        *("learning_rate", "optimizer"),
        *("momentum", "weight_decay", "schedule", "warmup_epochs", "decay_factor", "decay_epochs", "end_factor"),
        *("layer_decay", "clip_value", "clip_norm", "global_clip_norm", "accumulation_steps", "ema", "loss"),
        *("label_smoothing", "focal_gamma", "huber_delta", "quantile", "dropout", "class_weights"),
        *("checkpoint_seconds", "run_dir", "precision", "phases", "tensorboard", "activation"),
    }
)
# A search over models or methods goes back and forth between a few.
_MOST_GROUNDS = 3


@dataclass(frozen=True)
class OuterFold:
    """A part of all examples that a search does not see, and is judged by.

    Attributes:
        number: of the fold, from 1.
        count: of folds.
    """

    number: int
    count: int


@dataclass(frozen=True)
class Ground:
    """Data and trunk that trials share.

    Attributes:
        opened: data as they were read.
        prepared: and checked and dealt.
        reporter: says what takes long.
    """

    opened: Opened
    prepared: Prepared
    reporter: Reporter

    @cached_property
    def data(self) -> object:
        """Checked examples without what only the checks need."""
        return self.prepared.kind.lighten(self.prepared.data)

    @cached_property
    def splits(self) -> Splits:
        """Who learns and who picks; the test side is not there."""
        found = self.prepared.splits
        return Splits(found.train, found.validation, ())

    @cached_property
    def _made(self) -> tuple[object, list[np.ndarray]]:
        trunk = self.prepared.kind.build_trunk(self.prepared.config, self.data, self.splits)
        return trunk, trunk.model.get_weights()

    @property
    def trunk(self) -> object:
        """What comes before the head, with its first weights: the trial before may have trained some."""
        trunk, weights = self._made
        trunk.model.set_weights(weights)
        return trunk

    @cached_property
    def _features(self) -> object:
        """What all examples are before the head, computed once or left in the cache by another process."""
        kind, config = self.prepared.kind, self.prepared.config
        if not kind.STAGED:
            return kind.features(config, self.trunk, self.data, self.reporter)
        head = kind.new_head(config, self.trunk.model.output_shape[1:], kind.target(self.data))
        network = make_network(self.trunk.model, head, staged=True)
        plain = config.model_copy(update={"augmentation": "none", "mixup": 0.0, "cutmix": 0.0})
        return kind.prepare(plain, self.trunk, network, FEATURES, self.data, self.reporter)[1]

    def learns_head_alone(self, config: FinetuneConfig) -> bool:
        """Whether a trial trains on features that all such trials share, so that it needs no trunk at all."""
        kind = self.prepared.kind
        plain = config.augmentation == "none" and not kind.mixing(config)
        return not kind.STAGED or (config.method == "head" and plain)

    def lesson(self, config: FinetuneConfig, **how: object) -> tuple[Lesson, object]:
        """Return what a trial learns, and the trunk that it learns on.

        Args:
            config: of the trial, from `config`.
            **how: further fields of `Lesson`.
        """
        kind = self.prepared.kind
        if not self.learns_head_alone(config):
            return Lesson(kind, config, self.data, Reporter(0), **how), self.trunk
        # the same kind of data, of which the features are there and nothing is before them
        public = {name: value for name, value in vars(kind).items() if not name.startswith("_")}
        own = {
            "STAGED": False,
            "features": lambda config, trunk, data, reporter: self._features,
            "new_head": lambda config, shape, target: _as_graph(kind.new_head(config, shape, target), shape),
        }
        inputs = keras.Input(self.trunk_shape, name="features")
        bare = SimpleNamespace(model=keras.Model(inputs, inputs, name="nothing"))
        return Lesson(SimpleNamespace(**public | own), config, self.data, Reporter(0), **how), bare

    @property
    def trunk_shape(self) -> tuple[int, ...]:
        """Shape of what comes out of the trunk for one example."""
        return self._made[0].model.output_shape[1:]

    def parameters_below(self, config: FinetuneConfig) -> int:
        """Return how many parameters of a trial's model are in a trunk that its network does not show."""
        return self._made[0].model.count_params() if self.learns_head_alone(config) else 0

    def config(self, asked: FinetuneConfig) -> FinetuneConfig:
        """Return a trial's settings with nothing left open."""
        kind = self.prepared.kind
        own = {name: getattr(asked, name) for name in LEARNING}
        config, _ = kind.resolve(self.opened.asked.model_copy(update=own), self.opened.source)
        config, _ = kind.settle(config, self.prepared.data)
        own = self.prepared.config
        return config.model_copy(update={"data": self.prepared.data.examples.root, "runtime": own.runtime})


def _on_fold(prepared: Prepared, fold: OuterFold) -> Prepared:
    """Return the same data with a fold as their test side, and the other examples dealt to learn and to pick."""
    kind, runtime = prepared.kind, prepared.config.runtime
    if kind.STAGED and runtime in RUNTIMES and not RUNTIMES[runtime].exact:
        raise ConfigError(
            f"runtime={runtime} does not go with nested folds, which are judged by their features: --set runtime=auto"
        )
    exact = prepared.config.model_copy(update={"runtime": in_float32(runtime)})
    config = exact.model_copy(update={"folds": fold.count})
    try:
        sides = kind.deal(config, prepared.data).folds[fold.number - 1]
    except GraftError as error:
        raise type(error)(f"nested folds: {error}") from error
    described = {**prepared.described, "splits": sides.sizes(), "outer_fold": f"{fold.number} of {fold.count}"}
    return replace(prepared, config=exact, splits=sides, described=described)


def _as_graph(head: keras.Model, shape: tuple[int, ...]) -> keras.Model:
    """Return a Sequential as a graph, which it is only when it is called; a graph as it is."""
    if not isinstance(head, keras.Sequential):
        return head
    inputs = x = keras.Input(shape, name="features")
    for layer in head.layers:
        x = layer(x)
    return keras.Model(inputs, x, name=head.name)


class Grounds:
    """Grounds by what decides them, made when they are first stood on."""

    def __init__(self, base: FinetuneConfig, given: Given | None = None, fold: OuterFold | None = None):
        """Remember what all trials share.

        Args:
            base: settings as the user gave them.
            given: objects of Python, where they are the data.
            fold: whose examples are the test side, in place of that of the settings; None for no folds.
        """
        self._base, self._given, self._fold = base, given, fold
        self._found: dict[tuple, Ground] = {}

    def __getstate__(self) -> dict[str, object]:
        """Leave what was found behind when this is sent to another process: it holds models."""
        return vars(self) | {"_found": {}}

    def on_fold(self, fold: OuterFold) -> "Grounds":
        """Return grounds of the same data, as far as they were read, with a fold as their test side.

        Raises:
            ConfigError: the data cannot be dealt in folds.
            DataError: they are too few for so many.
        """
        other = Grounds(self._base, self._given, fold)
        for key, ground in self._found.items():
            other._found[key] = Ground(ground.opened, _on_fold(ground.prepared, fold), ground.reporter)
        return other

    def asked(self, settings: Mapping[str, object], *, seed: int) -> FinetuneConfig:
        """Return what a trial asks for: the user's settings, its own, and its seed on the study's sides.

        Raises:
            ConfigError: a setting is unknown or impossible.
        """
        base = self._base.model_dump(mode="python", exclude_unset=True)
        sides = self._base.seed if self._base.split_seed is None else self._base.split_seed
        return make_config(base | dict(settings) | {"seed": seed, "split_seed": sides})

    @staticmethod
    def key(asked: FinetuneConfig) -> tuple[str, ...]:
        """Return what is equal for trials that stand on the same ground."""
        return tuple(str(getattr(asked, name)) for name in FIELDS if name not in LEARNING)

    def under(self, asked: FinetuneConfig, reporter: Reporter) -> Ground:
        """Return the ground for a trial, made now where no trial before stood on it.

        Raises:
            ConfigError: a setting does not go with the data.
            DataError: the data cannot be used.
        """
        key = self.key(asked)
        if key not in self._found:
            while len(self._found) >= _MOST_GROUNDS:
                del self._found[next(iter(self._found))]
            opened = open_data(asked, self._given)
            prepared = check_and_deal(opened, reporter)
            if self._fold:
                prepared = _on_fold(prepared, self._fold)
            refuse_errors(prepared.findings, strict=asked.strict)
            self._found[key] = Ground(opened, prepared, reporter)
        self._found[key] = self._found.pop(key)
        return self._found[key]
