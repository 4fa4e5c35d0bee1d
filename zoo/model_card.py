"""What a run says of the model that it leaves: class names, preprocessing, and which file it is. Read as untrusted."""

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path

from zoo.errors import RunStateError
from zoo.spec import RESIZE_MODES, Preprocessing

MODEL_FILE, CARD_FILE = "model.keras", "model.json"
_FORMAT = 1
_INTERPOLATIONS = ("bicubic", "bilinear")
# Thousands of class names take some 100 kB.
_MOST_BYTES = 16 * 2**20
_REMEDY = "Start the run again with --overwrite"


@dataclass(frozen=True)
class ModelCard:
    """The part of model.json that decides what the outputs of model.keras mean.

    Attributes:
        class_names: in the order of the model's outputs, no name twice.
        preprocessing: how pictures are prepared for the model; None where it takes no pictures.
        model_sha256: of model.keras, 64 hexadecimal digits; None in runs from before it was recorded.
    """

    class_names: tuple[str, ...]
    preprocessing: Preprocessing | None
    model_sha256: str | None


def read_card(folder: Path) -> ModelCard:
    """Return the card of a run directory.

    Raises:
        RunStateError: model.json is missing, damaged, or says what cannot be.
    """
    path = folder / CARD_FILE
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise RunStateError(f"{path}: cannot be read ({error.strerror}); name the directory of a run") from error
    if len(content) > _MOST_BYTES:
        raise RunStateError(f"{path}: has more than {_MOST_BYTES:,} bytes. {_REMEDY}")
    try:
        return parse_card(json.loads(content), path)
    except (ValueError, RecursionError) as error:
        raise RunStateError(f"{path}: damaged, not JSON ({str(error)[:200]}). {_REMEDY}") from error


def parse_card(values: object, path: Path) -> ModelCard:
    """Return the card that model.json holds.

    Args:
        values: its JSON value.
        path: of the file, for messages.

    Raises:
        RunStateError: a field is missing or impossible; the message names it.
    """
    if not isinstance(values, dict) or values.get("format") != _FORMAT:
        raise RunStateError(f"{path}: is not of format {_FORMAT}, which this version writes. {_REMEDY}")
    names, sha256 = values.get("class_names"), values.get("model_sha256")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise RunStateError(f"{path}: class_names must be a list of names. {_REMEDY}")
    if len(set(names)) != len(names):
        raise RunStateError(f"{path}: class_names has a name twice. {_REMEDY}")
    if sha256 is not None and not (
        isinstance(sha256, str) and len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
    ):
        raise RunStateError(f"{path}: model_sha256 must be 64 hexadecimal digits. {_REMEDY}")
    preprocessing = _preprocessing(values["preprocessing"], path) if "preprocessing" in values else None
    return ModelCard(tuple(names), preprocessing, sha256)


def _preprocessing(values: object, path: Path) -> Preprocessing:
    known = {field.name for field in fields(Preprocessing)}
    # Runs from before there was a choice say nothing of it; they cropped.
    if not isinstance(values, dict) or set(values) | {"resize"} != known:
        raise RunStateError(f"{path}: preprocessing must have the fields {', '.join(sorted(known))}. {_REMEDY}")
    values = {"resize": "crop"} | values
    size, crop = values["image_size"], values["crop_fraction"]
    good = {
        "image_size": type(size) is int and 1 <= size <= 2**16,
        "mean": _are_numbers(values["mean"]),
        "std": _are_numbers(values["std"]) and min(values["std"]) > 0,
        "interpolation": values["interpolation"] in _INTERPOLATIONS,
        "crop_fraction": _are_numbers([crop] * 3) and 0 < crop <= 1,
        "resize": values["resize"] in RESIZE_MODES,
    }
    for name, fine in good.items():
        if not fine:
            raise RunStateError(f"{path}: preprocessing has {name} = {str(values[name])[:80]!r}. {_REMEDY}")
    mean, std = (tuple(float(number) for number in values[name]) for name in ("mean", "std"))
    return Preprocessing(size, mean, std, values["interpolation"], float(crop), values["resize"])


def _are_numbers(values: object) -> bool:
    """Whether these are three finite numbers."""
    return (
        isinstance(values, list)
        and len(values) == 3
        and all(type(value) in (int, float) and abs(value) < 2**63 and math.isfinite(value) for value in values)
    )
