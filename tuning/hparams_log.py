"""What TensorBoard's HParams tab shows of a study: each trial's values beside its scores."""

import importlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

from tuning.objective import Objective
from tuning.trial import Trial, Value
from zoo.errors import ConfigError

FOLDER = "tensorboard"


class HParamsLog:
    """Writes a folder with an event file for each trial that has ended: `tensorboard --logdir STUDY/tensorboard`.

    All of it comes from the journal, so that what is missing can be written at any time.
    """

    def __init__(self, folder: Path, objective: Objective):
        """Make ready.

        Args:
            folder: that gets a folder for each trial.
            objective: of the study.

        Raises:
            ConfigError: TensorBoard is not installed.
        """
        self._folder, self._objective = folder, objective
        self._hparams, self._events = _part("plugins.hparams.api"), _part("summary.writer.event_file_writer")
        self._scalars, self._protos = _part("plugins.scalar.summary_v2"), _part("compat.proto.event_pb2")

    def write_missing(self, trials: Iterable[Trial]) -> None:
        """Write trials that have ended and are not there yet."""
        for trial in trials:
            if trial.status != "running" and not self._path(trial).exists():
                self.write(trial)

    def write(self, trial: Trial) -> None:
        """Write what became of a trial."""
        if trial.status == "running":
            return
        path = self._path(trial)
        # beside it and then renamed: TensorBoard reads while we write, and a kill leaves no half of it
        made = path.with_name(f".{path.name}.tmp")
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(path, ignore_errors=True)
        writer = self._events.EventFileWriter(str(made))
        values = {name: _plain(value) for name, value in trial.proposal.values.items()}
        summaries = [self._hparams.hparams_pb(values, trial_id=trial.name)]
        summaries += [self._scalars.scalar_pb(name, score) for name, score in self._scores(trial).items()]
        for summary in summaries:
            writer.add_event(self._protos.Event(step=trial.epochs or 0, summary=summary))
        writer.close()
        made.rename(path)

    def _scores(self, trial: Trial) -> Mapping[str, float]:
        found = dict(trial.scores or {}) | ({} if trial.seconds is None else {"seconds": trial.seconds})
        return found | ({} if trial.score is None else {self._objective.name: trial.score})

    def _path(self, trial: Trial) -> Path:
        again = f"-seed-{trial.repeat}" if trial.repeat else ""
        return self._folder / f"trial-{trial.number:04}{again}"


def _plain(value: Value) -> bool | int | float | str:
    """Return a value as HParams knows them; it has no null."""
    return "null" if value is None else value


def _part(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"tensorboard.{name}")
    except ImportError as error:
        raise ConfigError(
            "tensorboard=true needs the extra `tensorboard`: pip install 'keras-graft[tensorboard]'"
        ) from error
