"""What a search is asked for: one record, checked where it is made."""

from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ConfigError, nearest

ALGORITHMS = ("random", "grid", "bayesian", "hyperband")
# As a number of workers: what a probe finds to be fastest.
AUTO = "auto"
_LEAST = {"max_trials": 1, "max_minutes": 0, "workers": 0, "fresh_seeds": 0, "nested_folds": 2}


@dataclass(frozen=True)
class Wishes:
    """How to search; what is searched over, and on which data, is said apart.

    Attributes:
        algorithm: one of `ALGORITHMS`.
        max_trials: of the whole study; None where time or the space ends it.
        max_minutes: of the whole study, in all calls together; no trial is begun after them.
        objective: "val_accuracy", "NAME:min" or "NAME:max"; None goes by the task.
        study: directory; None names it after data, model and algorithm.
        workers: processes that run trials; 0 runs them in this one, "auto" tries on the first trials what is faster. Of
            a cluster, trials at a time; 0 for one on every two cores.
        cluster: address of a Ray cluster, or "local"; None for none.
        fresh_seeds: how often each of the best three is run again before the best is named.
        ends_hopeless: whether trials are ended that are worse than half of the others at the same epoch; None where
            they are expensive: pictures, of which more than the head learns.
        nested_folds: outer folds, in each of which a whole search is made and judged; None for none.
        stack: whether heads that differ in numbers only learn as one, in this process: sooner, and the same up to the
            rounding of sums.
    """

    algorithm: str = "bayesian"
    max_trials: int | None = None
    max_minutes: float | None = None
    objective: str | None = None
    study: str | Path | None = None
    workers: int | str = 0
    cluster: str | None = None
    fresh_seeds: int = 2
    ends_hopeless: bool | None = None
    nested_folds: int | None = None
    stack: bool = True

    def __post_init__(self):
        faults = []
        if self.algorithm not in ALGORITHMS:
            hint = nearest(str(self.algorithm), ALGORITHMS)
            faults.append(f"algorithm {self.algorithm!r} is not known; accepted: {', '.join(ALGORITHMS)}.{hint}")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if (name, value) == ("workers", AUTO) or value is None:
                continue
            kind = int | float if name == "max_minutes" else int
            if isinstance(value, bool) or not isinstance(value, kind) or not value >= least:
                accepted = f"{least} or more{', or auto' if name == 'workers' else ''}"
                faults.append(f"{name} must be {accepted}; received {value!r}")
        if self.max_trials is None and self.max_minutes is None and self.algorithm in ("random", "bayesian"):
            faults.append(f"{self.algorithm} search has no end of its own: give max_trials or max_minutes")
        if self.workers == AUTO and self.cluster:
            faults.append("workers=auto is for this machine; of a cluster, give the number of trials at a time")
        if faults:
            raise ConfigError("\n".join(faults))
