"""A finished run: what it found out, its model, and what can be asked of it."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import pandas as pd

from finetune.answers import Prediction
from finetune.beforehand import require_done
from finetune.config import FinetuneConfig, make_config
from finetune.data.array_table import require_width
from finetune.data.given import Given, as_given
from finetune.data.questions import picture_questions
from finetune.data.sources import is_arrays, open_arrays
from finetune.kinds import picture_answers, series_answers, table_answers
from finetune.progress import Reporter
from finetune.report.write import write_report
from finetune.run_dir import RunDir
from finetune.transfer.encoder import InputColumn, read_columns
from zoo.errors import DataError
from zoo.model_card import ModelCard, parse_card
from zoo.spec import Preprocessing
from zoo.weights.run_model import load_run_model

# How the columns of arrays are called.
_NUMBERED = re.compile(r"x\d+")


@dataclass(frozen=True)
class Run:
    """A run on disk, opened by its path.

    Example:
        >>> run = Run("runs/demo")  # doctest: +SKIP
        >>> run.predict(["photo.jpg"])[0].class_name  # doctest: +SKIP
        'Bag'
    """

    path: Path

    def __post_init__(self):
        object.__setattr__(self, "path", Path(self.path).expanduser().absolute())
        require_done(self.path)

    @cached_property
    def config(self) -> FinetuneConfig:
        """The settings it ran with, nothing left open."""
        return make_config(RunDir(self.path).read_json("config"))

    @cached_property
    def metrics(self) -> dict:
        """The content of metrics.json."""
        return RunDir(self.path).read_json("metrics")

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, or of the numbers that are predicted, in the order of the model's outputs."""
        return self._card.class_names

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """How a picture must be prepared for the model."""
        return self._card.preprocessing

    @cached_property
    def model(self) -> keras.Model:
        """The model: RGB (batch, image_size, image_size, 3) in [0, 255] to probabilities (batch, classes).

        On a table it goes from a dict of columns, as model.json lists them, to probabilities or numbers.

        Raises:
            ModelFileError: model.keras is missing, damaged, unsafe, or not the one that model.json describes.
            RunStateError: model.json is missing or damaged.
        """
        return load_run_model(RunDir(self.path).model_path, self._card)

    def predict(self, data: object, *, batch_size: int = 32) -> list[Prediction]:
        """Answer for each picture or row, in order; a picture that cannot be read gets an error instead of an answer.

        Args:
            data: one path or several. For a run on pictures: of pictures, folders, CSV files that list pictures, or
                .npz files; also an array or tensor (n, height, width) or (n, height, width, 3) in [0, 255], or
                pictures of Pillow's. On a table: CSV or .npz files, an array of rows, or a DataFrame. On a series: CSV
                files, or a DataFrame.
            batch_size: pictures a step.

        Returns:
            A prediction for each picture, or for each row of a table; for a series what follows its last row.

        Raises:
            DataError: the data are something else, are scaled, or lack a column that the model needs.
        """
        return list(self.ask(data, batch_size=batch_size)[1])

    def ask(self, data: object, *, batch_size: int = 32) -> tuple[int, Iterator[Prediction]]:
        """Return how many pictures or files are asked about, and what `predict` returns as it comes.

        No more than a few batches of decoded pictures are held.
        """
        if self._kind == "pictures":
            questions = picture_questions(self.config, data)
            return len(questions), picture_answers.predict(self._asked, questions, batch_size=batch_size)
        sources = _sources(data)
        return len(sources), (prediction for source in sources for prediction in self._rows(source))

    def _rows(self, source: object) -> Iterator[Prediction]:
        rows = self._given(source)
        if self._kind == "table":
            self._check_width(rows)
            yield from table_answers.predict(self.config, self.model, self._columns, self._target, rows)
        else:
            yield from series_answers.predict(self.config, self.model, self._described, rows)

    def evaluate(self, data: object = None, *, verbose: int = 0) -> dict[str, object]:
        """Measure the model on other data of the kind that it learned on.

        Args:
            data: anything that `finetune.fit` takes, with class names among the run's; arrays as a pair (x, y). Data
                with a test side are judged by that side alone; the data that the run learned on, and None, by the
                run's own test side.
            verbose: 1 draws a progress bar.

        Returns:
            Metrics as under "test" in metrics.json, with "examples", which were judged, and for pictures
            "most_confused".

        Raises:
            DataError: a class is not one of the run's, or the pictures cannot be read.
        """
        reporter, config = Reporter(verbose), self.config
        fingerprint = RunDir(self.path).read_json("data")["fingerprint"]
        data = None if data is None else self._given(data)
        if self._kind == "series":
            return series_answers.evaluate(config, self.model, self._described, fingerprint, data)
        if self._kind == "table":
            self._check_width(data)
            learned = RunDir(self.path).read_learned()
            return table_answers.evaluate(config, self.model, self._columns, self._target, fingerprint, learned, data)
        return picture_answers.evaluate(self._asked, data, reporter)

    def write_report(self) -> Path:
        """Make report.html again from the run's files, and return its path."""
        write_report(RunDir(self.path))
        return RunDir(self.path).report_path

    @cached_property
    def _card(self) -> ModelCard:
        return parse_card(self._described, RunDir(self.path).card_path)

    @cached_property
    def _described(self) -> dict:
        return RunDir(self.path).read_json("model")

    def _given(self, data: object) -> str | Given:
        """Return a path or name as text, and anything else in the form in which it is read further."""
        if isinstance(data, str) and not data:
            raise DataError("an empty path names no data")
        return as_given(data, max_bytes=self.config.max_array_bytes) if not isinstance(data, str | Path) else str(data)

    def _check_width(self, data: str | Given | None) -> None:
        """Refuse arrays with more or fewer columns than a run on arrays had, which have no names to know them by."""
        if not is_arrays(data if data is not None else ""):
            return
        described = RunDir(self.path).read_json("data")
        names = [column["name"] for column in described["columns"]] + [item["file"] for item in described["left_out"]]
        if any(map(_NUMBERED.fullmatch, names)):
            arrays = open_arrays(self.config.model_copy(update={"data": data}), None if isinstance(data, str) else data)
            require_width(arrays, sum(bool(_NUMBERED.fullmatch(name)) for name in names))

    @property
    def _kind(self) -> str:
        return self._described.get("kind", "pictures")

    @cached_property
    def _columns(self) -> tuple[InputColumn, ...]:
        return read_columns(self._described, RunDir(self.path).card_path)

    @property
    def _target(self) -> tuple[str, tuple[str, ...]]:
        return self._described["task"], self.class_names

    @property
    def _asked(self) -> picture_answers.Asked:
        run_dir = RunDir(self.path)
        task, names = self._target
        known = {"fingerprint": run_dir.read_json("data")["fingerprint"], "learned": run_dir.read_learned()}
        return picture_answers.Asked(self.config, self.model, task, names, self.preprocessing, **known)


def _sources(data: object) -> list[object]:
    """Return what rows are read from, in turn: each path or DataFrame of several, or the one thing that is given."""
    several = list(data) if isinstance(data, Iterator) else data
    if not isinstance(several, list | tuple) or not all(
        isinstance(one, str | os.PathLike | pd.DataFrame) for one in several
    ):
        several = [several]
    if not several or any(isinstance(one, str) and not one for one in several):
        raise DataError("an empty path names no file" if several else "an empty list: there is nothing to answer")
    return [os.fspath(one) if isinstance(one, os.PathLike) else one for one in several]
