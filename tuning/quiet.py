"""TensorFlow held back from what it says of many models in one process."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def tensorflow_quiet() -> Iterator[None]:
    """Keep TensorFlow from warning that functions are traced again and again: each trial has a model of its own."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
