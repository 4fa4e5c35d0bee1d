"""Study: a directory whose journal says which trials were begun and what became of them; all else is derived."""

import bisect
import datetime
import math
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path

from tuning.journal import Journal, Record
from tuning.objective import Objective, parse_objective
from tuning.space import Space
from tuning.study_directory import JOURNAL, locked, make_directory, require_empty
from tuning.trial import Key, Proposal, Trial
from zoo.errors import RunStateError

# What else a study writes into its directory.
MODELS, STATES = "models", "states"
FORMAT = 1
# What a study was begun with, and can only be gone on with.
_DECIDING = ("data", "objective", "space", "algorithm", "seed", "settings")
# Failures that may not repeat are tried once more; a process that dies with a trial three times dies of it.
TRIES, DEATHS = 2, 3
# Seconds of trials that a power cut may take, which then run again.
AT_RISK = 1.0
_UNKNOWN = Trial(0, Proposal({}), "running")
_ENDED = tuple(f.name for f in fields(Trial) if f.name not in ("number", "repeat", "proposal", "seed", "attempts"))


class Study:
    """A study on disk. Reading needs only the path; writing happens inside `Study.claim`.

    Attributes:
        path: of the directory.
        about: what the study was begun with: id, data, objective, space, algorithm, settings.
        spent_seconds: that all searches in it took so far.
        round: the trials that were last said to run at once; some of them may not have been proposed.
        round_starts: how often they were, since the search last stopped on purpose.
    """

    def __init__(self, path: str | Path):
        """Read a study.

        Raises:
            RunStateError: there is none, or its journal is damaged.
        """
        self.path = Path(path).expanduser().absolute()
        if self.path.is_file():
            raise RunStateError(f"{self.path}: is a file; a study is a directory")
        self._journal = Journal(self.path / JOURNAL)
        self._load(self._journal.read())
        if not self.about:
            raise RunStateError(f"{self.path}: holds no study (no {JOURNAL}); `tuner search` begins one")

    @classmethod
    @contextmanager
    def claim(cls, path: str | Path, about: Mapping[str, object]) -> Iterator["Study"]:
        """Go on with a study, or begin one, and hold its lock while the block runs.

        Args:
            path: directory; it is made where it is not there.
            about: what decides scores and proposals. `differences` of what is there and this must be empty.

        Raises:
            RunStateError: the directory holds something else, or a study of other data, objective, space or algorithm.
            LockedError: another process is searching there.
            ResourceError: it cannot be made or written.
        """
        study = cls.__new__(cls)
        study.path = Path(path).expanduser().absolute()
        study._journal = Journal(study.path / JOURNAL)
        made = make_directory(study.path)
        folder = os.open(study.path, os.O_RDONLY)
        try:
            with locked(study.path, folder):
                begun = study._begin(about)
                try:
                    yield study
                except BaseException:
                    # refused before its first trial: nothing is left behind
                    if begun and not study._found:
                        (study.path / JOURNAL).unlink()
                    raise
                finally:
                    study._journal.close()
        finally:
            os.close(folder)
            if made and not any(study.path.iterdir()):
                study.path.rmdir()

    def _begin(self, about: Mapping[str, object]) -> bool:
        """Open the journal; return whether the study is a new one."""
        self._load(self._journal.read())
        if self.about:
            differ = differences(self.about, about)
            if differ:
                lines = "\n  ".join(differ)
                raise RunStateError(
                    f"{self.path} was begun with something else:\n  {lines}\nGive what it was begun with, or begin "
                    f"another study with --study DIR"
                )
        else:
            require_empty(self.path)
        self._load(self._journal.open())
        new = not self.about
        if new:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            head = {"format": FORMAT, "id": uuid.uuid4().hex, "created": now}
            self._add({"kind": "study", "about": head | dict(about)})
        self._give_up_deadly()
        return new

    def _load(self, records: Sequence[Record]) -> None:
        self.about: dict[str, object] = {}
        self.spent_seconds, self._deaths = 0.0, {}
        self._found: dict[Key, Trial] = {}
        self.round: tuple[Key, ...] = ()
        self.round_starts = 0
        self._trials: tuple[Trial, ...] | None = None
        self._ranked: list[Trial] = []
        for record in records:
            self._take(record)

    def _add(self, record: Record, *, patience: float = 0.0) -> None:
        self._journal.append(record, patience=patience)
        self._take(record)

    def _take(self, record: Record) -> None:
        """Let a record have its effect; the one place that says what records mean."""
        kind = record["kind"]
        self._trials = None
        if kind == "study":
            self.about = record["about"]
            if self.about["format"] != FORMAT:
                raise RunStateError(
                    f"{self.path}: format {self.about['format']} of a later version; this one reads {FORMAT}"
                )
        elif kind == "round":
            members = tuple((number, repeat) for number, repeat in record["members"])
            self.round_starts = self.round_starts + 1 if members == self.round else 1
            self.round = members
        elif kind == "begun":
            self._take_begun(record)
        elif kind == "ended":
            self._take_ended(record)
        elif kind == "paused":
            # whoever stops a search on purpose says so: what was running then did not die of itself
            self._deaths.clear()
            self.round_starts = 0
        self.spent_seconds = record.get("spent", self.spent_seconds)

    def _take_begun(self, record: Record) -> None:
        key = _key(record)
        if key not in self._found:
            proposal = Proposal(**record["proposal"])
            self._found[key] = Trial(key[0], proposal, "running", repeat=key[1], seed=record["seed"])
        # of a round nobody knows which of its trials the process died of
        if not record.get("together"):
            self._deaths[key] = self._deaths.get(key, 0) + 1

    def _take_ended(self, record: Record) -> None:
        key, outcome = _key(record), record["outcome"]
        known = self._found[key]
        if outcome["status"] == "failed" and outcome.get("again") and known.attempts < TRIES:
            self._found[key] = replace(known, attempts=known.attempts + 1, error=outcome["error"])
        else:
            self._found[key] = replace(known, **{"error": None, **outcome})
            self._rank(self._found[key])
        self._deaths.pop(key, None)

    def _rank(self, trial: Trial) -> None:
        if trial.status == "completed" and trial.score is not None and not trial.repeat:
            cost = self.objective.cost
            bisect.insort(self._ranked, trial, key=lambda one: (cost(one.score), one.number))

    def _give_up_deadly(self) -> None:
        """Let trials fail that were running when the process died, again and again."""
        for key, deaths in list(self._deaths.items()):
            if deaths >= DEATHS:
                error = f"the process died while it ran, {deaths} times; with --workers 1 a trial has one of its own"
                self.end(replace(self._found[key], status="failed", error=error))

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials of the search, in order of proposal."""
        if self._trials is None:
            self._trials = tuple(trial for (_, repeat), trial in self._found.items() if not repeat)
        return self._trials

    def repeats_of(self, number: int) -> tuple[Trial, ...]:
        """Return what became of a trial when it was run again with fresh seeds."""
        found: list[Trial] = []
        while again := self._found.get((number, len(found) + 1)):
            found.append(again)
        return tuple(found)

    @property
    def has_repeats(self) -> bool:
        """Whether any trial was run again with fresh seeds."""
        return len(self._found) > len(self.trials)

    @property
    def unfinished(self) -> tuple[Trial, ...]:
        """Trials that were begun and did not end."""
        return tuple(trial for trial in self._found.values() if trial.status == "running")

    @property
    def objective(self) -> Objective:
        """What the study makes small or large."""
        return parse_objective(self.about["objective"])

    def ranked(self) -> list[Trial]:
        """Return the trials of the search that have a score, the best first; of equals the earlier."""
        return list(self._ranked)

    def of(self, key: Key) -> Trial | None:
        """Return a trial by its key, None where it was not proposed."""
        return self._found.get(key)

    def begin_round(self, members: Sequence[Key]) -> None:
        """Write down which trials are about to be proposed and run at once."""
        self._add({"kind": "round", "members": [list(key) for key in members]}, patience=math.inf)

    def begin(self, trial: Trial, *, together: bool = False) -> None:
        """Write down that a trial is about to run, alone or with those of its round; before it does."""
        record = {"kind": "begun", "number": trial.number} | ({"together": True} if together else {})
        record |= {"repeat": trial.repeat} if trial.repeat else {}
        if trial.key not in self._found:
            record |= {"seed": trial.seed, "proposal": _slim(trial.proposal)}
        # what is lost with the power is proposed again, the same
        self._add(record, patience=math.inf)

    def end(self, trial: Trial, *, spent: float | None = None) -> Trial:
        """Write down what became of a trial; return it as it stands, which is running where it is to be tried again."""
        outcome = {name: getattr(trial, name) for name in _ENDED if getattr(trial, name) != getattr(_UNKNOWN, name)}
        record = {"kind": "ended", "number": trial.number, "outcome": outcome}
        record |= {"repeat": trial.repeat} if trial.repeat else {}
        self._add(record | {"spent": round(self.spent_seconds if spent is None else spent, 3)}, patience=AT_RISK)
        return self._found[trial.key]

    def pause(self, spent: float) -> None:
        """Write down that the search stops here, on purpose."""
        self._add({"kind": "paused", "spent": round(spent, 3)})


def _key(record: Record) -> Key:
    return record["number"], record.get("repeat", 0)


def differences(before: Mapping[str, object], now: Mapping[str, object], prefix: str = "") -> list[str]:
    """Return in words what differs between what a study was begun with and what is asked for now.

    Args:
        before: `Study.about`, or a part of it.
        now: the same.
        prefix: of names, where this is a part of the whole.
    """
    found = []
    for name in _DECIDING if not prefix else {**before, **now}:
        old, new, title = before.get(name), now.get(name), f"{prefix}{name}"
        if title == "space" and old != new:
            found += Space.from_mapping(old).difference(Space.from_mapping(new)).splitlines()
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{title}.")
        # the seed of the study is among its settings where the user gave it
        elif old != new and title != "settings.seed":
            found.append(f"{title} was {_brief(old)}, is {_brief(new)}")
    return found


def _brief(value: object) -> str:
    text = "not there" if value is None else repr(value)
    return text if len(text) <= 160 else f"{text[:160]}…"


def _slim(proposal: Proposal) -> dict[str, object]:
    return {name: value for name, value in asdict(proposal).items() if value is not None}
