"""Decoded pictures for training a whole network: a file that is mapped where it fits, or decoded on demand."""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import PIL

from finetune.config import FinetuneConfig
from finetune.data import load
from finetune.data.checks import Inspection
from finetune.data.images import DECODER_VERSION
from finetune.progress import Reporter
from finetune.transfer.features import Features, cached_features
from zoo.spec import Preprocessing


class DecodedOnDemand:
    """Pictures that are decoded whenever they are asked for, as an array of which rows are taken by index or slice."""

    def __init__(self, config: FinetuneConfig, inspection: Inspection, preprocessing: Preprocessing):
        self._config, self._examples, self._preprocessing = config, inspection.examples, preprocessing
        size = preprocessing.image_size
        self.shape, self.dtype = (len(inspection.examples), size, size, 3), np.dtype("uint8")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, chosen: slice | np.ndarray) -> np.ndarray:
        indices = range(len(self))[chosen] if isinstance(chosen, slice) else [int(index) for index in chosen]
        batches = load.pictures(self._config, self._examples, indices, self._preprocessing)
        return np.concatenate([*batches])


def decoded_pictures(
    config: FinetuneConfig, inspection: Inspection, preprocessing: Preprocessing, reporter: Reporter
) -> Features:
    """Return all pictures as the network takes them, (n, image_size, image_size, 3) uint8.

    They are decoded once and kept in the cache where they take no more than `store_gigabytes`; otherwise every epoch
    decodes them anew.

    Raises:
        DataError: a picture changed since it was checked.
        ResourceError: the cache cannot be written.
    """
    size, count = preprocessing.image_size, len(inspection.examples)
    shape = (count, size, size, 3)
    if np.prod(shape, dtype=float) > config.store_gigabytes * 1e9:
        return Features(DecodedOnDemand(config, inspection, preprocessing), 0, config.cache_path)
    # of what belongs to the network only the colour beside a padded picture is in the pixels
    padding = preprocessing.mean if preprocessing.resize == "pad" else None
    parts = {
        "format": 1,
        "preprocessing": asdict(preprocessing) | {"mean": padding, "std": None},
        "data": inspection.fingerprint,
        "decoder": [DECODER_VERSION, PIL.__version__],
    }

    def compute(first: int) -> Iterator[np.ndarray]:
        with reporter.track("decoding", count, done=first) as advance:
            for batch in load.pictures(config, inspection.examples, range(first, count), preprocessing):
                yield batch
                advance(len(batch))

    return cached_features(config.cache_path / "pictures", parts, shape, compute, dtype="uint8")
