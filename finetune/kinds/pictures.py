"""Pictures: files are checked and decoded; a pretrained network makes features of them, and a linear head learns."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import keras
import numpy as np

from finetune import decide
from finetune.config import FinetuneConfig
from finetune.data import dealing, load
from finetune.data.checks import Inspection
from finetune.data.class_checks import class_findings
from finetune.data.examples import Examples, printable
from finetune.data.findings import Finding
from finetune.data.picture_checks import near_duplicate_findings, picture_findings
from finetune.data.picture_shapes import shape_findings, suggest_resize
from finetune.data.split import Splits
from finetune.data.targets import Target, picture_target
from finetune.evaluation.mistakes import Mistake, worst_mistakes
from finetune.progress import Reporter
from finetune.transfer import trunk as trunks
from finetune.transfer.features import Features, trunk_features

NOUN = "pictures"
# Whether the trunk learns from training examples, so that each fold needs its own.
TRUNK_IS_FITTED = False


def resolve(config: FinetuneConfig, examples: Examples) -> tuple[FinetuneConfig, list[decide.Decision]]:
    """Fill in what was left to the run."""
    if examples.task == "regression":
        return decide.resolve(config, {"": len(examples)}, unit="in all")
    several = examples.task == "multi_label"
    counts = Counter(label for labels in examples.labels for label in labels) if several else Counter(examples.labels)
    found = {name: counts[label] for label, name in enumerate(examples.class_names)}
    return decide.resolve(config, found, unit="a label" if several else "a class")


def check(config: FinetuneConfig, examples: Examples, reporter: Reporter) -> Inspection:
    """Hash and decode every file once."""
    return load.check_examples(config, examples, reporter)


def deal(config: FinetuneConfig, inspection: Inspection) -> Splits:
    """Deal the examples to their sides."""
    return dealing.deal(config, inspection.examples)


def target(inspection: Inspection) -> Target:
    """Return what is to be predicted."""
    return picture_target(inspection.examples)


def settle(config: FinetuneConfig, inspection: Inspection) -> tuple[FinetuneConfig, list[decide.Decision]]:
    """Decide what only the checked pictures can tell."""
    if config.resize != "auto":
        return config, []
    mode, why = suggest_resize(inspection.facts)
    return config.model_copy(update={"resize": mode}), [decide.Decision("resize", mode, why)]


def findings(config: FinetuneConfig, inspection: Inspection, splits: Splits) -> list[Finding]:
    """Return what the checks have to say, leaks between the sides included."""
    examples, facts = inspection.examples, inspection.facts
    files = [printable(file) for file in examples.files]
    sides = splits.sides(len(examples))
    numbers = examples.task == "regression"
    shown = [""] * len(examples) if numbers else picture_target(examples).shown()
    found = [*examples.findings]
    found += [Finding("duplicates", "warning", text) for text in load.warnings_on(inspection, sides)]
    found += picture_findings(facts, files)
    found += near_duplicate_findings(facts, files, shown, sides, inspection.digests)
    found += shape_findings(facts, files, image_size=config.image_size, resize=config.resize)
    if examples.task == "classification":
        found += class_findings(examples.labels, examples.class_names, splits, class_weights=config.class_weights)
    return found


def build_trunk(config: FinetuneConfig, inspection: Inspection, splits: Splits) -> trunks.Trunk:
    """Return the pretrained network up to its pooled features; it learns nothing from the data."""
    return trunks.build_trunk(config)


def features(config: FinetuneConfig, trunk: trunks.Trunk, inspection: Inspection, reporter: Reporter) -> Features:
    """Run the trunk once over all pictures, or take what an earlier run left."""
    return trunk_features(trunk, inspection, config, reporter)


def new_head(config: FinetuneConfig, features: Features, target: Target) -> keras.Model:
    """Return one linear layer on the pooled features."""
    outputs = target.values.shape[1] if target.values.ndim > 1 else len(target.names)
    return trunks.new_head(features.array.shape[1], outputs, dropout=config.dropout, seed=config.seed)


def training_model(config: FinetuneConfig, head: keras.Model) -> keras.Model:
    """Return what is trained: the head itself."""
    return head


def mixing(config: FinetuneConfig) -> None:
    """Return how batches are mixed: not at all."""


def samples(config: FinetuneConfig, features: object, splits: Splits) -> None:
    """Return what training makes of some examples as a picture: it takes them as they are."""


def first_inputs(config: FinetuneConfig, trunk: trunks.Trunk, inspection: Inspection) -> tuple[np.ndarray, int]:
    """Return the first batch of pictures as the joined model takes them, and how many they are."""
    examples = inspection.examples
    first = next(load.pictures(config, examples, range(len(examples)), trunk.preprocessing))
    return first, len(first)


def describe_data(inspection: Inspection, splits: Splits, findings: Sequence[Finding]) -> dict[str, object]:
    """Return data.json."""
    return load.describe_data(inspection, splits, findings)


def describe_inputs(config: FinetuneConfig, trunk: trunks.Trunk) -> dict[str, object]:
    """Return what model.json says of the pretrained weights and of how inputs are prepared."""
    return {
        "kind": "pictures",
        "weights": config.weights,
        "weights_sha256": trunk.weights_sha256,
        "preprocessing": asdict(trunk.preprocessing),
    }


def guesses(inspection: Inspection, splits: Splits) -> None:
    """Return answers that need no model, beyond those that every task has: none."""


def mistakes(
    config: FinetuneConfig, inspection: Inspection, indices: Sequence[int], outputs: np.ndarray
) -> list[Mistake]:
    """Return the wrong answers among `indices` that the model was surest of, with their pictures."""
    if inspection.examples.task != "classification":
        return []
    return worst_mistakes(inspection.examples, indices, outputs, load.image_limits(config))


def sizes(features: Features, seconds: Mapping[str, float]) -> str:
    """Return in a line what the trunk did and how fast."""
    rows, computed = len(features.array), len(features.array) - features.reused_rows
    origin = f"{features.reused_rows:,} of {rows:,} pictures reused from an earlier run" if features.reused_rows else ""
    rate = f"{computed:,} computed at {computed / seconds['features']:,.0f} a second" if computed else ""
    return f"features: {', '.join(filter(None, (origin, rate)))} ({seconds['features']:.1f} s)"


def labels_of(inspection: Inspection, indices: Sequence[int]) -> list[str]:
    """Return the files of some examples."""
    return [printable(inspection.examples.files[index]) for index in indices]
