"""Errors a user can cause, as one tree; each class carries the exit code a command ends with.

    GraftError
    ├── ConfigError      2   a flag, a config file or an argument
    ├── DataError        3   the user's data
    │   └── ImageError   3   one picture; the text is the reason alone, without the file name
    ├── ModelFileError   4   a file of weights or a saved model
    ├── RunStateError    5   a run directory
    ├── LockedError      6   a directory that another process is writing
    └── ResourceError    7   disk, memory, permissions

A message names what was found, what is accepted and the remedy. Anything outside this tree is a defect of ours.
"""

import difflib
from collections.abc import Iterable


class GraftError(Exception):
    """Root of everything that a user can cause and mend."""

    exit_code = 1


class ConfigError(GraftError):
    """A flag, a config file or an argument is wrong."""

    exit_code = 2


class DataError(GraftError):
    """The data cannot be trained on, or not as it stands."""

    exit_code = 3


class ImageError(DataError):
    """One picture cannot be used; the text is the reason without the file name."""


class ModelFileError(GraftError):
    """A file of weights or a saved model is damaged, unsafe, or does not fit."""

    exit_code = 4


class RunStateError(GraftError):
    """A run directory is missing, incomplete, or holds something else."""

    exit_code = 5


class LockedError(GraftError):
    """Another process is writing there."""

    exit_code = 6


class ResourceError(GraftError):
    """The machine lacks disk space, memory or a permission."""

    exit_code = 7


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """Return a sentence naming the known names most like `name`, or an empty string when none is near.

    Example:
        >>> nearest("learning_rte", ["learning_rate", "epochs"])
        ' Nearest: learning_rate.'
    """
    found = difflib.get_close_matches(name.lower(), list(known), n=count, cutoff=0.5)
    return f" Nearest: {', '.join(found)}." if found else ""


def brief(value: object) -> str:
    """Return a value for a message: as it is written where that is short, or else what it is and how it begins."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__} of shape {tuple(shape)}"
    text = repr(value)
    return text if len(text) <= 100 else f"{type(value).__name__} ({' '.join(text[:80].split())}…)"
