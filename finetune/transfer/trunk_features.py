"""What pictures are at a cut of a pretrained network: run once over all of them by the fastest runtime, and cached."""

import hashlib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace

import keras
import numpy as np
import PIL

from finetune.config import FinetuneConfig
from finetune.data.checks import Inspection
from finetune.data.images import DECODER_VERSION
from finetune.data.load import pictures
from finetune.data.picture_views import VIEWS_VERSION, picture_views
from finetune.data.targets import picture_target
from finetune.decide import Decision
from finetune.progress import Reporter
from finetune.transfer import runtimes
from finetune.transfer.features import Features, cached_features, is_complete, one_after_the_other
from finetune.transfer.runtimes import Choice, Run, Work
from finetune.transfer.trunk import Trunk


def trunk_features(
    trunk: Trunk,
    below: keras.Model,
    cut: str,
    inspection: Inspection,
    config: FinetuneConfig,
    reporter: Reporter,
    *,
    views: int = 0,
) -> Features:
    """Return what all examples are at a cut, cached by everything that decides it.

    Threads decode a little ahead while the network computes.

    Args:
        trunk: says how pictures are prepared.
        below: the network up to the cut.
        cut: its name.
        inspection: the pictures.
        config: model, batch_size, runtime, threads, cache_dir, and augmentation of changed versions.
        reporter: shows progress, and what runs the network.
        views: changed versions of each example that are wanted too.

    Raises:
        DataError: a picture changed since it was checked.
        ResourceError: the cache cannot be written.
    """
    examples, folder = inspection.examples, config.cache_path / "features"
    shape = (len(examples) * (1 + views), *below.output_shape[1:])
    parts = _parts(trunk, below, cut, inspection, config, views)

    def named(runtime: str) -> dict[str, object]:
        return parts | {"runtime": runtimes.identity(runtime, below)}

    def compute(first: int) -> Iterator[np.ndarray]:
        with reporter.track("computing features", shape[0]) as advance:
            advance(first)
            for array in run(picture_views(config, examples, range(first, shape[0]), trunk.preprocessing)):
                yield array
                advance(len(array))

    def complete() -> list[str]:
        return [runtime for runtime in _acceptable(config) if is_complete(folder, named(runtime), shape)]

    # who finds all there waits for nobody
    alone = nullcontext() if complete() else one_after_the_other(config.cache_path / "locks", parts, reporter.say)
    with alone:
        left = complete()
        if left:
            choice, run = Choice(left[0], "its features of these pictures are in the cache"), None
        else:
            choice, run = _choose(trunk, below, inspection, config, reporter)
        decision = Decision("runtime", choice.runtime, choice.why)
        reporter.say(f"  {decision}")
        features = cached_features(folder, named(choice.runtime), shape, compute)
    return replace(features, runtime=decision, views=views)


def _parts(
    trunk: Trunk, below: keras.Model, cut: str, inspection: Inspection, config: FinetuneConfig, views: int
) -> dict[str, object]:
    """Return what decides the features, but for what runs the network."""
    parts = {
        "format": 2,
        "model": config.model,
        "cut": cut,
        "weights": _digest(below),
        "preprocessing": asdict(trunk.preprocessing),
        "data": inspection.fingerprint,
        "decoder": [DECODER_VERSION, PIL.__version__],
    }
    if views:
        parts["views"] = [config.augmentation, views, config.batch_size, VIEWS_VERSION, keras.__version__]
    return parts


def _acceptable(config: FinetuneConfig) -> list[str]:
    """Return the runtimes whose features a run may take from the cache, the better first."""
    wanted = runtimes.FLOAT32 if config.runtime == runtimes.AUTO else (config.runtime,)
    return [runtime for runtime in wanted if not runtimes.hindrance(runtime)]


def _choose(
    trunk: Trunk, below: keras.Model, inspection: Inspection, config: FinetuneConfig, reporter: Reporter
) -> tuple[Choice, Run]:
    examples = inspection.examples
    work = Work(
        below,
        config.batch_size,
        len(examples),
        lambda indices: pictures(config, examples, indices, trunk.preprocessing),
        picture_target(examples).values,
    )
    network = {
        "model": config.model,
        "weights": trunk.weights_sha256,
        "image_size": config.image_size,
        "batch_size": config.batch_size,
    }
    memory = runtimes.memory_file(config.cache_path / "runtimes", network)
    return runtimes.choose(work, config.runtime, memory, reporter.warn)


def _digest(model: keras.Model) -> str:
    """Return the SHA-256 of all weights of a model, with their shapes, in order."""
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
