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
        labels: index into `class_names` for each file.
        class_names: sorted names as the user wrote them.
        given_splits: "train", "validation" or "test" for each file where the folders say so; empty when we split.
        skipped: pictures that should have been usable and are not; they count against the limit of bad files.
        left_out: what was never meant as a picture (system files, notes beside the pictures); does not count.
        notes: statements on how the source was read, for the report.
    """

    root: str
    files: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    given_splits: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    left_out: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.files)

    def only(self, indices: Sequence[int]) -> "Examples":
        """Return the same source restricted to `indices`, in their order."""
        return replace(
            self,
            files=tuple(self.files[i] for i in indices),
            labels=tuple(self.labels[i] for i in indices),
            given_splits=tuple(self.given_splits[i] for i in indices) if self.given_splits else (),
        )


def printable(path: str) -> str:
    r"""Return a path as valid text on one line: undecodable bytes and control characters appear as `\x..`."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
