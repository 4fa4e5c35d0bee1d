"""Pictures: files are checked and decoded; a pretrained network makes features of them, and a linear head learns."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import keras
import numpy as np

from finetune import decide
from finetune.config import FinetuneConfig
from finetune.data import dealing, load
from finetune.data.checks import Inspection
from finetune.data.class_checks import class_findings
from finetune.data.examples import Examples, printable
from finetune.data.findings import Finding
from finetune.data.names import PackedNames
from finetune.data.picture_checks import near_duplicate_findings, picture_findings
from finetune.data.picture_shapes import shape_findings, suggest_resize
from finetune.data.split import Splits
from finetune.data.store import DecodedOnDemand, decoded_pictures
from finetune.data.targets import Target, picture_target
from finetune.evaluation.mistakes import Mistake, worst_mistakes
from finetune.progress import Reporter
from finetune.report.sheet import contact_sheet
from finetune.training.augmentation import augmented, layers
from finetune.training.mixing import Mixing
from finetune.transfer import trunk as trunks
from finetune.transfer.features import Features
from finetune.transfer.network import INPUTS, Network
from finetune.transfer.trunk_features import trunk_features

NOUN = "pictures"
# Pictures that the report shows as training saw them.
_SHOWN = 8
# Whether what comes before the network is fitted on training examples, so that each fold needs its own.
TRUNK_IS_FITTED = False
# Whether the network has stages of which a method lets some learn.
STAGED = True


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


def lighten(inspection: Inspection) -> Inspection:
    """Return the data without what only the checks need, which is most of what a file costs in memory."""
    examples = replace(inspection.examples, files=PackedNames(inspection.examples.files))
    none = {name: getattr(inspection, name)[:0].copy() for name in ("facts", "digests")}
    return replace(inspection, examples=examples, **none)


def build_trunk(config: FinetuneConfig, inspection: Inspection, splits: Splits) -> trunks.Trunk:
    """Return the pretrained network up to its pooled features; it learns nothing from the data."""
    return trunks.build_trunk(config)


def cut_for(config: FinetuneConfig, network: Network, cut: str, inspection: Inspection) -> str:
    """Return the cut that training takes where `cut` is the highest possible: that, or the inputs.

    Pictures that training changes anew in every epoch have to go through the whole network each time, and so have those
    whose maps at the cut take more than `store_gigabytes`.
    """
    return INPUTS if _always_new(config) or _bytes_at(config, network, cut, inspection) > _limit(config) else cut


def _always_new(config: FinetuneConfig) -> bool:
    return bool(mixing(config)) or config.augmentation != "none" and not config.cached_views


def _views(config: FinetuneConfig) -> int:
    """Return how many changed versions of each picture a frozen part is run over."""
    return 0 if config.augmentation == "none" else config.cached_views


def _limit(config: FinetuneConfig) -> float:
    return config.store_gigabytes * 1e9


def _bytes_at(config: FinetuneConfig, network: Network, cut: str, inspection: Inspection) -> int:
    return math.prod((len(inspection.examples), 1 + _views(config), *network.cuts[cut].shape[1:])) * 4


def prepare(
    config: FinetuneConfig,
    trunk: trunks.Trunk,
    network: Network,
    cut: str,
    inspection: Inspection,
    reporter: Reporter,
) -> tuple[str, Features]:
    """Return what all pictures are at a cut, run once or left by an earlier run; or at the inputs: see `cut_for`."""
    if cut_for(config, network, cut, inspection) != INPUTS:
        views = _views(config)
        if views:
            reporter.say(
                f"the frozen part runs once over each picture and {views} augmented versions of it (cached_views)"
            )
        return cut, trunk_features(trunk, network.below(cut), cut, inspection, config, reporter, views=views)
    if cut != INPUTS:
        needed = _bytes_at(config, network, cut, inspection)
        why = f"features at {cut} would take {needed / 1e9:,.0f} GB"
        if _always_new(config):
            why = "pictures are mixed" if mixing(config) else "pictures are augmented anew"
        reporter.say(f"{why}: every epoch runs the whole network, and nothing is cached")
    return INPUTS, decoded_pictures(config, inspection, trunk.preprocessing, reporter)


def new_head(config: FinetuneConfig, shape: tuple[int, ...], target: Target) -> keras.Model:
    """Return one linear layer on the pooled features, (channels,)."""
    outputs = target.values.shape[1] if target.values.ndim > 1 else len(target.names)
    return trunks.new_head(shape[0], outputs, dropout=config.dropout, seed=config.seed)


def training_model(config: FinetuneConfig, network: keras.Model, *, whole: bool) -> keras.Model:
    """Return the network behind augmentation, sharing its weights; a part of it takes what was augmented before."""
    return augmented(network, config.augmentation, seed=config.seed) if whole else network


def mixing(config: FinetuneConfig) -> Mixing | None:
    """Return how batches are mixed, or None for not at all."""
    return Mixing(config.mixup, config.cutmix, config.seed) if config.mixup or config.cutmix else None


def samples(config: FinetuneConfig, trunk: trunks.Trunk, inspection: Inspection, splits: Splits) -> bytes | None:
    """Return what training makes of some pictures as PNG, the originals in the first row; None for no augmentation."""
    if config.augmentation == "none" and not mixing(config):
        return None
    chosen = np.array(splits.train)[np.linspace(0, len(splits.train) - 1, _SHOWN).astype(int)]
    decoded = load.pictures(config, inspection.examples, chosen, trunk.preprocessing)
    shown = np.concatenate(list(decoded)).astype("float32")
    rows = [shown]
    for epoch in range(4):
        x = shown
        if mixing(config):
            x, _ = mixing(config)(x, np.zeros((len(x), 1)), epoch=epoch, batch=0)
        for layer in layers(config.augmentation, seed=config.seed + epoch):
            x = layer(x, training=True)
        rows.append(np.asarray(x))
    return contact_sheet(rows)


def some_inputs(
    config: FinetuneConfig, trunk: trunks.Trunk, inspection: Inspection
) -> tuple[np.ndarray, Sequence[int]]:
    """Return the first and the last picture as the joined model takes them, and their indices."""
    compared = sorted({0, len(inspection.examples) - 1})
    batches = load.pictures(config, inspection.examples, compared, trunk.preprocessing)
    return np.concatenate(list(batches)), compared


def exact_features(
    config: FinetuneConfig,
    trunk: trunks.Trunk,
    network: Network,
    cut: str,
    inspection: Inspection,
    indices: np.ndarray,
    reporter: Reporter,
) -> Features:
    """Return what some pictures are at a cut as Keras computes it in float32, whatever ran the others."""
    return trunk_features(trunk, network.below(cut), cut, inspection, config, reporter, rows=indices)


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
    """Return in a line what was prepared and how fast."""
    if features.array.dtype == np.uint8:
        return picture_sizes(features, seconds)
    rows, computed = len(features.array), len(features.array) - features.reused_rows
    origin = f"{features.reused_rows:,} of {rows:,} pictures reused from an earlier run" if features.reused_rows else ""
    rate = f"{computed:,} computed at {computed / seconds['features']:,.0f} a second" if computed else ""
    return f"features: {', '.join(filter(None, (origin, rate)))} ({seconds['features']:.1f} s)"


def picture_sizes(features: Features, seconds: Mapping[str, float]) -> str:
    """Return in a line how pictures lie ready."""
    count, size = features.array.shape[:2]
    if isinstance(features.array, DecodedOnDemand):
        return f"{count:,} pictures of {size} x {size} pixels take more than store_gigabytes: decoded in every epoch"
    reused = f", {features.reused_rows:,} of them by an earlier run" if features.reused_rows else ""
    return f"{count:,} pictures of {size} x {size} pixels decoded{reused} ({seconds['features']:.1f} s)"


def labels_of(inspection: Inspection, indices: Sequence[int]) -> list[str]:
    """Return the files of some examples."""
    return [printable(inspection.examples.files[index]) for index in indices]
