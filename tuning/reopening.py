"""The data of a study opened again: from where they lie, or as the objects of Python that it searched."""

from collections.abc import Sequence

from finetune.preparing import read_request
from tuning.ground import Ground, Grounds
from tuning.study import Study
from tuning.subject import Subject, subject_of
from zoo.errors import ConfigError, RunStateError


def grounds_of(study: Study, data: Sequence[object], call: str) -> Grounds:
    """Return what trials of a study stand on.

    Args:
        study: of data or objects.
        data: what was searched: nothing for data that lie where they did, a path for those that were moved, or objects.
        call: function that needs them, for messages.

    Raises:
        ConfigError: the study searched objects, which it does not keep, and they are not given.
        DataError: the objects are none that can be learned from.
    """
    given = (*data, None)[:2]
    if not data:
        if subject_of(study.about) is Subject.OBJECTS:
            raise ConfigError(
                f"{study.path} searched objects of Python ({study.about['source']}), which it does not keep; give them "
                f"again, in Python: tuning.{call}(tuning.Study({str(study.path)!r}), x, y)"
            )
        given = (study.about["source"], None)
    base, objects = read_request(*given, study.about["settings"])
    return Grounds(base, objects)


def require_same_data(study: Study, ground: Ground) -> None:
    """Refuse data that are not those of the study.

    Raises:
        RunStateError: they differ.
    """
    now, then = ground.prepared.described["fingerprint"], study.about["data"]["fingerprint"]
    if now != then:
        raise RunStateError(
            f"{ground.opened.source.root}: not the data of this study any more ({then[:12]}, now {now[:12]})"
        )
