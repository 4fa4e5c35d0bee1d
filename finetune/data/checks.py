"""Every file is hashed and decoded to its end before training: bad ones are left out, too many are refused."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

import numpy as np
import PIL

from finetune.data.batches import each
from finetune.data.examples import Examples, Skipped, printable
from finetune.data.images import DECODER_VERSION, ImageLimits, open_reduced, source_digest
from finetune.data.known import digest_marks
from finetune.data.picture_facts import ENOUGH, FACTS, FACTS_VERSION, PictureFacts, facts_of, keep_facts, kept_facts
from zoo.atomic import write_atomic
from zoo.errors import DataError, ImageError

# More bad files than this share are a fault of the data set. One bad file is always let pass: in a hundred photos or
# fewer it would be over the share, and one torn download is no reason to refuse the others.
MAX_SKIPPED_FRACTION = 0.01

_LISTED = 10
# Part of every fingerprint: raised by one whenever the same data would get another one.
_FINGERPRINT = 1
Track = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class Inspection:
    """What the check of all files found.

    Attributes:
        examples: the usable ones; bad files are in `examples.skipped`.
        digests: (n, 32) uint8, SHA-256 of each usable file's bytes, in the order of `examples.files`.
        fingerprint: SHA-256 over class names, paths, labels, given splits and digests; the
            same data gives the same fingerprint wherever it lies.
        warnings: what the user should know.
        decoded: False when the verdicts of an earlier check of the same bytes were used.
        facts: (n,) records of `finetune.data.picture_facts.FACTS`, one a usable file.
    """

    examples: Examples
    digests: np.ndarray = field(compare=False)
    fingerprint: str
    warnings: tuple[str, ...]
    decoded: bool
    facts: np.ndarray = field(compare=False)

    @property
    def marks(self) -> np.ndarray:
        """Marks by which the examples are known again, (n,) uint64."""
        return digest_marks(self.digests)


def inspect(
    examples: Examples,
    limits: ImageLimits,
    *,
    threads: int,
    track: Track,
    cache_dir: Path | None,
    strict: bool = False,
) -> Inspection:
    """Hash every file, decode every file that was not decoded before, and leave the bad ones out.

    Args:
        examples: candidates, as the folder was scanned.
        limits: what one picture may cost.
        threads: how many files are worked on at once; one decoded picture each is in memory.
        track: `track(title, total, unit)` is a context manager that yields `advance(steps)`, as `Reporter.track`.
        cache_dir: verdicts are kept in its folder `checks`; None keeps none.
        strict: refuse bad files, and duplicates across classes or splits.

    Raises:
        DataError: over 1 % of the files are bad, a class has no usable file left, or strict finds a bad file or
            duplicates.
    """
    digests, unreadable = _hash_all(examples, limits, threads, track)
    readable = [index for index, file in enumerate(examples.files) if file not in unreadable]
    candidates, digests = examples.only(readable), digests[readable]
    damaged, facts, decoded, notes = _verdicts(candidates, digests, limits, threads, track, cache_dir)
    usable = [index for index, file in enumerate(candidates.files) if file not in damaged]
    faults = [Skipped(file, reason) for file, reason in (unreadable | damaged).items()]
    kept = replace(
        candidates.only(usable),
        skipped=(*examples.skipped, *sorted(faults, key=lambda fault: os.fsencode(fault.file))),
        notes=(*examples.notes, *notes),
    )
    _check_share(kept)
    _check_classes(examples, kept)
    digests = digests[usable]
    warnings = duplicate_warnings(digests, kept.labels, kept.given_splits, kept)
    if strict and (warnings or kept.skipped):
        raise DataError("\n".join([*warnings, *_skipped_warning(kept), "strict=true refuses this."]))
    return Inspection(kept, digests, _fingerprint(kept, digests), warnings, decoded, facts)


def duplicate_warnings(
    digests: np.ndarray, labels: Sequence[int], splits: Sequence[str], examples: Examples
) -> tuple[str, ...]:
    """Say which files have the same bytes but different labels, or lie on different sides of a split.

    Args:
        digests: (n, 32) uint8 of each example's bytes.
        labels: of each example.
        splits: "train", "validation" or "test" for each example; empty while there are none.
        examples: for the names.

    Returns:
        At most one sentence for the classes and one for the splits, each with the first ten pairs.
    """
    names = [examples.words(label) for label in labels]
    return (
        *_same_bytes(examples, digests, names, "in two classes, so one label of each pair is wrong"),
        *_same_bytes(examples, digests, splits, "on two sides of the split, so the model is judged by what it learnt"),
    )


def _same_bytes(examples: Examples, digests: np.ndarray, places: Sequence[str], fault: str) -> Iterator[str]:
    first: dict[int, int] = {}
    pairs = []
    for index, number in _repeated(digests) if places else ():
        earlier = first.setdefault(number, index)
        if places[earlier] != places[index]:
            pairs.append((earlier, index))
    if pairs:
        lines = [
            " = ".join(f"{printable(examples.files[index])} ({places[index]})" for index in pair)
            for pair in pairs[:_LISTED]
        ]
        count = (
            f"{len(pairs):,} pair of equal files lies"
            if len(pairs) == 1
            else f"{len(pairs):,} pairs of equal files lie"
        )
        yield f"{count} {fault}: {_listed(lines, len(pairs), '; ')}. Remove one each."


def _repeated(digests: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the place of each digest that is there more than once, in order, and the same number for the same one."""
    _, numbers, counts = np.unique(digests.view("V32")[:, 0], return_inverse=True, return_counts=True)
    for place in np.flatnonzero(counts[numbers] > 1).tolist():
        yield place, int(numbers[place])


