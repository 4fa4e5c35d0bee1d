"""What TensorBoard shows of a run: the numbers of each epoch, those of training and of validation side by side."""

import importlib
from pathlib import Path

import keras

from zoo.errors import ConfigError

_SIDES = {"val_": "validation", "": "training"}


class EventLog(keras.callbacks.Callback):
    """Writes each epoch's numbers as TensorBoard reads them: `tensorboard --logdir FOLDER`.

    Args:
        folder: gets the folders training and validation, when the first epoch is done.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self._folder, self._writer = folder, _writer()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write a row of the history; the epoch counts from 0."""
        for prefix, side in _SIDES.items():
            writer = self._writer(str(self._folder / side))
            for name, value in (logs or {}).items():
                if name.startswith("val_") == bool(prefix):
                    writer.add_scalar(name.removeprefix(prefix), value, epoch + 1)
            # closed each time, so that a run that is killed leaves whole files
            writer.close()


def _writer() -> type:
    try:
        return importlib.import_module("tensorboard.summary").Writer
    except ImportError as error:
        raise ConfigError(
            "tensorboard=true needs the extra `tensorboard`: pip install 'keras-graft[tensorboard]'"
        ) from error
