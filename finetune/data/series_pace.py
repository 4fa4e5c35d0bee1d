"""How a series goes in time, kept with its model, so that rows which come later are held against it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from finetune.data.columns import Table
from finetune.data.dates import Times
from finetune.data.examples import printable
from finetune.data.rhythm import Gaps, Rhythm, find_gaps, fits, usual_step
from zoo.errors import DataError


@dataclass(frozen=True)
class Pace:
    """How a series goes in time.

    Attributes:
        column: that says when.
        note: how its cells were read.
        rhythm: of its rows; None where their steps differ.
        longest_gap: most steps that were missing in one place.
    """

    column: str
    note: str
    rhythm: Rhythm | None
    longest_gap: int = 0

    @classmethod
    def of(cls, column: str, times: Times, rhythm: Rhythm | None) -> "Pace":
        """Return the pace of rows in the order of time."""
        gaps = find_gaps(times, rhythm).missing if rhythm else ()
        return cls(column, times.note, rhythm, int(max(gaps, default=0)))

    def as_json(self) -> dict[str, object]:
        """Return what model.json keeps."""
        return asdict(self)

    def check(self, table: Table, times: Times, last: int) -> Gaps | None:
        """Hold the last rows of a table against the pace, and return the gaps in them that are longer than any known.

        Args:
            table: in the order of time.
            times: of all of its rows.
            last: how many rows are looked at.

        Raises:
            DataError: the steps of these rows are of another length.
        """
        if self.rhythm is None or last < 2:
            return None
        tail = Times(times.values[-last:], times.a_second, times.note)
        dates = self.rhythm.kind != "numbers"
        if dates != bool(times.a_second) or not fits(tail, self.rhythm):
            found = usual_step(tail) if dates == bool(times.a_second) else ("dates" if times.a_second else "numbers")
            raise DataError(
                f"{printable(table.path)}: the steps of {self.column!r} ({found}) are not those that the run learned "
                f"from ({self.rhythm}). Give rows of the same steps, or train on such rows."
            )
        gaps = find_gaps(tail, self.rhythm)
        new = gaps.missing > self.longest_gap
        return Gaps(gaps.after[new] + len(times.values) - last, gaps.missing[new])


def read_pace(described: Mapping[str, object] | None) -> Pace | None:
    """Return the pace that model.json describes; None for none."""
    if not described:
        return None
    rhythm = described["rhythm"]
    return Pace(**{**described, "rhythm": Rhythm(**rhythm) if rhythm else None})


def refuse_gaps(table: Table, pace: Pace, gaps: Gaps | None) -> None:
    """Refuse rows that a forecast looks back on where steps are missing between them.

    Raises:
        DataError: the message names the lines.
    """
    if gaps is not None and len(gaps.after):
        at = int(np.max(gaps.after))
        raise DataError(
            f"{printable(table.path)}: {int(gaps.missing[-1]):,} steps are missing in {pace.column!r} between line "
            f"{table.lines[at]} and line {table.lines[at + 1]}, which the model looks back on; the run learned from "
            f"rows {pace.rhythm}. Fill the gap in."
        )
