"""Examples: which files there are, what each shows, and what was left out and why."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Skipped:
    """A file that is not used: its path relative to the data's root, and the reason in a few words."""

    file: str
    reason: str


@dataclass(frozen=True)
class Examples:
    """Labelled pictures of one data source, in a fixed order.

    Attributes:
        root: absolute path of the folder that `files` are relative to.
        files: relative paths as the file system spells them (undecodable bytes as surrogates), sorted.
        labels: for each file an index into `class_names`; for task "multi_label" a tuple of them, for "regression" a
            number.
        class_names: sorted names as the user wrote them; for "regression" the name of the number.
        given_splits: "train", "validation" or "test" for each file where the folders say so; empty when we split.
        skipped: pictures that should have been usable and are not; they count against the limit of bad files.
        left_out: what was never meant as a picture (system files, notes beside the pictures); does not count.
        notes: statements on how the source was read, for the report.
        task: "classification", "multi_label" or "regression".
        groups: what belongs together, such as a patient, for each file; empty where nothing was said.
        weights: how much each file counts in the loss; empty where all count 1.
    """

    root: str
    files: tuple[str, ...]
    labels: tuple[int, ...] | tuple[tuple[int, ...], ...] | tuple[float, ...]
    class_names: tuple[str, ...]
    given_splits: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    left_out: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    task: str = "classification"
    groups: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.files)

    @property
    def strata(self) -> Sequence[int]:
        """A number for each file; files of one number are dealt to the sides in the same proportions."""
        return self.labels if self.task == "classification" else (0,) * len(self)

    @property
    def strata_names(self) -> tuple[str, ...]:
        """Names of the numbers in `strata`; one nameless for targets that are no classes."""
        return self.class_names if self.task == "classification" else ("",)

    def only(self, indices: Sequence[int]) -> "Examples":
        """Return the same source restricted to `indices`, in their order."""
        kept = {
            name: tuple(values[i] for i in indices) if values else ()
            for name in ("files", "labels", "given_splits", "groups", "weights")
            for values in (getattr(self, name),)
        }
        return replace(self, **kept)


def printable(path: str) -> str:
    r"""Return a path as valid text on one line: undecodable bytes and control characters appear as `\x..`."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
