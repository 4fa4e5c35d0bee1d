"""What a study searched: data that lie somewhere, objects of Python, or a build function of keras-tuner's users."""

from collections.abc import Mapping
from enum import Enum

from finetune.settings.data import OBJECTS

# The setting that a study of a function is known by: the digest of its text.
BUILD_MODEL = "build_model"


class Subject(Enum):
    """What can be opened again without being given: data alone."""

    DATA = "data"
    OBJECTS = "objects of Python"
    BUILD = "a function build_model"


def subject_of(about: Mapping[str, object]) -> Subject:
    """Return what a study searched.

    Args:
        about: `Study.about`.
    """
    if BUILD_MODEL in about["settings"]:
        return Subject.BUILD
    return Subject.OBJECTS if str(about["source"]).startswith(OBJECTS) else Subject.DATA
