"""A finished run: what it found out, its model, and what can be asked of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from finetune.answers import Prediction, answer
from finetune.config import FinetuneConfig, make_config
from finetune.data import load
from finetune.data.batches import ahead
from finetune.data.examples import Examples, printable
from finetune.data.folder import scan_folder
from finetune.data.images import read_square
from finetune.evaluation.evaluate import classification_metrics, most_confused
from finetune.kinds import series_answers, table_answers
from finetune.progress import Reporter
from finetune.report.write import write_report
from finetune.run_dir import RunDir
from finetune.transfer.encoder import InputColumn, read_columns
from finetune.transfer.trunk import forward
from zoo.errors import DataError, ImageError, RunStateError
from zoo.model_card import ModelCard, parse_card
from zoo.spec import Preprocessing
from zoo.weights.run_model import load_run_model


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
        if not RunDir(self.path).is_done:
            RunDir(self.path).read_json("config")
            raise RunStateError(f"{self.path}: this run did not come to its end; start it again with --overwrite")

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

    def predict(self, paths: Sequence[str | Path], *, batch_size: int = 32) -> list[Prediction]:
        """Answer for each file, in order; a picture that cannot be read gets an error instead of an answer.

        Args:
            paths: picture files; for a run on a table or a series CSV files.
            batch_size: pictures a step.

        Returns:
            A prediction for each path, or for each row of a table; for a series what follows its last row.

        Raises:
            DataError: a CSV file cannot be read, or lacks a column that the model needs.
        """
        return list(self.iterate(paths, batch_size=batch_size))

    def iterate(self, paths: Sequence[str | Path], *, batch_size: int = 32) -> Iterator[Prediction]:
        """Yield what `predict` returns as it comes, holding no more than a few batches of pictures."""
        if self._kind == "series":
            for path in paths:
                yield from series_answers.predict(self.config, self.model, self._described, str(path))
            return
        if self._kind == "table":
            for path in paths:
                yield from table_answers.predict(self.config, self.model, self._columns, self._target, str(path))
            return
        limits, preprocessing = load.image_limits(self.config), self.preprocessing
        batch_size = max(1, min(batch_size, len(paths)))

        def read(path: str | Path) -> np.ndarray | ImageError:
            try:
                return read_square(Path(path), preprocessing, limits)
            except ImageError as error:
                return error

        pictures = ahead(read, paths, threads=load.num_threads(self.config), most=2 * batch_size)
        for first in range(0, len(paths), batch_size):
            chunk = list(zip(paths[first : first + batch_size], pictures, strict=False))
            good = [picture for _, picture in chunk if isinstance(picture, np.ndarray)]
            answers = iter(next(forward(self.model, [np.stack(good)], batch_size=batch_size)) if good else ())
            for path, picture in chunk:
                file = printable(str(path))
                yield (
                    Prediction(file, error=str(picture))
                    if isinstance(picture, ImageError)
                    else answer(self._described["task"], self.class_names, next(answers), file=file)
                )

    def evaluate(self, data: str | Path | None = None, *, verbose: int = 0) -> dict[str, object]:
        """Measure the model on other data of the kind that it learned on.

        Args:
            data: folder or CSV file whose class names are among the run's. Data with a test side are judged by that
                side alone; the data that the run learned on, and None, by the run's own test side.
            verbose: 1 draws a progress bar.

        Returns:
            Metrics as under "test" in metrics.json, with "examples", which were judged, and for pictures
            "most_confused".

        Raises:
            DataError: a class is not one of the run's, or the pictures cannot be read.
        """
        reporter, config = Reporter(verbose), self.config
        fingerprint = RunDir(self.path).read_json("data")["fingerprint"]
        if self._kind == "series":
            return series_answers.evaluate(config, self.model, self._described, fingerprint, data)
        if self._kind == "table":
            return table_answers.evaluate(config, self.model, self._columns, self._target, fingerprint, data)
        examples = scan_folder(data or config.data, drop_empty_classes=True)
        inspection = load.check_examples(config, examples, reporter)
        examples = self._in_our_classes(inspection.examples)
        own = inspection.fingerprint == fingerprint
        indices, which = self._judged(examples, own)
        with reporter.track("evaluating", len(indices)) as advance:
            outputs = []
            batches = load.pictures(config, examples, indices, self.preprocessing)
            for output in forward(self.model, batches, batch_size=config.batch_size):
                outputs.append(output)
                advance(len(output))
        labels = np.array([examples.labels[index] for index in indices])
        metrics = classification_metrics(labels, np.concatenate(outputs), self.class_names)
        return {
            "examples": which,
            **metrics,
            "most_confused": most_confused(metrics["confusion_matrix"], self.class_names),
        }

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

    @property
    def _kind(self) -> str:
        return self._described.get("kind", "pictures")

    @cached_property
    def _columns(self) -> tuple[InputColumn, ...]:
        return read_columns(self._described, RunDir(self.path).card_path)

    @property
    def _target(self) -> tuple[str, tuple[str, ...]]:
        return self._described["task"], self.class_names

    def _judged(self, examples: Examples, own: bool) -> tuple[list[int] | tuple[int, ...], str]:
        if own:
            return load.split_examples(self.config, examples).test, "the run's own test side"
        if "test" in examples.given_splits:
            return [i for i, side in enumerate(examples.given_splits) if side == "test"], "the folder's test side"
        return range(len(examples)), "all pictures of the folder"

    def _in_our_classes(self, examples: Examples) -> Examples:
        """Return the examples with labels as the run numbers its classes."""
        unknown = [name for name in examples.class_names if name not in self.class_names]
        if unknown:
            raise DataError(
                f"{examples.root}: {', '.join(map(repr, unknown[:5]))} not among the classes of this run: "
                f"{', '.join(self.class_names)}"
            )
        ours = [self.class_names.index(name) for name in examples.class_names]
        return replace(examples, labels=tuple(ours[label] for label in examples.labels), class_names=self.class_names)
