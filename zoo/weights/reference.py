"""What a variant's model must look like, to hold a file of Keras against: its graph, whose variables take no memory."""

import importlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import keras

from zoo.head import activate, classifier, pool
from zoo.preprocessing import normalize
from zoo.spec import Preprocessing, Variant


def weightless(build: Callable[[], keras.Model]) -> keras.Model:
    """Return what a function builds, with variables that have names and shapes but no memory and no values."""

    def built() -> keras.Model:
        with keras.StatelessScope(initialize_variables=False):
            return build()

    # Keras keeps variables that still lack memory in a list of the thread, and gives them memory at the next
    # opportunity, wanted or not. On a thread of its own, the list ends with the thread.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(built).result()


def reference_backbone(
    variant: Variant, preprocessing: Preprocessing, arguments: Mapping[str, object], shape: tuple[int, int, int]
) -> keras.Model:
    """Return a variant's model from pixels to its last feature map.

    Args:
        variant: row of the model.
        preprocessing: what goes in front.
        arguments: of the family's builder.
        shape: (height, width, channels) of pictures.
    """
    build = importlib.import_module(f"zoo.families.{variant.family}.build").build

    def backbone() -> keras.Model:
        inputs = keras.Input(shape, name="image")
        return keras.Model(inputs, build(normalize(inputs, preprocessing), stem="standard", **arguments))

    return weightless(backbone)


def with_head(backbone: keras.Model, num_classes: int) -> keras.Model:
    """Return the same with the zoo's head on it."""

    def whole() -> keras.Model:
        logits = classifier(pool(backbone.output), num_classes, dropout=0.0)
        return keras.Model(backbone.input, activate(logits, "softmax"))

    return weightless(whole)
