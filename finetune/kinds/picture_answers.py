"""Answers of a run on pictures: for each picture, and how good they are where it is known what the pictures show."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np

from finetune.answers import Prediction, answer
from finetune.config import FinetuneConfig
from finetune.data import load
from finetune.data.batches import ahead
from finetune.data.dealing import own_test
from finetune.data.examples import Examples, printable
from finetune.data.given import NAME as ARRAYS
from finetune.data.given import Given
from finetune.data.images import read_square
from finetune.data.known import unseen
from finetune.data.questions import Question
from finetune.data.sources import judged_pictures
from finetune.data.table_file import is_table_file, table_limits
from finetune.data.table_head import read_head
from finetune.data.targets import picture_target
from finetune.evaluation.evaluate import most_confused
from finetune.evaluation.sides import full_metrics
from finetune.progress import Reporter
from finetune.transfer.trunk import forward
from zoo.errors import DataError, ImageError
from zoo.spec import Preprocessing

# What the rows of a CSV file are dealt by; a file that is only judged may lack such columns.
_ROLES = ("group", "side", "sample_weight")


@dataclass(frozen=True)
class Asked:
    """A run that is asked.

    Attributes:
        config: of the run.
        model: of the run.
        task: that it learned.
        names: of its outputs.
        preprocessing: of its pictures.
        fingerprint: of the data that it learned on.
        learned: marks of the examples that it learned from, as `finetune.data.known` packs them.
    """

    config: FinetuneConfig
    model: keras.Model
    task: str
    names: tuple[str, ...]
    preprocessing: Preprocessing
    fingerprint: str
    learned: bytes


def predict(asked: Asked, questions: Sequence[Question], *, batch_size: int) -> Iterator[Prediction]:
    """Yield an answer for each picture, in order, holding no more than a few batches of them decoded."""
    limits = load.image_limits(asked.config)
    batch_size = max(1, min(batch_size, len(questions)))

    def read(question: Question) -> np.ndarray | ImageError:
        if isinstance(question.source, ImageError):
            return question.source
        try:
            return read_square(question.source, asked.preprocessing, limits)
        except ImageError as error:
            return error

    pictures = ahead(read, questions, threads=load.num_threads(asked.config), most=2 * batch_size)
    for first in range(0, len(questions), batch_size):
        chunk = list(zip(questions[first : first + batch_size], pictures, strict=False))
        good = [picture for _, picture in chunk if isinstance(picture, np.ndarray)]
        answers = iter(next(forward(asked.model, [np.stack(good)], batch_size=batch_size)) if good else ())
        for question, picture in chunk:
            yield (
                Prediction(question.file, question.row, error=str(picture))
                if isinstance(picture, ImageError)
                else answer(asked.task, asked.names, next(answers), file=question.file, row=question.row)
            )


def evaluate(asked: Asked, data: str | Given | None, reporter: Reporter) -> dict[str, object]:
    """Measure a run on pictures with labels, or on its own test side; see `Run.evaluate`."""
    given = None if data is None or isinstance(data, str) else data
    config = asked.config if data is None or _is_own(asked.config, data) else _config_for(asked, data)
    config = config.model_copy(update={"drop_empty_classes": True})
    inspection = load.check_examples(config, judged_pictures(config, given), reporter)
    own = inspection.fingerprint == asked.fingerprint
    indices, which = _judged(asked, inspection.examples, own)
    if not own:
        left = unseen(asked.learned, inspection.marks, indices)
        indices = left.indices
        if left.note:
            which = f"{which}; {left.note}"
            reporter.warn(left.note)
    examples = _as_ours(inspection.examples, asked)
    with reporter.track("evaluating", len(indices)) as advance:
        outputs = []
        batches = load.pictures(config, examples, indices, asked.preprocessing)
        for output in forward(asked.model, batches, batch_size=config.batch_size):
            outputs.append(output)
            advance(len(output))
    values = picture_target(examples).values[list(indices)]
    metrics = full_metrics(asked.task, values, np.concatenate(outputs), asked.names)
    if asked.task == "classification":
        metrics["most_confused"] = most_confused(metrics["confusion_matrix"], asked.names)
    return {"examples": which, **metrics}


def _is_own(config: FinetuneConfig, data: str | Given) -> bool:
    return isinstance(data, str) and config.data in (data, os.path.abspath(data))


def _config_for(asked: Asked, data: str | Given) -> FinetuneConfig:
    """Return the run's config for reading other data."""
    changes: dict[str, object] = {"data": data if isinstance(data, str) else ARRAYS, "task": asked.task}
    if isinstance(data, str) and is_table_file(data):
        there = read_head(data, separator=asked.config.separator, limits=table_limits(asked.config)).names
        changes |= {name: None for name in _ROLES if getattr(asked.config, name) not in there}
    else:
        changes |= dict.fromkeys((*_ROLES, "path", "target", "label_separator"))
    return asked.config.model_copy(update=changes)


def _judged(asked: Asked, examples: Examples, own: bool) -> tuple[Sequence[int], str]:
    what = "data set" if examples.pixels is not None else "file" if examples.folder else "folder"
    if own:
        return own_test(asked.config, examples), "the run's own test side"
    if "test" in examples.given_splits:
        return [i for i, side in enumerate(examples.given_splits) if side == "test"], f"the {what}'s test side"
    return range(len(examples)), f"all pictures of the {what}"


def _as_ours(examples: Examples, asked: Asked) -> Examples:
    """Return the examples with labels as the run numbers its classes."""
    place = printable(examples.root)
    if examples.task != asked.task:
        raise DataError(f"{place}: the task there is {examples.task}; this run learned {asked.task}")
    if asked.task == "regression":
        return replace(examples, class_names=asked.names)
    unknown = [name for name in examples.class_names if name not in asked.names]
    if unknown:
        raise DataError(
            f"{place}: {', '.join(map(repr, unknown[:5]))} not among the classes of this run: {', '.join(asked.names)}"
        )
    ours = [asked.names.index(name) for name in examples.class_names]
    if asked.task == "multi_label":
        labels = tuple(tuple(ours[label] for label in several) for several in examples.labels)
    else:
        labels = tuple(ours[label] for label in examples.labels)
    return replace(examples, labels=labels, class_names=asked.names)
