"""What the facts of all pictures say before training: empty, colourless, wrongly scaled, or nearly the same picture."""

from collections.abc import Sequence

import numpy as np

from finetune.data.examples import printable
from finetune.data.findings import Finding
from finetune.data.near_duplicates import near_pairs

_LISTED = 10
# JPEG files of grey scenes stay within this difference between the channels.
_GREY = 2
# Grey values of a picture in which a viewer sees nothing.
_DARK, _BRIGHT, _EVEN = 5, 250, 5.0
_SAME_VALUE = 2


def picture_findings(facts: np.ndarray, files: Sequence[str]) -> list[Finding]:
    """Return what is to be said of the pictures one by one: empty ones, grey ones, wrongly scaled ones.

    Args:
        facts: (n,) records of `finetune.data.picture_facts.FACTS`.
        files: name of each picture.
    """
    if not len(facts):
        return []
    scaled = (facts["high"] == 1) & (facts["low"] == 0)
    return [*_scaled(scaled, files), *_empty(facts, scaled, files), *_grey(facts)]


def near_duplicate_findings(
    facts: np.ndarray,
    files: Sequence[str],
    labels: Sequence[object],
    sides: Sequence[str] = (),
    digests: np.ndarray | None = None,
) -> list[Finding]:
    """Return what is to be said of pictures that look the same; at most one finding each for classes, sides, the rest.

    Args:
        facts: (n,) records of `finetune.data.picture_facts.FACTS`.
        files: name of each picture.
        labels: what each shows, in printable words or numbers.
        sides: "train", "validation" or "test" for each; empty while there are none.
        digests: (n, 32) uint8, hash of each file's bytes; pairs of equal files are left to the check of equal files.
    """
    pairs = near_pairs(facts)
    kinds: dict[str, list[tuple[int, int]]] = {"labels": [], "sides": [], "copies": []}
    for first, second in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True):
        if digests is not None and np.array_equal(digests[first], digests[second]):
            continue
        apart = {"labels": labels[first] != labels[second], "sides": len(sides) and sides[first] != sides[second]}
        for kind in [kind for kind, differ in apart.items() if differ] or ["copies"]:
            kinds[kind].append((first, second))
    return [
        *_pairs_found("near duplicates across labels", kinds["labels"], files, labels),
        *_pairs_found("near duplicates across sides", kinds["sides"], files, sides),
        *_pairs_found("near duplicates", kinds["copies"], files, labels),
    ]


_PAIR_FAULTS = {
    "near duplicates across labels": (
        "warning",
        "look the same but are labelled differently, so one label of each is wrong or the two cannot be told apart",
        "Look at them, and correct or remove one each.",
    ),
    "near duplicates across sides": (
        "warning",
        "look the same and lie on two sides of the split, so the model is judged by what it learnt",
        "Remove one each, or put all pictures of one scene on one side, by folders train, validation and test or by "
        "group=COLUMN in a table of pictures.",
    ),
    "near duplicates": (
        "note",
        "look the same and lie on one side with one label: they count twice",
        "Remove copies that are not meant to be there.",
    ),
}


def _pairs_found(
    check: str, pairs: Sequence[tuple[int, int]], files: Sequence[str], words: Sequence[object]
) -> list[Finding]:
    if not pairs:
        return []
    severity, fault, remedy = _PAIR_FAULTS[check]
    lines = tuple(
        " ~ ".join(f"{printable(files[index])} ({printable(str(words[index]))})" for index in pair)
        for pair in pairs[:_LISTED]
    )
    message = f"{_count(len(pairs), 'pair')} of pictures {fault}: {_listed(lines, len(pairs))}. {remedy}"
    return [Finding(check, severity, message, lines, len(pairs))]


def _scaled(scaled: np.ndarray, files: Sequence[str]) -> list[Finding]:
    found = np.flatnonzero(scaled)
    if not len(found):
        return []
    message = (
        f"{_count(len(found), 'picture')} of {len(scaled):,} hold only the values 0 and 1, where 255 is white: "
        f"scaled to [0, 1] before they were saved, or masks ({_listed(some_files(files, found), len(found))}). "
        f"A model sees them as black. Save them again with their values times 255."
    )
    severity = "error" if 2 * len(found) > len(scaled) else "warning"
    return [Finding("scaled pictures", severity, message, some_files(files, found), len(found))]


def _empty(facts: np.ndarray, scaled: np.ndarray, files: Sequence[str]) -> list[Finding]:
    constant = facts["high"].astype(int) - facts["low"] <= _SAME_VALUE
    even = facts["std"] <= _EVEN
    kinds = {"of one colour": constant, "almost black": even & (facts["mean"] <= _DARK)}
    kinds["almost white"] = even & (facts["mean"] >= _BRIGHT)
    findings, before = [], scaled.copy()
    for kind, holds in kinds.items():
        found = np.flatnonzero(holds & ~before)
        before |= holds
        if len(found):
            places = some_files(files, found)
            message = (
                f"{_count(len(found), 'picture')} of {len(facts):,} {'is' if len(found) == 1 else 'are'} {kind}, with "
                f"nothing to see: {_listed(places, len(found))}. Take them out, unless empty pictures are a class."
            )
            findings.append(Finding("empty pictures", "warning", message, places, len(found)))
    return findings


def _grey(facts: np.ndarray) -> list[Finding]:
    grey = int((facts["colour"] <= _GREY).sum())
    if grey < len(facts):
        return []
    message = (
        "all pictures are grey, so their three channels are equal and the model learns nothing of colour; give it grey "
        "pictures later, too."
    )
    return [Finding("grey pictures", "note", message, (), grey)]


def some_files(files: Sequence[str], indices: Sequence[int]) -> tuple[str, ...]:
    """Return the printable names of the first ten of some files."""
    return tuple(printable(files[index]) for index in indices[:_LISTED])


def _listed(texts: Sequence[str], count: int) -> str:
    return "; ".join([*texts, f"and {count - len(texts):,} more"] if count > len(texts) else texts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
