"""Watches a trial while it learns: ends it at its epochs or where it is hopeless, and holds its state."""

from collections.abc import Mapping, Sequence

import keras

from finetune.training.state import State
from tuning.medians import WATCHED, is_hopeless


class Watch(keras.callbacks.Callback):
    """A callback that ends training over all phases, for one of two reasons.

    Attributes:
        hopeless: whether it was ended because others were better at the same epoch.
        ended: whether it was ended at all.
    """

    def __init__(self, epochs: int | None = None, metric: str | None = None, medians: Sequence[float] = ()):
        """Make a watch.

        Args:
            epochs: most epochs over all phases; None for no limit.
            metric: of the history, one of `WATCHED`.
            medians: that it is held against; empty for none.
        """
        super().__init__()
        self.hopeless, self.ended = False, False
        self._epochs, self._metric, self._medians = epochs, metric, medians
        self._best: float | None = None

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Let a phase that comes after the end not begin."""
        self.model.stop_training = self.ended

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Look whether it is enough; `epoch` counts from 0 over all phases."""
        if self._epochs is not None and epoch + 1 >= self._epochs:
            self.ended = True
        elif self._medians:
            self.hopeless = self._falls_behind(epoch + 1, logs[self._metric])
            self.ended = self.hopeless
        self.model.stop_training = self.ended

    def _falls_behind(self, epoch: int, value: float) -> bool:
        best = max if WATCHED[self._metric] == "max" else min
        self._best = value if self._best is None else best(self._best, value)
        return is_hopeless(self._best, epoch, self._metric, self._medians)


class LastState:
    """Stands where a run's checkpoints do, and holds the state after the last epoch in memory."""

    def __init__(self):
        self.place: Mapping[str, object] | None = None
        self.state: State | None = None

    def due(self) -> bool:
        """Whether a state is wanted: always, for it costs a copy; only the last is written."""
        return True

    def save(self, place: Mapping[str, object], state: State) -> None:
        """Hold a state instead of the one before."""
        self.place, self.state = place, state