def _hash_all(examples: Examples, limits: ImageLimits, threads: int, track: Track) -> tuple[np.ndarray, dict[str, str]]:
    """Return the digests of all files, (n, 32) uint8, and why some cannot be read."""
    digests, unreadable = np.zeros((len(examples), 32), "uint8"), {}

    def hashed(file: str) -> bytes | str:
        try:
            return source_digest(examples.source(file), limits)
        except ImageError as error:
            return str(error)

    with track("reading", len(examples), "files") as advance:
        for index, found in enumerate(each(hashed, examples.files, threads, advance)):
            if isinstance(found, str):
                unreadable[examples.files[index]] = found
            else:
                digests[index] = np.frombuffer(found, "uint8")
    return digests, unreadable


def _verdicts(
    examples: Examples, digests: np.ndarray, limits: ImageLimits, threads: int, track: Track, cache_dir: Path | None
) -> tuple[dict[str, str], np.ndarray, bool, list[str]]:
    """Return why files cannot be decoded, the facts of the others, whether any was decoded, and notes."""
    path = cache_dir / "checks" / f"{_key(examples, digests, limits)}.json" if cache_dir else None
    known = _read_verdicts(path, examples) if path else None
    facts = kept_facts(path.with_suffix(".npy"), len(examples) - len(known)) if known is not None else None
    if facts is not None:
        return known, facts, False, []

    def verdict(file: str) -> PictureFacts | str:
        try:
            decoded = open_reduced(examples.source(file), limits, least=ENOUGH)
            return facts_of(decoded.image, size=decoded.size, area=decoded.area)
        except ImageError as error:
            return str(error)

    damaged: dict[str, str] = {}
    facts, good = np.empty(len(examples), FACTS), 0
    with track("checking", len(examples), "images") as advance:
        for file, found in zip(examples.files, each(verdict, examples.files, threads, advance), strict=True):
            if isinstance(found, str):
                damaged[file] = found
            else:
                facts[good] = found
                good += 1
    facts = facts[:good]
    return damaged, facts, True, _keep_verdicts(path, damaged, facts) if path else []


def _keep_verdicts(path: Path, damaged: dict[str, str], facts: np.ndarray) -> list[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        keep_facts(path.with_suffix(".npy"), facts)
        write_atomic(path, json.dumps({"damaged": damaged}))
    except OSError as error:
        # The check is done and right; only the next run has to do it again.
        return [f"{printable(str(path))} cannot be written ({error.strerror}): the next run checks all files again"]
    return []


def _key(examples: Examples, digests: np.ndarray, limits: ImageLimits) -> str:
    key = hashlib.sha256(json.dumps([DECODER_VERSION, FACTS_VERSION, PIL.__version__, *astuple(limits)]).encode())
    for file, digest in zip(examples.files, digests, strict=True):
        key.update(os.fsencode(file) + b"\0" + digest.tobytes())
    return key.hexdigest()


def _read_verdicts(path: Path, examples: Examples) -> dict[str, str] | None:
    """Return the verdicts of an earlier check, or None where there are none or the file holds something else."""
    try:
        damaged = json.loads(path.read_text("utf-8"))["damaged"]
        valid = set(damaged) <= set(examples.files) and all(isinstance(reason, str) for reason in damaged.values())
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return damaged if valid else None


def _skipped_warning(examples: Examples) -> Iterator[str]:
    if examples.skipped:
        yield f"{len(examples.skipped):,} left out because they cannot be used:\n{_lines(examples.skipped)}"


def _check_share(examples: Examples) -> None:
    bad, total = examples.skipped, len(examples) + len(examples.skipped)
    if len(bad) > max(1, int(total * MAX_SKIPPED_FRACTION)):
        raise DataError(
            f"{len(bad):,} of {total:,} pictures cannot be used, over the limit of {MAX_SKIPPED_FRACTION:.0%}:\n"
            f"{_lines(bad)}\nMend them, or take them out of the data."
        )


def _check_classes(before: Examples, after: Examples) -> None:
    gone = sorted(_places(before) - _places(after))
    if gone:
        names = [f"{before.class_names[label]}{f' ({split})' if split else ''}" for label, split in gone[:_LISTED]]
        raise DataError(
            f"no usable picture is left in the class {_listed(names, len(gone), ', ')}:\n"
            f"{_lines(after.skipped)}\nMend the files, or remove the class."
        )


def _places(examples: Examples) -> set[tuple[int, str]]:
    pairs = zip(examples.labels, examples.given_splits or [""] * len(examples), strict=True)
    if examples.task == "multi_label":
        return {(label, split) for labels, split in pairs for label in labels}
    return set(pairs) if examples.task == "classification" else set()


def _lines(faults: Sequence[Skipped]) -> str:
    lines = [f"  {printable(fault.file)}: {printable(fault.reason)}" for fault in faults[:_LISTED]]
    return _listed(lines, len(faults), "\n")


def _listed(texts: Sequence[str], count: int, separator: str) -> str:
    return separator.join([*texts, f"and {count - len(texts):,} more"] if count > len(texts) else texts)


def _fingerprint(examples: Examples, digests: np.ndarray) -> str:
    fingerprint = hashlib.sha256(json.dumps([_FINGERPRINT, *examples.class_names]).encode())
    splits = examples.given_splits or [""] * len(examples)
    for file, label, split, digest in zip(examples.files, examples.labels, splits, digests, strict=True):
        fingerprint.update(os.fsencode(file) + f"\0{label}\0{split}\0{digest.tobytes().hex()}\n".encode())
    if examples.groups:
        fingerprint.update(json.dumps(examples.groups).encode())
    return fingerprint.hexdigest()
