"""What nested folds found, in a file of the study, and how people and pages read it."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tuning.trial import Value
from zoo.atomic import write_atomic
from zoo.errors import ResourceError, RunStateError

_RESULT = "result.json"


@dataclass(frozen=True)
class OuterScore:
    """What the search of an outer fold chose, and how good that was on the fold.

    Attributes:
        fold: its number, from 1.
        trial: of the fold's search that was best.
        values: what that trial tried.
        inside: its score by fresh seeds, on the validation side of the search.
        outside: its score on the fold, which the search did not see.
        scores: all scores on the fold.
        examples: how many learned, picked and judged.
    """

    fold: int
    trial: int
    values: Mapping[str, Value]
    inside: float
    outside: float
    scores: Mapping[str, float]
    examples: Mapping[str, int]


@dataclass(frozen=True)
class NestedResult:
    """All outer folds of a study.

    Attributes:
        objective: name of the score.
        rows: one for each fold.
    """

    objective: str
    rows: Sequence[OuterScore]

    @property
    def mean(self) -> float:
        """Mean over the folds."""
        return statistics.fmean(row.outside for row in self.rows)

    @property
    def spread(self) -> float:
        """Standard deviation (n - 1) over the folds."""
        return statistics.stdev(row.outside for row in self.rows)

    @property
    def text(self) -> str:
        """What a person reads."""
        return f"{self.mean:.4g} ± {self.spread:.2g} over {len(self.rows)} outer folds"


def folder_of(study: Path, count: int) -> Path:
    """Return where a study has its outer folds, of which there are `count`."""
    return study / f"nested-{count}"


def write_nested(study: Path, result: NestedResult) -> None:
    """Write what the folds of a study found.

    Raises:
        ResourceError: it cannot be written.
    """
    write_json(folder_of(study, len(result.rows)) / _RESULT, asdict(result))


def read_nested(study: Path) -> NestedResult | None:
    """Return what the folds of a study found; of several numbers of folds, the most. None where there are none.

    Raises:
        RunStateError: the file is damaged.
    """
    there = sorted(study.glob(f"nested-*/{_RESULT}"), key=lambda path: (len(path.parent.name), path.parent.name))
    if not there:
        return None
    found = read_json(there[-1])
    try:
        return NestedResult(found["objective"], tuple(OuterScore(**row) for row in found["rows"]))
    except (KeyError, TypeError) as error:
        raise _unreadable(there[-1], error) from error


def write_json(path: Path, values: Mapping[str, object]) -> None:
    """Write values that can be computed again.

    Raises:
        ResourceError: they cannot be written.
    """
    try:
        write_atomic(path, json.dumps(values, indent=2))
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written ({error.strerror})") from error


def read_json(path: Path) -> dict[str, object]:
    """Return what `write_json` wrote.

    Raises:
        RunStateError: the file is damaged.
    """
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> RunStateError:
    return RunStateError(
        f"{path}: cannot be read ({error}); remove it, and the search with --nested-folds makes it again"
    )
