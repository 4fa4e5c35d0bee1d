"""Checkpoints: the state of a run's training on disk, so that a run that was stopped goes on where it was."""

import json
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from finetune.training.state import State
from zoo.atomic import atomic_path
from zoo.errors import ResourceError

# The newest, and the one before it in case the disk lost something of the newest.
KEPT = 2
FORMAT = "3"
_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """One state of a run.

    Attributes:
        number: counts the checkpoints of a run.
        place: which part of the run is at work, as JSON values: fold, phase, and what phases before it left.
        state: of that part.
    """

    number: int
    place: Mapping[str, object]
    state: State


@dataclass
class Checkpoints:
    """The checkpoints of one run: a file each, which is there whole or not at all.

    Attributes:
        folder: that holds them; made when the first is written.
        every_seconds: least time between two that were not asked for by name.
    """

    folder: Path
    every_seconds: float = 60.0
    _last: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether it is time for the next one."""
        return time.monotonic() - self._last >= self.every_seconds

    def save(self, place: Mapping[str, object], state: State) -> None:
        """Write a checkpoint, then remove all but the last two.

        Args:
            place: which part of the run is at work, as JSON values.
            state: of that part.

        Raises:
            ResourceError: the disk is full or cannot be written.
        """
        numbers = [number for number, _ in self._files()]
        number = max(numbers, default=0) + 1
        self._write(f"{number:06}", place, state)
        for _, path in self._files()[:-KEPT]:
            path.unlink(missing_ok=True)
        self._last = time.monotonic()

    def keep(self, name: str, place: Mapping[str, object], state: State) -> None:
        """Write what later checkpoints do not replace: the end of a part of the run, under a name.

        Raises:
            ResourceError: the disk is full or cannot be written.
        """
        self._write(name, place, state)

    def kept(self, name: str) -> Checkpoint | None:
        """Return what `keep` wrote under a name; None where it did not, or what is there is damaged."""
        return _read(0, self.folder / f"{name}{_SUFFIX}")

    def latest(self) -> Checkpoint | None:
        """Return the newest checkpoint that is sound, or None."""
        for number, path in reversed(self._files()):
            found = _read(number, path)
            if found:
                return found
        return None

    def _write(self, name: str, place: Mapping[str, object], state: State) -> None:
        arrays = {name: np.asarray(array, order="C") for name, array in state.arrays.items()}
        about = {"format": FORMAT, "crc32": _checksum(arrays)}
        about |= {"place": json.dumps(place), "numbers": json.dumps(state.numbers, allow_nan=False)}
        try:
            self.folder.mkdir(exist_ok=True)
            with atomic_path(self.folder / f"{name}{_SUFFIX}") as temporary:
                safetensors.numpy.save_file(arrays, temporary, about)
        except (OSError, SafetensorError) as error:
            needed = sum(array.nbytes for array in arrays.values())
            raise ResourceError(
                f"{self.folder}: a checkpoint of {needed:,} bytes cannot be written ({error}); free space, then go on "
                f"with --resume"
            ) from error

    def _files(self) -> list[tuple[int, Path]]:
        found = self.folder.glob(f"*{_SUFFIX}") if self.folder.is_dir() else ()
        return sorted((int(path.stem), path) for path in found if path.stem.isdecimal())


def _read(number: int, path: Path) -> Checkpoint | None:
    """Return a checkpoint, or None for a file that is damaged or of another format."""
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dict
        if about.get("format") != FORMAT or about.get("crc32") != _checksum(arrays):
            return None
        return Checkpoint(number, json.loads(about["place"]), State(arrays, json.loads(about["numbers"])))
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """Return what tells a file that lost something: no secret, and 2 to 3 times as fast as a hash that keeps one."""
    found = 0
    for name in sorted(arrays):
        found = zlib.crc32(f"{name} {arrays[name].shape} {arrays[name].dtype};".encode(), found)
        found = zlib.crc32(arrays[name].reshape(-1).view("uint8"), found)
    return f"{found:08x}"
