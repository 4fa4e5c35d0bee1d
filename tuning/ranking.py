"""Which trials are best: by their scores in the search, and honestly, by runs with fresh seeds."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tuning.study import Study
from tuning.trial import Trial

# Trials whose weights are kept, and that are run again before one of them is called the best.
TOP = 3


@dataclass(frozen=True)
class Candidate:
    """A good trial, and its runs with fresh seeds.

    Attributes:
        trial: of the search.
        fresh: scores of its runs with fresh seeds; not that of the search, by which the trial was chosen.
    """

    trial: Trial
    fresh: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over fresh seeds; the score of the search where there are none."""
        return statistics.fmean(self.fresh) if self.fresh else self.trial.score

    @property
    def spread(self) -> float | None:
        """Standard deviation (n - 1) over fresh seeds; None for fewer than two."""
        return statistics.stdev(self.fresh) if len(self.fresh) > 1 else None

    @property
    def text(self) -> str:
        """What a person reads: mean ± spread, or the score of the search alone."""
        spread = "" if self.spread is None else f" ± {self.spread:.2g}"
        return f"{self.mean:.4g}{spread}" + _seeds(len(self.fresh))


def _seeds(count: int) -> str:
    return f" over {count} fresh seed{'s' if count > 1 else ''}" if count else ""


def distinct(ranked: Sequence[Trial], most: int | None = None) -> list[Trial]:
    """Return ranked trials without those whose values a better one has; at most the best `most` of them."""
    first: dict[tuple, Trial] = {}
    for trial in ranked:
        if len(first) == most:
            break
        first.setdefault(trial.proposal.key, trial)
    return list(first.values())


def leaders(study: Study) -> list[Trial]:
    """Return the best trials of different values: those that are run again, and whose weights are kept till then."""
    return distinct(study.ranked(), TOP)


def worth_keeping(study: Study) -> set[int]:
    """Return the trials whose weights are kept: the leaders, and whoever is the best by fresh seeds until others are.

    A search that goes further may find three that score better, and that fresh seeds then show to be no better.
    """
    numbers = {trial.number for trial in leaders(study)}
    return numbers | {candidates(study)[0].trial.number} if study.has_repeats and numbers else numbers


def candidates(study: Study) -> list[Candidate]:
    """Return the best trials, the winner first.

    Where some were run again, they alone are candidates, by their mean over fresh seeds; else all go by the search.
    """
    ranked = distinct(study.ranked())
    found = [Candidate(trial, _fresh(study, trial)) for trial in ranked]
    tested = [candidate for candidate in found if candidate.fresh]
    most = max((len(candidate.fresh) for candidate in tested), default=0)
    # whoever failed with a fresh seed is not believed on fewer
    even = [candidate for candidate in tested if len(candidate.fresh) == most]
    return sorted(even or found, key=lambda one: (study.objective.cost(one.mean), one.trial.number))


def _fresh(study: Study, trial: Trial) -> tuple[float, ...]:
    return tuple(
        again.score
        for again in study.repeats_of(trial.number)
        if again.status == "completed" and again.score is not None
    )
