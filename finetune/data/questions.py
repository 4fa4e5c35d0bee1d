"""What a run on pictures is asked: files, folders, lists, arrays and pictures of Pillow's become one sequence."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from PIL import Image

from finetune.config import FinetuneConfig
from finetune.data.array_pictures import check_pixels
from finetune.data.arrays import Arrays, Part, check_parts, kind_of
from finetune.data.examples import printable
from finetune.data.given import NAME, as_array, is_data_set
from finetune.data.images import Source
from finetune.data.listing import list_tree
from finetune.data.npz_file import npz_arrays
from finetune.data.picture_paths import listed_paths
from finetune.data.pixels import CHANNELS
from zoo.errors import DataError, ImageError

_ACCEPTED = (
    "a path or a list of paths (of pictures, folders, CSV files that list pictures, .npz files), an array of pictures "
    "(n, height, width, 3), or pictures of Pillow's"
)
_LISTS = (".csv", ".tsv")


@dataclass(frozen=True)
class Question:
    """One picture that is to be answered.

    Attributes:
        file: what it is called, printable.
        source: what the decoder takes, or the reason why there is nothing to take.
        row: its place in a file of many.
    """

    file: str
    source: Source | ImageError
    row: str | None = None


def picture_questions(config: FinetuneConfig, data: object) -> list[Question]:
    """Return the pictures that are meant, in order.

    Args:
        config: of the run; it says how CSV files are read, and what arrays may cost.
        data: a path of a picture, of a folder, of a CSV file that lists pictures, or of a .npz file; an array or tensor
            (n, height, width) or (n, height, width, 1, 3 or 4) in [0, 255]; a picture of Pillow's; or several paths,
            pictures of Pillow's and arrays of one picture each, mixed as one likes.

    Raises:
        DataError: the data are none of these, or hold no pictures.
    """
    if isinstance(data, str | os.PathLike):
        return _of_path(config, os.fspath(data))
    if isinstance(data, pd.DataFrame):
        raise DataError("a DataFrame is no picture; give its column of paths as a list, as in frame['path'].tolist()")
    if is_data_set(data):
        raise DataError(
            "a data set is not answered; give its pictures as an array, as in "
            "np.stack([x for x, y in data.unbatch().as_numpy_iterator()])"
        )
    if isinstance(data, Image.Image):
        return [_of_pillow(data, "x")]
    if isinstance(data, pd.Series | pd.Index) or (isinstance(data, np.ndarray) and data.dtype.kind in "UO"):
        data = data.tolist()
    if isinstance(data, Iterator):
        data = list(data)
    if isinstance(data, list | tuple):
        if not data:
            raise DataError(f"an empty {type(data).__name__}: there is nothing to answer")
        _refuse_pair(data)
        if any(map(_is_one, data)):
            return [question for at, one in enumerate(data) for question in _of_item(config, f"x[{at}]", one)]
    return _of_arrays(Arrays(NAME, (Part("x", "", as_array("x", data, _ACCEPTED), None),)))


def _of_path(config: FinetuneConfig, path: str) -> list[Question]:
    if not path:
        raise DataError(f"an empty path names no picture; accepted is {_ACCEPTED}")
    suffix = os.path.splitext(path)[1].lower()
    if os.path.isdir(path):
        inside = list_tree(Path(path), "").pictures
        if not inside:
            raise DataError(f"{printable(path)}: no pictures in this folder")
        return [Question(printable(file), file) for file in (os.path.join(path, name) for name in inside)]
    if suffix == ".npz":
        return _of_arrays(npz_arrays(path, max_bytes=config.max_array_bytes), printable(path))
    if suffix in _LISTS:
        listed = listed_paths(config.model_copy(update={"data": path}))
        return [Question(printable(file), ImageError(fault) if fault else file, place) for place, file, fault in listed]
    return [Question(printable(path), path)]


def _of_arrays(arrays: Arrays, file: str | None = None) -> list[Question]:
    check_parts(arrays)
    x = arrays.parts[0].x
    if (x.ndim == 3 and x.shape[2] in CHANNELS) or (x.ndim == 2 and min(x.shape) >= 8):
        raise DataError(
            f"an array of shape {x.shape} may be a single picture: give x[None] of it, or (n, height, width)"
        )
    if kind_of(arrays) != "pictures":
        raise DataError(
            f"{arrays.root}: an array of shape {x.shape}; expected are pictures (n, height, width) or (n, height, "
            f"width, 1, 3 or 4)"
        )
    for part in arrays.parts:
        check_pixels(arrays.root, part.name, part.x, few=True)
    pictures = (picture for part in arrays.parts for picture in part.x)
    if file is None:
        return [Question(name, picture) for name, picture in zip(arrays.names, pictures, strict=True)]
    return [Question(file, picture, name) for name, picture in zip(arrays.names, pictures, strict=True)]


def _of_item(config: FinetuneConfig, name: str, one: object) -> list[Question]:
    if isinstance(one, str | os.PathLike):
        return _of_path(config, os.fspath(one))
    if isinstance(one, Image.Image):
        return [_of_pillow(one, name)]
    array = as_array(name, one, _ACCEPTED)
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in CHANNELS):
        raise DataError(
            f"{name} has the shape {array.shape}; in a list each array is one picture, (height, width) or (height, "
            f"width, 1, 3 or 4). Give several as one array, as in np.concatenate(x)"
        )
    check_pixels(name, "x", array[None], few=True)
    return [Question(name, array)]


def _of_pillow(picture: Image.Image, name: str) -> Question:
    return Question(printable(str(getattr(picture, "filename", "") or name)), picture)


def _is_one(item: object) -> bool:
    """Whether an item of a list is one picture, and not a part of nested lists of numbers."""
    whole = isinstance(item, str | os.PathLike | Image.Image) or item is None
    return whole or (isinstance(item, np.ndarray) and item.ndim > 0) or keras.ops.is_tensor(item) or _has_axes(item)


def _has_axes(item: object) -> bool:
    # tensors of other libraries than the backend's
    return bool(getattr(item, "shape", ()))


def _refuse_pair(data: list | tuple) -> None:
    if isinstance(data, tuple) and len(data) == 2 and len(getattr(data[0], "shape", ())) > len(np.shape(data[1])):
        raise DataError("a pair (x, y) is for run.evaluate; to be answered, give x alone")
