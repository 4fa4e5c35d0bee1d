"""Cached features: the frozen trunk runs once over the data, and its output is kept on disk for every later run.

A cache entry is a folder named by everything that decides the numbers in it. `features.f32` grows by appending;
`manifest.json` says how many rows of it are known to be on disk. A run that was killed goes on from there.
"""

import fcntl
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finetune.data.stored_rows import StoredRows
from finetune.decide import Decision
from zoo.atomic import remove_leftovers, write_atomic
from zoo.errors import ResourceError, RunStateError

# Rows are flushed to disk and counted at least this often: a crash costs seconds, a flush costs milliseconds.
ROWS_PER_FLUSH = 256


class NotFinite(RunStateError):
    """A network gave a value that is not finite, as one in float16 may for a single picture."""


@dataclass(frozen=True)
class Features:
    """Features of all examples in their order.

    Attributes:
        array: (num_examples, channels) float32, read from disk row by row; with `views` that of the first changed
            version of each example after those of the examples themselves, and so on.
        reused_rows: how many rows an earlier run had left.
        path: folder of the cache entry.
        runtime: what ran the network that gave them, and why; None for none.
        views: changed versions of each example.
    """

    array: np.ndarray | StoredRows
    reused_rows: int
    path: Path
    runtime: Decision | None = None
    views: int = 0


def features_key(parts: Mapping[str, object]) -> str:
    """Return the name of the cache entry for `parts`: everything that decides the numbers, as JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def cached_features(
    folder: Path,
    parts: Mapping[str, object],
    shape: tuple[int, ...],
    compute: Callable[[int], Iterable[np.ndarray]],
    *,
    dtype: str = "float32",
) -> Features:
    """Return the features that `parts` name, computing only the rows that no earlier run has left.

    Args:
        folder: the cache's folder for features; made when missing.
        parts: what decides the numbers: weights, cut, preprocessing, data fingerprint, versions.
        shape: (num_examples, ...).
        compute: called with the first row that is missing; yields arrays (rows, ...) from there on.
        dtype: "float32", or "uint8" for decoded pictures.

    Raises:
        ResourceError: the disk is full or the cache cannot be written.
        NotFinite: the trunk gave a value that is not finite.
    """
    file = _File(folder / features_key(parts), shape, np.dtype(dtype).newbyteorder("<"))
    entry, rows = file.entry, shape[0]
    try:
        entry.mkdir(parents=True, exist_ok=True)
        with _locked(entry):
            done = _rows_done(file)
            if done < rows:
                remove_leftovers(file.manifest)
                _append(file, dict(parts), done, compute(done))
    except OSError as error:
        needed = rows * file.row_bytes
        raise ResourceError(
            f"{entry}: features cannot be written ({error.strerror or error}); they need {needed:,} bytes. "
            f"Free space, or choose another place: --set cache_dir=DIR"
        ) from error
    return Features(StoredRows(file.path, file.dtype, shape), done, entry)


@dataclass(frozen=True)
class _File:
    """The file of a cache entry and what its rows are."""

    entry: Path
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def path(self) -> Path:
        return self.entry / ("features.f32" if self.dtype.kind == "f" else "pictures.u8")

    @property
    def manifest(self) -> Path:
        return self.entry / "manifest.json"

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize


def _rows_done(file: _File) -> int:
    """Return how many rows are safely on disk; 0 for an entry that is new or not readable."""
    try:
        manifest = json.loads(file.manifest.read_bytes())
        done, bytes_on_disk = int(manifest["rows"]), file.path.stat().st_size
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    sound = manifest.get("shape") == list(file.shape) and 0 <= done <= file.shape[0]
    return done if sound and bytes_on_disk >= done * file.row_bytes else 0


def _append(file: _File, parts: dict[str, object], done: int, arrays: Iterable[np.ndarray]) -> None:
    rows, manifest = file.shape[0], {"shape": list(file.shape), "parts": parts}
    with file.path.open("r+b" if done else "wb") as stream:
        stream.truncate(done * file.row_bytes)
        stream.seek(0, os.SEEK_END)
        counted = done
        for array in arrays:
            if not np.isfinite(array).all():
                raise NotFinite(
                    f"the trunk gave a value that is not finite for one of examples {done}-{done + len(array)}"
                )
            stream.write(np.ascontiguousarray(array, file.dtype).data)
            done += len(array)
            if done - counted >= ROWS_PER_FLUSH or done == rows:
                stream.flush()
                os.fsync(stream.fileno())
                write_atomic(file.manifest, json.dumps(manifest | {"rows": done}))
                counted = done
    if done != rows:
        raise RunStateError(f"{file.entry}: {done} rows of features came for {rows} examples")


def is_complete(folder: Path, parts: Mapping[str, object], shape: tuple[int, ...]) -> bool:
    """Whether all rows of the features that `parts` name are in the cache, as `cached_features` would take them."""
    return _rows_done(_File(folder / features_key(parts), shape, np.dtype("<f4"))) == shape[0]


@contextmanager
def one_after_the_other(folder: Path, parts: Mapping[str, object], say: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other process prepares the same, which then has it for this one too.

    Two that choose a runtime at the same time slow each other down, may choose differently, and do all the work twice.

    Args:
        folder: of the cache, for files that are locked; where it cannot be written nobody waits, and who writes
            features there will say why.
        parts: what is prepared.
        say: told where it has to wait.
    """
    with ExitStack() as stack:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_locked(folder / features_key(parts), os.O_CREAT, say))
        yield


@contextmanager
def _locked(place: Path, flags: int = 0, say: Callable[[str], None] = lambda line: None) -> Iterator[None]:
    """Wait until no other process has locked a file or folder."""
    opened = os.open(place, os.O_RDONLY | flags, 0o666)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run computes the same features: waiting until it is done")
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
