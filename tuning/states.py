"""States that trials of Hyperband go on by, a folder a trial; one that is gone costs time, for it can be made again."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tuning.trial import Trial

_NAME = re.compile(r"\d{6,}")


def folder_of(states: Path, number: int) -> Path:
    """Return where the state of a trial is."""
    return states / f"{number:06}"


def needed(trials: Sequence[Trial]) -> set[int]:
    """Return the trials that a later one may go on with: of the newest bracket, and not gone on with already."""
    newest = max((trial.proposal.bracket or 0 for trial in trials), default=0)
    continued = {trial.proposal.continues for trial in trials if trial.status != "running"}
    return {
        trial.number
        for trial in trials
        if trial.proposal.epochs is not None and (trial.proposal.bracket or 0) == newest
    } - continued


def keep_only(states: Path, trials: Sequence[Trial]) -> None:
    """Remove the states that no trial can need.

    Args:
        states: folder of all.
        trials: of the study; none of them for a search that is over.
    """
    if not states.is_dir():
        return
    wanted = {folder_of(states, number).name for number in needed(trials)}
    for path in states.iterdir():
        if _NAME.fullmatch(path.name) and path.name not in wanted:
            shutil.rmtree(path, ignore_errors=True)
