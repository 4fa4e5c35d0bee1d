"""Examples: which files there are, what each shows, and what was left out and why."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from finetune.data.findings import Finding


@dataclass(frozen=True)
class Skipped:
    """A file that is not used: its path relative to the data's root, and the reason in a few words."""

    file: str
    reason: str


@dataclass(frozen=True)
class Examples:
    """Labelled pictures of one data source, in a fixed order.

    Attributes:
        root: absolute path of the folder or file that was read, or the name of a data set.
        files: paths relative to `folder`, as the file system spells them (undecodable bytes as surrogates); or the keys
            of `pixels`, such as "x[17]".
        labels: for each file an index into `class_names`; for task "multi_label" a tuple of them, for "regression" a
            number, or a tuple of numbers where `class_names` has several.
        class_names: sorted names as the user wrote them; for "regression" the name of the number.
        given_splits: "train", "validation" or "test" for each file where the folders say so; empty when we split.
        skipped: pictures that should have been usable and are not; they count against the limit of bad files.
        left_out: what was never meant as a picture (system files, notes beside the pictures); does not count.
        notes: statements on how the source was read, for the report.
        task: "classification", "multi_label" or "regression".
        groups: what belongs together, such as a patient, for each file; empty where nothing was said.
        weights: how much each file counts in the loss; empty where all count 1.
        folder: absolute path that `files` are relative to, where that is not `root`.
        pixels: the pictures themselves where they are no files, each an array or the bytes of a file.
        findings: what was odd about the source when it was read.
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
    folder: str = ""
    pixels: Mapping[str, object] | None = field(default=None, compare=False, repr=False)
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.files)

    def source(self, file: str) -> object:
        """Return what the decoder takes for one of `files`: a path, the bytes of a file, or an array."""
        return os.path.join(self.folder or self.root, file) if self.pixels is None else self.pixels[file]

    @property
    def strata(self) -> Sequence[int]:
        """A number for each file; files of one number are dealt to the sides in the same proportions."""
        return self.labels if self.task == "classification" else (0,) * len(self)

    @property
    def strata_names(self) -> tuple[str, ...]:
        """Names of the numbers in `strata`; one nameless for targets that are no classes."""
        return self.class_names if self.task == "classification" else ("",)

    def words(self, label: object) -> str:
        """Return what one of `labels` says, in words."""
        if self.task == "classification":
            return self.class_names[label]
        if self.task == "multi_label":
            return ", ".join(self.class_names[one] for one in label) or "none"
        return ", ".join(f"{value:g}" for value in (label if isinstance(label, tuple) else (label,)))

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
