"""Rows: the examples of a table or a series, as columns of numbers and texts."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from finetune.data.columns import Column
from finetune.data.examples import Skipped
from finetune.data.findings import Finding
from finetune.data.targets import Target


@dataclass(frozen=True)
class Rows:
    """Examples of a table, in the order of the file.

    Attributes:
        root: absolute path of the file.
        columns: the features; see `Column.values`.
        target: what is to be predicted, a row each.
        lines: (n,) line of the file that each row begins at.
        file_sha256: of the file's bytes.
        given_splits: "train", "validation" or "test" for each row where a column says so; empty otherwise.
        groups: what belongs together for each row; empty where nothing was said.
        weights: (n,) float32 in the loss; None where all count 1.
        skipped: rows that are not used, with their reason.
        left_out: columns that are not used, with their reason.
        notes: how the file was read.
        findings: what the checks said.
    """

    root: str
    columns: Mapping[str, Column]
    target: Target
    lines: np.ndarray
    file_sha256: str
    given_splits: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    weights: np.ndarray | None = None
    skipped: tuple[Skipped, ...] = ()
    left_out: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def strata(self) -> Sequence[int]:
        """A number for each row; rows of one number are dealt to the sides in the same proportions."""
        return self.target.values.tolist() if self.target.task == "classification" else [0] * len(self)

    @property
    def strata_names(self) -> tuple[str, ...]:
        """Names of the numbers in `strata`; one nameless for targets that are numbers."""
        return self.target.names if self.target.task == "classification" else ("",)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the file and of what is taken from it."""
        taken = [self.file_sha256, self.target.task, *self.target.names, "", *self.columns, str(len(self))]
        return hashlib.sha256("\n".join(taken).encode()).hexdigest()

    def finding(self, *findings: Finding) -> "Rows":
        """Return the rows with more findings."""
        return replace(self, findings=(*self.findings, *findings))


def column_values(columns: Mapping[str, Column]) -> dict[str, np.ndarray]:
    """Return columns as arrays that stand for themselves: float64 with NaN, or texts with "" where blank."""
    return {
        name: texts_of(column.values, column.categories) if column.kind == "categorical" else column.values
        for name, column in columns.items()
    }


def texts_of(codes: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Return for each code (n,) its text, "" for -1, as an array of objects that holds each text once."""
    # index -1, a blank, takes the last of the names
    return np.array([*texts, ""], dtype=object)[codes]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
