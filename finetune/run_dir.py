"""RunDir: the only module that knows the file names inside a run, and the only one that writes them."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from finetune.run_tables import escaped, from_csv, to_csv
from zoo.atomic import atomic_path, is_leftover, remove_leftovers, write_atomic
from zoo.errors import LockedError, ResourceError, RunStateError
from zoo.model_card import CARD_FILE, MODEL_FILE

# Written before config.json, by which a run is known: alone it is none.
_FIRST = "decisions.json"
_FILES = (
    *("config.json", "environment.json", "data.json", CARD_FILE, "history.csv", "metrics.json", "mistakes.json"),
    *("predictions.csv", "learned.bin", _FIRST),
)
_OTHERS = (MODEL_FILE, "report.html", "DONE")
_PLOTS, _CHECKPOINTS, _EVENTS = "plots", "checkpoints", "tensorboard"
_LOCK = "LOCK"


class RunDir:
    """One run's directory. Reading needs only the path; writing happens inside `RunDir.claim`."""

    def __init__(self, path: str | Path):
        self.path = Path(path).expanduser().absolute()

    @classmethod
    @contextmanager
    def claim(cls, path: str | Path, *, overwrite: bool = False, resume: bool = False) -> Iterator["RunDir"]:
        """Create the directory and hold its lock while the block runs.

        Directories that this call created, and nothing was written to, are removed again when the block raises.

        Args:
            path: directory to make; its parents are made too.
            overwrite: replace the run that is there; files that no run writes are left alone.
            resume: go on with the run that is there, if there is one.

        Raises:
            RunStateError: the directory is not empty and `overwrite` is False, or it holds no run.
            LockedError: another process is writing there.
            ResourceError: it cannot be made or written.
        """
        run = cls(path)
        made: list[Path] = []
        try:
            _make(run.path, made)
            folder = os.open(run.path, os.O_RDONLY)
        except OSError as error:
            _remove_empty(made)
            raise ResourceError(f"{run.path}: cannot be made ({error.strerror}); choose another --run-dir") from error
        try:
            with run._locked(folder):
                run._make_room(overwrite, resume)
                yield run
        finally:
            os.close(folder)
            _remove_empty(made)

    @contextmanager
    def _locked(self, folder: int) -> Iterator[None]:
        # The lock belongs to the open folder, so the kernel frees it with the process, however that ends;
        # the file beside it only tells others who holds it.
        note = self.path / _LOCK
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = note.read_text().strip() if note.is_file() else "(unknown)"
            raise LockedError(f"{self.path}: process {pid} is writing this run; wait for it to end") from error
        self._write(_LOCK, f"{os.getpid()}\n")
        try:
            yield
        finally:
            note.unlink(missing_ok=True)

    def _remove_leftovers(self) -> None:
        """Remove what killed processes were writing; nobody else writes here, for the lock is held."""
        for name in (*_FILES, *_OTHERS, _LOCK):
            remove_leftovers(self.path / name)
        for file in (*(self.path / _PLOTS).glob(".*.tmp.png"), *self.checkpoint_folder.glob(".*.tmp.safetensors")):
            file.unlink(missing_ok=True)

    def require_room(self, *, overwrite: bool = False, resume: bool = False) -> bool:
        """Refuse a directory that holds something else than a run may take; return whether it holds anything.

        Raises:
            RunStateError: it is not empty and neither option is set, or it holds no run.
        """
        if not self.path.is_dir():
            return False
        names = sorted(entry.name for entry in self.path.iterdir())
        written = (*_FILES, *_OTHERS, _LOCK)
        found = [name for name in names if name != _LOCK and not any(is_leftover(name, one) for one in written)]
        if not found or found == [_FIRST]:
            return False
        if resume and "config.json" not in found:
            raise RunStateError(f"{self.path}: holds no run (no config.json) that could be gone on with")
        if not resume and not overwrite:
            raise RunStateError(
                f"{self.path}: not empty (has {', '.join(found[:3])}); add --resume to go on with a run that was "
                f"stopped, --overwrite to replace it, or another --run-dir"
            )
        if not resume and "config.json" not in found:
            raise RunStateError(f"{self.path}: holds no run (no config.json), so nothing there is overwritten")
        return True

    def _make_room(self, overwrite: bool, resume: bool) -> None:
        self._remove_leftovers()
        if not self.require_room(overwrite=overwrite, resume=resume):
            return
        if resume:
            if self.is_done:  # a kill may have come between the two steps of `finish`
                self._clear_checkpoints()
            return
        # what belongs to the old settings goes first, config.json last: a deletion that is cut short can be repeated
        self._clear_checkpoints()
        for name in ("DONE", *_FILES[1:], *_OTHERS):
            (self.path / name).unlink(missing_ok=True)
        for events in self.event_folder.glob("*/events.out.tfevents.*"):
            events.unlink()
        for plot in (self.path / _PLOTS).glob("*.png"):
            plot.unlink()
        (self.path / "config.json").unlink()

    def write_json(self, name: str, content: object) -> None:
        """Write one of the run's JSON files by its stem, such as config, decisions, environment, data, model, metrics.

        Raises:
            ResourceError: the disk is full or cannot be written.
        """
        self._write(f"{name}.json", json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def write_history(self, history: Sequence[Mapping[str, object]]) -> None:
        """Write history.csv, a row for each epoch over all phases."""
        self._write("history.csv", to_csv(history))

    def write_predictions(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Write predictions.csv, a row for each test example: which, what is true, what is predicted."""
        self._write("predictions.csv", to_csv([{name: escaped(v) for name, v in row.items()} for row in rows]))

    def read_predictions(self) -> list[dict[str, object]]:
        """Return the rows of predictions.csv with numbers as numbers."""
        return from_csv(self._read(self.path / "predictions.csv").decode(), texts=("example",))

    def write_learned(self, packed: bytes) -> None:
        """Write learned.bin: the marks of the examples that the model learned from or was picked by."""
        self._write("learned.bin", packed)

    def read_learned(self) -> bytes:
        """Return learned.bin; nothing where it was not written."""
        path = self.path / "learned.bin"
        return self._read(path) if path.is_file() else b""

    def write_plot(self, name: str, png: bytes) -> None:
        """Write plots/NAME.png."""
        (self.path / _PLOTS).mkdir(exist_ok=True)
        self._write(f"{_PLOTS}/{name}.png", png)

    def write_report(self, html: str) -> None:
        """Write report.html."""
        self._write("report.html", html)

    def finish(self) -> None:
        """Mark the run as complete; what it would have gone on by is not needed any more."""
        self._write("DONE", "")
        self._clear_checkpoints()

    @property
    def event_folder(self) -> Path:
        """Where the run leaves what TensorBoard reads."""
        return self.path / _EVENTS

    @property
    def checkpoint_folder(self) -> Path:
        """Where the run's checkpoints lie while it learns."""
        return self.path / _CHECKPOINTS

    def _clear_checkpoints(self) -> None:
        for file in self.checkpoint_folder.glob("*.safetensors"):
            file.unlink(missing_ok=True)
        if self.checkpoint_folder.is_dir() and not any(self.checkpoint_folder.iterdir()):
            self.checkpoint_folder.rmdir()

    def has(self, name: str) -> bool:
        """Whether one of the run's JSON files is there, by its stem; a run that began has its config."""
        return (self.path / f"{name}.json").is_file()

    @contextmanager
    def model_to_write(self) -> Iterator[Path]:
        """Yield the path to save the model at; it becomes model.keras when the block ends well."""
        with self._full_disk_explained(MODEL_FILE), atomic_path(self.model_path) as temporary:
            yield temporary

    @property
    def model_path(self) -> Path:
        """Path of model.keras."""
        return self.path / MODEL_FILE

    @property
    def card_path(self) -> Path:
        """Path of model.json."""
        return self.path / CARD_FILE

    @property
    def report_path(self) -> Path:
        """Path of report.html."""
        return self.path / "report.html"

    @property
    def seems_locked(self) -> bool:
        """Whether a process is writing the run, or was killed while it did."""
        return os.path.isfile(self.path / _LOCK)

    @property
    def is_done(self) -> bool:
        """Whether the run went through to its end."""
        return (self.path / "DONE").is_file()

    def read_json(self, name: str) -> dict | list:
        """Return one of the run's JSON files by its stem.

        Raises:
            RunStateError: there is no such run, or the file is missing or damaged.
        """
        path = self.path / f"{name}.json"
        return _parsed(path, self._read(path))

    def read_history(self) -> list[dict[str, object]]:
        """Return the rows of history.csv with numbers as numbers."""
        return from_csv(self._read(self.path / "history.csv").decode(), texts=("phase",))

    def read_plots(self) -> dict[str, bytes]:
        """Return the PNG pictures of the run by name."""
        return {path.stem: path.read_bytes() for path in sorted((self.path / _PLOTS).glob("*.png"))}

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            state = "is not finished" if (self.path / "config.json").is_file() else "holds no run"
            raise RunStateError(f"{self.path}: {state} ({path.name} is missing)") from error
        except OSError as error:
            raise RunStateError(f"{path}: cannot be read ({error.strerror})") from error

    def _write(self, name: str, content: str | bytes) -> None:
        with self._full_disk_explained(name):
            write_atomic(self.path / name, content)

    @contextmanager
    def _full_disk_explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ResourceError(f"{self.path / name}: cannot be written ({error.strerror or error})") from error


def next_run_path(parent: Path, stem: str) -> Path:
    """Return the first of `parent/stem-1`, `parent/stem-2`, … that does not exist."""
    number = 1
    while (parent / f"{stem}-{number}").exists():
        number += 1
    return parent / f"{stem}-{number}"


def _make(path: Path, made: list[Path]) -> None:
    """Make a directory with its parents; what was really made here is added to `made`, the outermost first."""
    if not path.parent.exists():
        _make(path.parent, made)
    try:
        path.mkdir()
        made.append(path)
    except FileExistsError:
        if not path.is_dir():
            raise


def _remove_empty(made: list[Path]) -> None:
    """Remove directories again, the innermost first, up to the first that holds something."""
    for path in reversed(made):
        try:
            path.rmdir()
        except OSError:
            return


def _parsed(path: Path, content: bytes) -> dict | list:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RunStateError(f"{path}: damaged, not JSON ({error})") from error
