"""Findings: what a check of the data has to say, in one form for the terminal, data.json and the report."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from zoo.errors import DataError

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        check: short name of the check, such as "duplicates"; the same in every run.
        severity: "error" (training would be wrong), "warning" (it may be), or "note" (good to know).
        message: what was found, where, what follows from it, and the remedy; a sentence or two.
        places: files, columns or rows it is about, the first of them where there are many.
        count: how many there are.
    """

    check: str
    severity: str
    message: str
    places: tuple[str, ...] = ()
    count: int = 1

    def as_json(self) -> dict[str, object]:
        """Return the finding as JSON values."""
        return asdict(self) | {"places": list(self.places)}


def refuse_errors(findings: Iterable[Finding], *, strict: bool) -> None:
    """Refuse data with errors among the findings; strict takes warnings for errors.

    Raises:
        DataError: with a line for each.
    """
    fatal = ("error", "warning") if strict else ("error",)
    lines = [finding.message for finding in findings if finding.severity in fatal]
    if lines:
        raise DataError("\n".join(lines) + ("\n(warnings are fatal with strict=true)" if strict else ""))
