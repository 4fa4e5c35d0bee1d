"""The mistakes worth looking at: where the model was most sure of the wrong class."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finetune.data.examples import Examples, printable
from finetune.data.images import ImageLimits, open_image

# A page of pictures that a person looks through; more would be scrolled past.
MOST = 24
_THUMBNAIL = 160


@dataclass(frozen=True)
class Mistake:
    """One wrong answer.

    Attributes:
        file: path relative to the data's root, printable.
        label: the true class.
        predicted: the class that was answered.
        probability: of the answer.
        picture: PNG of at most 160 x 160 pixels.
    """

    file: str
    label: str
    predicted: str
    probability: float
    picture: bytes

    def as_json(self) -> dict[str, object]:
        """Return everything but the picture, which is a file of its own."""
        return {name: value for name, value in vars(self).items() if name != "picture"}


def worst_mistakes(
    examples: Examples, indices: Sequence[int], probabilities: np.ndarray, limits: ImageLimits
) -> list[Mistake]:
    """Return the wrong answers among `indices`, the surest first, at most 24.

    Args:
        examples: all examples.
        indices: which of them were judged.
        probabilities: (n, classes) float of all examples.
        limits: of the decoder.

    Raises:
        ImageError: a picture that was checked cannot be read any more.
    """
    answers = probabilities.argmax(axis=1)
    wrong = [index for index in indices if answers[index] != examples.labels[index]]
    wrong.sort(key=lambda index: -probabilities[index].max())
    return [
        Mistake(
            file=printable(examples.files[index]),
            label=examples.class_names[examples.labels[index]],
            predicted=examples.class_names[answers[index]],
            probability=float(probabilities[index].max()),
            picture=_thumbnail(examples.source(examples.files[index]), limits),
        )
        for index in wrong[:MOST]
    ]


def _thumbnail(source: object, limits: ImageLimits) -> bytes:
    image = open_image(source, limits)
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()
