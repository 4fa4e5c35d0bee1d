"""From a config to checked examples: the source is scanned, every file is checked, and what was found is described."""

import os
from collections.abc import Iterator, Sequence

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.batches import image_batches
from finetune.data.checks import Inspection, duplicate_warnings, inspect
from finetune.data.examples import Examples, Skipped, printable
from finetune.data.findings import Finding
from finetune.data.images import ImageLimits
from finetune.data.split import SPLITS, Splits
from finetune.progress import Reporter
from zoo.spec import Preprocessing


def image_limits(config: FinetuneConfig) -> ImageLimits:
    """Return the decoder's limits that a config asks for."""
    return ImageLimits(max_pixels=config.max_image_pixels)


def num_threads(config: FinetuneConfig) -> int:
    """Return how many threads decode."""
    return config.threads or os.cpu_count() or 1


def check_examples(config: FinetuneConfig, examples: Examples, reporter: Reporter) -> Inspection:
    """Hash and decode every file once; see `finetune.data.checks.inspect` for what is refused."""
    return inspect(
        examples,
        image_limits(config),
        threads=num_threads(config),
        track=reporter.track,
        cache_dir=config.cache_path,
        strict=config.strict,
    )


def warnings_on(inspection: Inspection, sides: Sequence[str]) -> list[str]:
    """Return what is to be said of files with the same bytes, leaks between the sides included."""
    examples = inspection.examples
    leaks = duplicate_warnings(inspection.digests, examples.labels, sides, examples)
    return list(dict.fromkeys([*inspection.warnings, *leaks]))


def pictures(
    config: FinetuneConfig, examples: Examples, indices: Sequence[int], preprocessing: Preprocessing
) -> Iterator[np.ndarray]:
    """Yield the pictures at `indices` as batches (n, image_size, image_size, 3) uint8, n <= config.batch_size."""
    return image_batches(
        examples,
        indices,
        preprocessing,
        batch_size=config.batch_size,
        threads=num_threads(config),
        limits=image_limits(config),
    )


def describe_data(inspection: Inspection, splits: Splits, findings: Sequence[Finding]) -> dict[str, object]:
    """Return data.json: classes, sizes, fingerprint, and what was skipped or left out and why."""
    examples = inspection.examples
    numbers = examples.task == "regression"
    per_class = {} if numbers else {name: dict.fromkeys(SPLITS, 0) for name in examples.class_names}
    for side in () if numbers else SPLITS:
        for index in getattr(splits, side):
            label = examples.labels[index]
            for one in label if examples.task == "multi_label" else (label,):
                per_class[examples.class_names[one]][side] += 1
    return {
        "kind": "arrays" if examples.pixels is not None else "list" if examples.folder else "folder",
        "source": printable(examples.root),
        "fingerprint": inspection.fingerprint,
        "task": examples.task,
        "class_names": [] if numbers else list(examples.class_names),
        "outputs": list(examples.class_names) if numbers else [],
        "num_examples": len(examples),
        "splits": splits.sizes(),
        "folds": len(splits.folds),
        "per_class": per_class,
        "skipped": _listed(examples.skipped),
        "left_out": _listed(examples.left_out),
        "findings": [finding.as_json() for finding in findings],
        "warnings": [finding.message for finding in findings if finding.severity == "warning"],
        "notes": list(examples.notes),
    }


def _listed(files: Sequence[Skipped]) -> list[dict[str, str]]:
    return [{"file": printable(file.file), "reason": printable(file.reason)} for file in files]
