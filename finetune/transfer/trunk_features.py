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
from finetune.transfer import runtime_choice
from finetune.transfer.features import Features, cached_features, is_complete, one_after_the_other
from finetune.transfer.runtime_names import Runtime, in_float32
from finetune.transfer.runtimes import Choice, Run, Work, identity
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
    rows: np.ndarray | None = None,
) -> Features:
    """Return what examples are at a cut, cached by everything that decides it.

    Threads decode a little ahead while the network computes.

    Args:
        trunk: says how pictures are prepared.
        below: the network up to the cut.
        cut: its name.
        inspection: the pictures.
        config: model, batch_size, runtime, threads, cache_dir, and augmentation of changed versions.
        reporter: shows progress, and what runs the network.
        views: changed versions of each example that are wanted too.
        rows: (n,) the examples that are wanted, by runtimes that give what Keras gives in float32 only; None for all
            of them, by the runtime of the config. With folds, which are judged by their features, it is the former too.

    Raises:
        DataError: a picture changed since it was checked.
        ResourceError: the cache cannot be written.
    """
    examples, folder = inspection.examples, config.cache_path / "features"
    count = len(examples) * (1 + views) if rows is None else len(rows)
    shape = (count, *below.output_shape[1:])
    parts = _parts(trunk, below, cut, inspection, config, views)
    if rows is not None:
        parts["examples"] = hashlib.sha256(np.asarray(rows, "<i8").tobytes()).hexdigest()
    if rows is not None or config.folds:
        config = config.model_copy(update={"runtime": in_float32(config.runtime)})

    def named(runtime: Runtime) -> dict[str, object]:
        return parts | {"runtime": identity(runtime, below)}

    def compute(first: int) -> Iterator[np.ndarray]:
        with reporter.track("computing features", count) as advance:
            advance(first)
            left = range(first, count)
            if rows is None:
                batches = picture_views(config, examples, left, trunk.preprocessing)
            else:
                batches = pictures(config, examples, rows[left.start :], trunk.preprocessing)
            for array in run(batches):
                yield array
                advance(len(array))

    def complete() -> Runtime | None:
        found = runtime_choice.acceptable(config.runtime)
        return next((one for one in found if is_complete(folder, named(one), shape)), None)

    # who finds all there waits for nobody
    alone = nullcontext() if complete() else one_after_the_other(config.cache_path / "locks", parts, reporter.say)
    with alone:
        left = complete()
        if left:
            choice, run = Choice(left, "its features of these pictures are in the cache"), None
        else:
            choice, run = _choose(trunk, below, inspection, config, reporter, rows)
        decision = Decision("runtime", choice.runtime.name, choice.why)
        reporter.say(f"  {decision}" if rows is None else f"  the test side, in float32: {decision}")
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


def _choose(
    trunk: Trunk,
    below: keras.Model,
    inspection: Inspection,
    config: FinetuneConfig,
    reporter: Reporter,
    rows: np.ndarray | None,
) -> tuple[Choice, Run]:
    examples = inspection.examples
    rows = np.arange(len(examples)) if rows is None else rows
    work = Work(
        below,
        config.batch_size,
        len(rows),
        lambda indices: pictures(config, examples, rows[indices], trunk.preprocessing),
        picture_target(examples).values[rows],
    )
    network = {
        "model": config.model,
        "weights": trunk.weights_sha256,
        "image_size": config.image_size,
        "batch_size": config.batch_size,
    }
    memory = runtime_choice.memory_file(config.cache_path / "runtimes", network)
    return runtime_choice.choose(work, config.runtime, memory, reporter.warn)


def _digest(model: keras.Model) -> str:
    """Return the SHA-256 of all weights of a model, with their shapes, in order."""
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
