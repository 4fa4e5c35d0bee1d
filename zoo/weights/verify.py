"""Bringing a file of the user's into the zoo, and proving at any time that weights still are what they were."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from zoo import registry
from zoo.atomic import write_atomic
from zoo.errors import ConfigError, ModelFileError, ResourceError, nearest
from zoo.factory import create
from zoo.spec import Weights
from zoo.weights import sources
from zoo.weights.load import read_weights, save_arrays

# Logits that are kept and compared: enough to notice any change of weights, names, axes, padding or preprocessing.
NUM_GOLDEN = 5
# float32 sums in another order differ by 1e-5; any fault that matters moves a logit by 1e-2.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Imported:
    """What is known of an imported file, kept beside its converted copy.

    Attributes:
        tag: the row that it stands for.
        source: path of the file that was imported.
        source_sha256: of that file.
        sha256: of the converted copy.
        num_arrays: how many arrays it holds.
        golden: first logits on the test picture, right after the import.
    """

    tag: str
    source: str
    source_sha256: str
    sha256: str
    num_arrays: int
    golden: tuple[float, ...]


def ramp_picture(image_size: int) -> np.ndarray:
    """Return smooth ramps to compute golden values on: (1, image_size, image_size, 3) float32 in [0, 255]."""
    ramp = np.linspace(0, 255, image_size, dtype="float32")
    across, down = np.meshgrid(ramp, ramp)
    return np.round(np.stack([across, down, (across + down) / 2], axis=-1))[None]


def golden_logits(model: keras.Model) -> tuple[float, ...]:
    """Return the first logits of a model without classifier activation on the test picture."""
    logits = np.asarray(model(ramp_picture(model.input_shape[1])))[0]
    return tuple(float(value) for value in logits[:NUM_GOLDEN])


def import_weights(path: str | Path, tag: str, cache_dir: Path) -> Imported:
    """Check a file against the model of a tag and keep a converted copy, so that the tag is at hand from then on.

    Args:
        path: `.pth`, `.pt` or `.safetensors` file with the names of the tag's origin; or `.keras` or `.h5` file of the
            tag's model with its classifier.
        tag: full tag, such as "efficientnet_lite0.timm_ra_in1k".
        cache_dir: where copies are kept.

    Raises:
        ConfigError: there is no such tag.
        ModelFileError: the file is damaged, another than the tag pins, or does not fit the model.
        ResourceError: the copy cannot be written.
    """
    row = find_row(tag)
    path = Path(path).expanduser()
    source_sha256 = sources.file_sha256(path)
    if not source_sha256.startswith(row.sha256):
        raise ModelFileError(f"{path}: SHA-256 is {source_sha256}, but {tag} was published with {row.sha256}")
    name = tag.partition(".")[0]
    pretrained = read_weights(registry.find(name), row, None, path=path)
    if pretrained.num_classes is None:
        raise ModelFileError(
            f"{path}: holds no classifier that fits {name}, so what it gives could not be verified. "
            f"Give the file with it, or this one to a model with a new head: --weights {path}"
        )
    model = create(name, weights=pretrained, classifier_activation=None)
    golden = golden_logits(model)
    if not np.isfinite(golden).all():
        raise ModelFileError(f"{path}: gives logits that are not finite, so it does not go with {tag}")
    copy = sources.imported_path(row, cache_dir)
    try:
        save_arrays(copy, pretrained.arrays)
        record = Imported(tag, str(path), source_sha256, sources.file_sha256(copy), len(pretrained.arrays), golden)
        write_atomic(_record_path(copy), json.dumps(asdict(record), indent=2) + "\n")
    except OSError as error:
        raise ResourceError(f"{copy}: cannot be written ({error.strerror or error})") from error
    return record


def verify_weights(row: Weights, cache_dir: Path) -> float:
    """Check the hash of a row's file and its logits on the test picture.

    Args:
        row: weights that are at hand.
        cache_dir: where imported and downloaded files are.

    Returns:
        The largest difference of a logit from the golden value.

    Raises:
        ModelFileError: the file is not at hand, is damaged, or gives other logits.
    """
    path = sources.locate(row, cache_dir)
    golden = row.golden
    if path == sources.imported_path(row, cache_dir):
        record = _read_record(path)
        golden = golden or record.golden
        found = sources.file_sha256(path)
        if found != record.sha256:
            raise ModelFileError(f"{path}: SHA-256 is {found}, but {record.sha256} was imported. {_again(row)}")
    name = row.tag.partition(".")[0]
    # no cache: a converted copy would be compared with itself
    pretrained = read_weights(registry.find(name), row, None, path=path)
    logits = golden_logits(create(name, weights=pretrained, classifier_activation=None))
    difference = float(np.abs(np.subtract(logits, golden)).max()) if golden else 0.0
    if not difference <= TOLERANCE:
        raise ModelFileError(
            f"{row.tag}: a logit on the test picture differs from its golden value by {difference:.2g}"
        )
    return difference


def find_row(tag: str) -> Weights:
    """Return the row of a full tag.

    Raises:
        ConfigError: there is none; the nearest are named.
    """
    rows = {row.tag: row for name in registry.list_models() for row in registry.find(name).weights}
    if tag in registry.list_models():
        tags = ", ".join(row.tag for row in registry.find(tag).weights)
        raise ConfigError(
            f"{tag!r} is a model and no tag of weights; "
            f"{f'its tags: {tags}' if tags else 'it has none: give the file where it is used: --weights FILE'}"
        )
    if tag not in rows:
        raise ConfigError(f"unknown weights {tag!r}.{nearest(tag, rows) or ' See `finetune models --json`.'}")
    return rows[tag]


def _record_path(copy: Path) -> Path:
    return copy.with_suffix(".json")


def _read_record(copy: Path) -> Imported:
    try:
        values = json.loads(_record_path(copy).read_bytes())
        return Imported(**values | {"golden": tuple(values["golden"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        tag = copy.stem
        raise ModelFileError(
            f"{_record_path(copy)}: missing or damaged; import the file again with --name {tag}"
        ) from error


def _again(row: Weights) -> str:
    return f"Import the file again: finetune models import FILE --name {row.tag}"
