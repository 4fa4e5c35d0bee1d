"""Arrays with their targets, wherever they come from: what they are, and how each example is called."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from finetune.data.pixels import CHANNELS
from zoo.errors import DataError


@dataclass(frozen=True)
class Part:
    """Examples that lie in one array.

    Attributes:
        name: of the array, such as "x" or "x_train".
        side: "train", "validation" or "test"; empty where we split.
        x: (n, ...) inputs.
        y: (n, ...) targets; None where there are none, as in data that are only to be answered.
    """

    name: str
    side: str
    x: np.ndarray
    y: np.ndarray | None


@dataclass(frozen=True)
class Arrays:
    """One source of arrays.

    Attributes:
        root: absolute path of the file, name of the data set, or one that begins with "python:".
        parts: the examples.
        class_names: by number, where the source knows them.
        column_names: of the features of a table, where the source knows them.
        target_name: what `y` is.
        notes: how the source was read.
    """

    root: str
    parts: tuple[Part, ...]
    class_names: tuple[str, ...] = ()
    column_names: tuple[str, ...] = ()
    target_name: str = "y"
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(len(part.x) for part in self.parts)

    @property
    def y(self) -> np.ndarray:
        """Targets of all parts, one after the other."""
        return np.concatenate([part.y for part in self.parts])

    @property
    def names(self) -> tuple[str, ...]:
        """How each example is called, such as "x[17]"."""
        return tuple(f"{part.name}[{index}]" for part in self.parts for index in range(len(part.x)))

    @property
    def sides(self) -> tuple[str, ...]:
        """The side of each example; empty where we split."""
        sides = tuple(part.side for part in self.parts for _ in range(len(part.x)))
        return sides if any(sides) else ()


class ArrayPixels(Mapping):
    """The pictures of arrays by the names of their examples."""

    def __init__(self, arrays: Arrays):
        self._arrays, self._of = arrays, {part.name: part.x for part in arrays.parts}

    def __getitem__(self, name: str) -> np.ndarray:
        array, _, index = name.removesuffix("]").rpartition("[")
        return self._of[array][int(index)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays.names)

    def __len__(self) -> int:
        return len(self._arrays)


def check_parts(arrays: Arrays) -> None:
    """Refuse arrays that do not go together.

    Raises:
        DataError: an array is empty, of objects, or of another shape or length than the others.
    """
    for part in arrays.parts:
        for array in filter(lambda array: array is not None, (part.x, part.y)):
            if array.dtype.kind not in "biufUS":
                raise DataError(f"{arrays.root}: an array of {array.dtype} is not read; expected are numbers or texts")
        if part.x.ndim < 1 or not part.x.size:
            raise DataError(f"{arrays.root}: {part.name} has the shape {part.x.shape}, which holds no example")
        if part.y is not None and (part.y.ndim < 1 or len(part.y) != len(part.x)):
            raise DataError(
                f"{arrays.root}: {part.name} has {len(part.x):,} examples, but its targets have shape {part.y.shape}"
            )
    shapes = {part.x.shape[1:] for part in arrays.parts}
    kinds = {part.x.dtype for part in arrays.parts}
    if len(shapes) > 1 or len(kinds) > 1:
        listed = ", ".join(f"{part.name} {part.x.shape} {part.x.dtype}" for part in arrays.parts)
        raise DataError(f"{arrays.root}: the sides differ in shape or type: {listed}")


def kind_of(arrays: Arrays) -> str:
    """Return what examples are: "pictures", "table", or "windows" of a series.

    Whole numbers of (height, width), and anything of (height, width, 1, 3 or 4), are pictures; one number or a row of
    them is a table; fractional numbers of (steps, features) are windows.

    Raises:
        DataError: the shape is none of these, or could be two of them.
    """
    x = arrays.parts[0].x
    if x.ndim <= 2:
        return "table"
    if x.ndim == 4 and x.shape[3] in CHANNELS:
        return "pictures"
    if x.ndim == 3 and x.dtype.kind in "iub":
        return "pictures"
    if x.ndim == 3 and min(x.shape[1:]) >= 8 and 0 <= x.min() and x.max() <= 255:
        raise DataError(
            f"{arrays.root}: fractional numbers of shape {x.shape} in [{x.min():g}, {x.max():g}] may be grey pictures "
            f"or windows of a series. For pictures give whole numbers in [0, 255] as uint8, or (n, height, width, 1)"
        )
    if x.ndim == 3:
        return "windows"
    if x.ndim == 4 and x.shape[1] in CHANNELS:
        raise DataError(
            f"{arrays.root}: pictures of shape {x.shape} have their channels first; give x.transpose(0, 2, 3, 1)"
        )
    raise DataError(
        f"{arrays.root}: inputs of shape {x.shape}; expected are pictures (n, height, width) or (n, height, width, 1, "
        f"3 or 4), rows (n, features), or windows (n, steps, features)"
    )
