"""Which features a prepared data set of tensorflow-datasets has, read as data before the library reads them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from finetune.data.examples import printable
from zoo.errors import DataError

FILES = ("dataset_info.json", "features.json")
# The library imports whatever module a class is said to be in; only its own are let through.
_OWN_CLASS = re.compile(r"tensorflow_datasets\.core\.features\.[a-z_]+\.[A-Za-z]+")
_MOST_BYTES = 16 * 2**20
IMAGE, LABEL, BOX = "Image", "ClassLabel", "BBoxFeature"
_FOUND = (IMAGE, LABEL, BOX)


def is_prepared(folder: Path) -> bool:
    """Whether a folder holds a data set that tensorflow-datasets has prepared."""
    try:
        return all((folder / name).is_file() for name in FILES)
    except OSError:  # such as a name that is too long
        return False


def prepared_below(folder: Path) -> list[str]:
    """Return the versions that are prepared in a folder, in the order of their names."""
    try:
        return sorted(path.name for path in folder.glob("*.*.*") if is_prepared(path))
    except OSError:
        return []


def picture_and_label(folder: Path, target: str | None) -> tuple[str, str]:
    """Return the names of the features that hold the picture and its class.

    Args:
        folder: of a version of a data set.
        target: feature with the class; None takes the only one.

    Raises:
        DataError: the file is damaged or names classes that are not the library's own; or there is no picture, no
            label, several, or boxes.
    """
    found = _features(folder)
    listed = ", ".join(f"{name} ({kind})" for name, kind in found.items())
    place = printable(str(folder))
    boxes = [name for name, kind in found.items() if kind == BOX]
    if boxes:
        raise DataError(f"{place}: {', '.join(boxes)} holds boxes, and no model here finds boxes. Features: {listed}")
    images = [name for name, kind in found.items() if kind == IMAGE]
    labels = [name for name, kind in found.items() if kind == LABEL]
    if len(images) != 1 or "/" in images[0]:
        raise DataError(f"{place}: one picture an example is expected; there are {len(images)}. Features: {listed}")
    if target is not None:
        if target not in labels:
            raise DataError(f"{place}: the feature {target!r} is no class label. Features: {listed}")
        return images[0], target
    if not labels:
        raise DataError(f"{place}: no feature is a class label, so there is nothing to learn. Features: {listed}")
    if len(labels) > 1 or "/" in labels[0]:
        raise DataError(
            f"{place}: there are several labels; name the one to learn with --set target=NAME. Features: {listed}"
        )
    return images[0], labels[0]


def _features(folder: Path) -> dict[str, str]:
    """Return each feature's path and the name of its class."""
    path = folder / "features.json"
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        tree = json.loads(content) if len(content) <= _MOST_BYTES else None
        classes = list(_classes(tree))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{printable(str(path))} is damaged ({str(error)[:120]}); prepare the data set again"
        ) from error
    if not isinstance(tree, dict) or not classes:
        raise DataError(f"{printable(str(path))} lists no features; prepare the data set again")
    foreign = next((name for name in classes if not _OWN_CLASS.fullmatch(name)), None)
    if foreign is not None:
        raise DataError(
            f"{printable(str(path))} names the class {printable(foreign)!r}, which is not one of tensorflow-datasets' "
            f"own; it would have to be imported and run, so it is not"
        )
    return {name: kind for name, kind in _leaves(tree, ()) if name}


def _classes(tree: object) -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in ("pythonClassName", "python_class_name"):
                yield str(value)
            else:
                yield from _classes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _classes(value)


def _leaves(node: Mapping[str, object], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield each feature as its path, such as "objects/bbox", and the name of its class."""
    kind = str(node.get("pythonClassName", "")).rsplit(".", 1)[-1]
    inner = node.get("featuresDict")
    if isinstance(inner, dict) and isinstance(inner.get("features"), dict):
        for name, feature in inner["features"].items():
            if isinstance(feature, dict):
                yield from _leaves(feature, (*path, name))
        return
    sequence = node.get("sequence")
    if isinstance(sequence, dict) and isinstance(sequence.get("feature"), dict):
        yield from _leaves(sequence["feature"], (*path, "*"))
        return
    yield "/".join(path), kind
