"""Keeps the state of a run while it learns: at intervals, and when a signal asks it to stop."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import keras
import numpy as np

from finetune.training.checkpoints import Checkpoint, Checkpoints
from finetune.training.epochs import Diverged, Progress
from finetune.training.state import State, good_weights, snapshot, what_stays
from zoo.errors import ConfigError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Remedy:
    """What can be done where the loss is not finite any more.

    Attributes:
        settings: that may differ when the run goes on then, as they are now.
        parts: of the run that may go on so.
        go_on: what the user types where weights of a good epoch are kept.
        begin_again: what the user types where there are none.
    """

    settings: Mapping[str, object]
    parts: tuple[str, ...]
    go_on: str
    begin_again: str


@dataclass(frozen=True)
class Keeper:
    """What is kept of a run, and where it goes on.

    Attributes:
        checkpoints: where states are written; None keeps none.
        saved: where a run that is taken up again goes on; None for one that begins.
        remedy: for a loss that is not finite any more.
        changes: what, value and why of each setting that is not what the run began with; kept with its states.
    """

    checkpoints: Checkpoints | None = None
    saved: Checkpoint | None = None
    remedy: Remedy | None = None
    changes: Sequence[Mapping[str, object]] = field(default=())

    def goes_on(self, part: str, phase: int) -> State | None:
        """Return the state that a phase of a part goes on with, or None for its beginning."""
        there = self.saved and self.saved.place["part"] == part and self.saved.place["phase"] == phase
        return self.saved.state if there else None

    def is_past(self, part: str, phase: int) -> bool:
        """Whether the saved state is of a later phase of the part."""
        return bool(self.saved and self.saved.place["part"] == part and self.saved.place["phase"] > phase)

    @contextmanager
    def watching(
        self, model: keras.Model, place: Mapping[str, object], others: Mapping[str, np.ndarray] = MappingProxyType({})
    ) -> Iterator[Callable[[Progress], None]]:
        """Yield what is to be called between two steps: it writes checkpoints, and stops where a signal came.

        Args:
            model: that learns.
            place: of the checkpoints.
            others: arrays that every checkpoint has beside the model's, as `finetune.training.state.outside` gives.

        Raises:
            KeyboardInterrupt: SIGINT came, and the state is written.
            SystemExit: SIGTERM came, and the state is written; its code is 143.
            ConfigError: the loss became NaN or infinite; weights of the best epoch are written, where there was one.
        """
        place = {**place, "changes": list(self.changes)}
        if self.checkpoints is None:
            yield lambda progress: None
            return
        with self._rescuing(place, others), _heard() as came:

            def between(progress: Progress) -> None:
                due = self.checkpoints.due()
                # looked at once: what comes while a state is written is heard at the next step
                asked = came[0] if came else None
                if asked or due:
                    self.checkpoints.save(place, _with(others, snapshot(model, progress)))
                if asked:
                    _stop(asked)

            yield between

    @contextmanager
    def _rescuing(self, place: Mapping[str, object], others: Mapping[str, np.ndarray]) -> Iterator[None]:
        """Keep the weights of the best epoch where the loss is not finite any more, and say what to do."""
        try:
            yield
        except Diverged as diverged:
            if not self.remedy:
                raise
            good, progress = good_weights(diverged.progress), diverged.progress
            text = f"the loss is not finite any more in epoch {diverged.epoch}"
            if good is None or place["part"] not in self.remedy.parts:
                raise ConfigError(f"{text}. {self.remedy.begin_again}") from diverged
            # epochs after the best one led away from it: they are not part of what goes on
            rows = [*(place["before"] or {}).get("rows", ()), *progress.rows[: len(progress.rows) - progress.waited]]
            before = what_stays(Progress(rows=rows, best=progress.best))
            lost = {"epoch": diverged.epoch, "settings": dict(self.remedy.settings)}
            self.checkpoints.save({**place, "before": before, "lost": lost}, _with(others, good))
            best = f"The weights of epoch {rows[-1]['epoch']}, the best until then, are kept"
            raise ConfigError(f"{text}. {best}. {self.remedy.go_on}") from diverged


def _with(others: Mapping[str, np.ndarray], state: State) -> State:
    return replace(state, arrays={**state.arrays, **others})


@contextmanager
def _heard() -> Iterator[list[int]]:
    """Yield a list that a signal's number is put into instead of what it would do; a second one does that at once."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        # only there do signals arrive
        yield came
        return

    def hear(number: int, frame: object) -> None:
        if came:
            _stop(number)
        came.append(number)

    before = {number: signal.signal(number, hear) for number in _SIGNALS}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
