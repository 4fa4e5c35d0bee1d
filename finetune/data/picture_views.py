"""Pictures and changed versions of them, in an order that a stopped run goes on in."""

from collections.abc import Iterator

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.examples import Examples
from finetune.data.load import pictures
from finetune.training.augmentation import layers
from zoo.spec import Preprocessing

# Part of the name of cached features: raised when versions are drawn in another way.
VIEWS_VERSION = 1


def picture_views(
    config: FinetuneConfig, examples: Examples, rows: range, preprocessing: Preprocessing
) -> Iterator[np.ndarray]:
    """Yield pictures and changed versions of them as batches (n, image_size, image_size, 3) uint8.

    What a version looks like depends on its row, on augmentation and on batch_size alone, not on the run's seed, so
    that all runs share them, nor on the row that a run begins with.

    Args:
        config: augmentation, batch_size, threads.
        examples: the pictures.
        rows: one behind the other: row i + k * len(examples) is version k of picture i, version 0 the picture itself.
        preprocessing: of the network.
    """
    count, size = len(examples), config.batch_size
    if rows.stop <= count:
        yield from pictures(config, examples, rows, preprocessing)
        return
    # versions are drawn a batch at a time: it begins where it did in the run before
    begun = rows.start - rows.start % size
    wanted = range(begun, rows.stop)
    batches = pictures(config, examples, [row % count for row in wanted], preprocessing)
    for first, batch in zip(wanted[::size], batches, strict=True):
        if first + len(batch) > count:
            unchanged = max(0, count - first)
            batch = np.concatenate([batch[:unchanged], _changed(batch, config.augmentation, first)[unchanged:]])
        yield batch[max(0, rows.start - first) :]


def _changed(batch: np.ndarray, level: str, seed: int) -> np.ndarray:
    x = batch.astype("float32")
    for layer in layers(level, seed=seed):
        x = layer(x, training=True)
    return np.rint(np.clip(x, 0, 255)).astype("uint8")
