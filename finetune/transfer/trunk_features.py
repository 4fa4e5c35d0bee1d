"""What pictures are at a cut of a pretrained network: run once over all of them by the fastest runtime, and cached."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

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
from finetune.transfer.features import Features, NotFinite, cached_features, is_complete, one_after_the_other
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
        NotFinite: the network gives values that are not finite, in float32 too.
        ResourceError: the cache cannot be written.
    """
    if rows is not None or config.folds:
        config = config.model_copy(update={"runtime": in_float32(config.runtime)})
    wanted = _Wanted(trunk, below, cut, inspection, config, reporter, views, rows)
    # who finds all there waits for nobody
    locks = config.cache_path / "locks"
    alone = nullcontext() if wanted.complete() else one_after_the_other(locks, wanted.parts, reporter.say)
    with alone:
        left = wanted.complete()
        if left:
            return wanted.by(Choice(left, "its features of these pictures are in the cache"), None)
        choice, run = wanted.chosen()
        try:
            return wanted.by(choice, run)
        except NotFinite as error:
            if choice.runtime.exact:
                raise
            reporter.warn(f"runtime={choice.runtime.name}: {error}; all of them run in float32 instead")
            exact = config.model_copy(update={"runtime": in_float32(choice.runtime.name)})
            return replace(wanted, config=exact).by(*replace(wanted, config=exact).chosen())


@dataclass(frozen=True)
class _Wanted:
    """Features that are wanted; fields are the arguments of `trunk_features`."""

    trunk: Trunk
    below: keras.Model
    cut: str
    inspection: Inspection
    config: FinetuneConfig
    reporter: Reporter
    views: int
    rows: np.ndarray | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, and what each is at the cut."""
        count = len(self.inspection.examples) * (1 + self.views) if self.rows is None else len(self.rows)
        return (count, *self.below.output_shape[1:])

    @cached_property
    def parts(self) -> dict[str, object]:
        """What decides the features, but for what runs the network."""
        config, views = self.config, self.views
        parts = {
            "format": 2,
            "model": config.model,
            "cut": self.cut,
            "weights": _digest(self.below),
            "preprocessing": asdict(self.trunk.preprocessing),
            "data": self.inspection.fingerprint,
            "decoder": [DECODER_VERSION, PIL.__version__],
        }
        if views:
            parts["views"] = [config.augmentation, views, config.batch_size, VIEWS_VERSION, keras.__version__]
        if self.rows is not None:
            parts["examples"] = hashlib.sha256(np.asarray(self.rows, "<i8").tobytes()).hexdigest()
        return parts

    def _named(self, runtime: Runtime) -> dict[str, object]:
        return self.parts | {"runtime": identity(runtime, self.below)}

    @property
    def _folder(self) -> Path:
        return self.config.cache_path / "features"

    def complete(self) -> Runtime | None:
        """Return a runtime whose features are all in the cache, and may be taken."""
        found = runtime_choice.acceptable(self.config.runtime)
        return next((one for one in found if is_complete(self._folder, self._named(one), self.shape)), None)

    def _pictures(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        return pictures(self.config, self.inspection.examples, indices, self.trunk.preprocessing)

    def chosen(self) -> tuple[Choice, Run]:
        """Return what runs the network, and the function that does it."""
        examples, config = self.inspection.examples, self.config
        # of those that judge, nobody asked by which runtime
        warn = self.reporter.warn if self.rows is None else lambda line: self.reporter.say(f"  {line}")
        rows = np.arange(len(examples)) if self.rows is None else self.rows
        work = Work(
            self.below,
            config.batch_size,
            count=len(rows),
            rows=self.shape[0],
            pictures=lambda indices: self._pictures(rows[indices]),
            values=picture_target(examples).values[rows],
        )
        network = {
            "model": config.model,
            "cut": self.cut,
            "weights": self.trunk.weights_sha256,
            "image_size": config.image_size,
            "batch_size": config.batch_size,
        }
        memory = runtime_choice.memory_file(config.cache_path / "runtimes", network)
        return runtime_choice.choose(work, config.runtime, memory, warn)

    def by(self, choice: Choice, run: Run | None) -> Features:
        """Return the features that a runtime gives, computing those that are missing."""

        def compute(first: int) -> Iterator[np.ndarray]:
            left = range(first, self.shape[0])
            if self.rows is None:
                batches = picture_views(self.config, self.inspection.examples, left, self.trunk.preprocessing)
            else:
                batches = self._pictures(self.rows[first:])
            with self.reporter.track("computing features", self.shape[0], done=first) as advance:
                for array in run(batches):
                    yield array
                    advance(len(array))

        decision = Decision("runtime", choice.runtime.name, choice.why)
        judging = f"what judges is computed in float32 by {choice.runtime.shown}"
        self.reporter.say(f"  {decision}" if self.rows is None else f"  {judging}")
        features = cached_features(self._folder, self._named(choice.runtime), self.shape, compute)
        return replace(features, runtime=decision, views=self.views)


def _digest(model: keras.Model) -> str:
    """Return the SHA-256 of all weights of a model, with their shapes, in order."""
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
