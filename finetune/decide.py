"""What a run decides for the user, and why, in words that are printed and kept."""

import importlib.util
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from finetune.config import FinetuneConfig
from finetune.kinds.networks import CNN
from finetune.transfer.auto_method import Machine, choose_method
from finetune.transfer.runtime_names import RUNTIMES
from zoo import registry
from zoo.errors import ConfigError
from zoo.spec import SavedModel, Variant, Weights
from zoo.weights import sources

_DEFAULT_MODEL = "efficientnet_lite0"
# Five halvings leave one cell of 32 pixels.
MIN_IMAGE_SIZE = 32
_USUAL = {"epochs": 60, "patience": 8, "batch_size": 32, "learning_rate": 1e-3}


@dataclass(frozen=True)
class Decision:
    """One choice: the setting, the value it got, and the reason."""

    what: str
    value: object
    why: str

    def __str__(self) -> str:
        return f"{self.what} = {self.value}: {self.why}"


def resolve(
    config: FinetuneConfig, num_per_class: dict[str, int], *, unit: str = "a class"
) -> tuple[FinetuneConfig, list[Decision]]:
    """Fill in every setting that was left to the run.

    Args:
        config: as the user gave it.
        num_per_class: usable examples of each class.
        unit: what they are counted for: "a class", "a label" or "in all".

    Returns:
        The config with nothing left open but the run directory, and what was decided.

    Raises:
        ConfigError: unknown model, or a setting that does not go with it.
        ModelFileError: the weights are not at hand.
    """
    require_suitable(config)
    decisions = []

    def decide(what: str, value: object, why: str) -> None:
        decisions.append(Decision(what, value, why))

    if config.model == "auto":
        decide("model", _DEFAULT_MODEL, "small, quick on a CPU, with ImageNet weights at hand")
    variant, row = find_pretrained(config)
    if config.weights == "imagenet":
        decide("weights", row.tag, _described(row))
    image_size = config.image_size
    if image_size is None:
        image_size = (row.preprocessing if row else variant.preprocessing).image_size
        decide("image_size", image_size, "the size these weights were trained with")
    if config.method == "auto":
        counts = num_per_class.values()
        work = {"parameters": variant.parameters, "image_size": image_size, "machine": Machine.here()}
        decide("method", *choose_method(min(counts), sum(counts), **work, unit=unit))
    decisions += [
        Decision(what, value, "usual for a head on frozen features")
        for what, value in _USUAL.items()
        if getattr(config, what) is None
    ]
    if config.dropout is None:
        decide("dropout", variant.dropout, f"as in {variant.name}'s own head")
    filled = {decision.what: decision.value for decision in decisions}
    if variant.weights and isinstance(variant.weights[0].source, SavedModel):
        # its path from the root, so that the run can be repeated from anywhere
        filled["model"] = variant.weights[0].tag
    return config.model_copy(update=filled), decisions


def find_pretrained(config: FinetuneConfig) -> tuple[Variant, Weights | None]:
    """Return the rows of the model and of its weights, or None for weights of a file.

    Raises:
        ConfigError: there are no such model or weights.
        ModelFileError: the weights are not at hand.
    """
    variant = registry.find(_DEFAULT_MODEL if config.model == "auto" else config.model, also=(CNN,))
    chosen = sources.choose(variant, config.weights, config.cache_path)
    row = chosen if isinstance(chosen, Weights) else None
    if row:
        sources.require_at_hand(row, config.cache_path)
    return variant, row


def require_suitable(config: FinetuneConfig) -> None:
    """Refuse settings that do not go with a frozen pretrained network.

    Raises:
        ConfigError: so they do not.
    """
    if config.runtime.startswith("openvino") and importlib.util.find_spec("openvino") is None:
        raise ConfigError(
            f"runtime={config.runtime} needs the extra `fast`: pip install 'keras-graft[fast]'; or --set runtime=auto"
        )
    if config.folds and config.runtime in RUNTIMES and not RUNTIMES[config.runtime].exact:
        raise ConfigError(
            f"runtime={config.runtime} does not go with folds, which are judged by their features: --set runtime=auto"
        )
    if config.image_size is not None and config.image_size < MIN_IMAGE_SIZE:
        raise ConfigError(
            f"image_size must be at least {MIN_IMAGE_SIZE} for a pretrained network; received {config.image_size}"
        )


def _described(row: Weights) -> str:
    """Return what is known of weights."""
    if isinstance(row.source, SavedModel):
        return "the saved model's own"
    known = f"{row.top1} % top-1 on ImageNet as published" if row.top1 else "the model's own"
    return f"{known}; licence {row.licence}"


def as_json(decisions: Sequence[Decision]) -> list[dict[str, object]]:
    """Return decisions as JSON values."""
    return [asdict(decision) for decision in decisions]
