"""Weights of good trials on disk: what of a model has learned, a file a trial, and no more trials than are good."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from zoo.atomic import atomic_path
from zoo.errors import ResourceError, RunStateError

_NAME = re.compile(r"(\d{6,})\.safetensors")


@dataclass(frozen=True)
class KeptWeights:
    """What of a trial's model learned.

    Attributes:
        cut: where the model was cut; everything above it is kept.
        arrays: its weights in order.
    """

    cut: str
    arrays: Sequence[np.ndarray]


@dataclass(frozen=True)
class Kept:
    """The weights that a study keeps.

    Attributes:
        folder: that holds them.
        study_id: that is written into each.
    """

    folder: Path
    study_id: str

    def write(self, number: int, weights: KeptWeights) -> None:
        """Write the weights of a trial.

        Raises:
            ResourceError: the disk is full or cannot be written.
        """
        arrays = {f"{place:05}": np.asarray(array, order="C") for place, array in enumerate(weights.arrays)}
        about = {"study": self.study_id, "trial": str(number), "cut": weights.cut}
        try:
            self.folder.mkdir(exist_ok=True)
            with atomic_path(self.path(number)) as temporary:
                safetensors.numpy.save_file(arrays, temporary, about)
        except (OSError, SafetensorError) as error:
            needed = sum(array.nbytes for array in arrays.values())
            raise ResourceError(f"{self.path(number)}: {needed:,} bytes cannot be written ({error})") from error

    def read(self, number: int) -> KeptWeights:
        """Return the weights of a trial.

        Raises:
            RunStateError: they are not there, damaged, or of another study.
        """
        path = self.path(number)
        try:
            with safe_open(path, framework="numpy") as file:
                about = file.metadata() or {}
                arrays = [file.get_tensor(name) for name in sorted(file.keys())]
        except (OSError, SafetensorError) as error:
            raise RunStateError(f"{path}: the weights of trial {number} cannot be read ({error})") from error
        self._require_own(path, about, number)
        return KeptWeights(about["cut"], arrays)

    def keep_only(self, numbers: Collection[int]) -> None:
        """Remove the weights of all other trials of this study."""
        for number, path in self._files():
            if number not in numbers:
                path.unlink(missing_ok=True)

    def take_over(self, numbers: Collection[int]) -> None:
        """Make sure of what is there before a search goes on: remove what one that was killed left behind.

        Args:
            numbers: of the study's trials.

        Raises:
            RunStateError: weights are of another study.
        """
        for path in self.folder.glob(".*.tmp.safetensors"):
            path.unlink(missing_ok=True)
        for number, path in self._files():
            try:
                with safe_open(path, framework="numpy") as file:
                    about = file.metadata() or {}
            except (OSError, SafetensorError):
                about = {}
            self._require_own(path, about, number)
            if number not in numbers:
                # written just before the power went, which took the note of the trial with it
                path.unlink()

    def path(self, number: int) -> Path:
        """Return where the weights of a trial are, if they are kept."""
        return self.folder / f"{number:06}.safetensors"

    def _require_own(self, path: Path, about: dict[str, str], number: int) -> None:
        if (about.get("study"), about.get("trial")) != (self.study_id, str(number)):
            raise RunStateError(f"{path}: not written by this study for trial {number}; move it away")

    def _files(self) -> list[tuple[int, Path]]:
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted((int(match[1]), path) for path in found if (match := _NAME.fullmatch(path.name)))
