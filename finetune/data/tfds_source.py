"""Data sets that tensorflow-datasets has prepared on this machine, by name or by folder; nothing is fetched."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from google.protobuf.json_format import ParseError

from finetune.config import FinetuneConfig
from finetune.data.examples import Examples, Skipped, printable
from finetune.data.folder import SPLIT_FOLDERS
from finetune.data.tfds_features import is_prepared, picture_and_label
from finetune.settings.data import TFDS
from zoo.errors import ConfigError, DataError, nearest

_FOLDER = "~/tensorflow_datasets"
_NAME = re.compile(
    r"(?P<name>\w+)(/(?P<config>[\w.-]+))?(:(?P<version>\d+\.\d+\.\d+))?(:(?P<split>[A-Za-z_].*))?", re.ASCII
)
_VERSION = re.compile(r"\d+\.\d+\.\d+")
# What the library, TensorFlow and the reader of ArrayRecord files raise on damaged files.
_DAMAGE = (tf.errors.OpError, ParseError, RuntimeError, ValueError, TypeError, AttributeError, LookupError, OSError)
# What else a CSV file can say.
_COLUMNS = ("path", "label_separator", "group", "side", "sample_weight")


@dataclass(frozen=True)
class _Place:
    """A prepared data set: its folder, what it is called, and the split that is asked for ("" for all)."""

    folder: Path
    root: str
    split: str


class StoredPictures(Mapping):
    """The pictures of prepared splits as the bytes of their files, by names such as "train[17]"."""

    def __init__(self, splits: Mapping[str, Sequence], image: str):
        self._splits, self._image, self._lock = splits, image, threading.Lock()

    def __getitem__(self, name: str) -> bytes:
        split, _, index = name.removesuffix("]").rpartition("[")
        # readers of random access are not said to be safe for threads
        with self._lock:
            return self._splits[split][int(index)][self._image]

    def __iter__(self) -> Iterator[str]:
        return (f"{name}[{index}]" for name, split in self._splits.items() for index in range(len(split)))

    def __len__(self) -> int:
        return sum(map(len, self._splits.values()))


def is_tfds(data: str) -> bool:
    """Whether DATA names a data set of tensorflow-datasets, or is the folder of one."""
    return data.startswith(TFDS) or is_prepared(Path(data))


def scan_tfds(config: FinetuneConfig, *, judged: bool = False) -> Examples:
    """Return the pictures of `tfds:NAME[/CONFIG][:VERSION][:SPLIT]`, or of a folder that the library prepared.

    Splits that are called train, validation and test are the sides; one split alone is split by us.

    Args:
        config: names the data set.
        judged: nothing is learned from the pictures, so that one class is enough.

    Raises:
        DataError: it is not at hand, a split is absent or empty, or it is not one picture with one label each.
        ConfigError: a setting goes with CSV files only.
    """
    for name in _COLUMNS:
        if getattr(config, name):
            raise ConfigError(f"{name} goes with a CSV file; {config.data} is a prepared data set")
    if config.task not in ("auto", "classification"):
        raise ConfigError(f"task {config.task!r} does not go with {config.data}, whose label is a class")
    place = _place(config)
    image, label = picture_and_label(place.folder, config.target)
    with _damage_named(f"{place.folder / 'dataset_info.json'} is damaged"):
        builder = tfds.builder_from_directory(str(place.folder))
        names = builder.info.features[label].names
    notes = [f"read from {place.folder}"]
    sides = _sides(builder, place, notes)
    splits, labels = {}, {}
    for name in sides:
        with _damage_named(f"{place.root}: the split {name} cannot be read from {place.folder}"):
            splits[name] = _read(builder, name, image, config.max_array_bytes)
            labels[name] = [int(example[label]) for example in splits[name]]
    unlabelled = [name for name, values in labels.items() if values and max(values) < 0]
    notes += [f"split {name} is left out: it has no labels" for name in unlabelled]
    kept = {name: side for name, side in sides.items() if name not in unlabelled}
    if not kept:
        raise DataError(f"{place.root}: no example has a label in {label!r}")
    rows = [(name, index, value) for name in kept for index, value in enumerate(labels[name])]
    used = sorted({value for _, _, value in rows if value >= 0})
    names = names or [str(number) for number in range(used[-1] + 1)]
    _check_labels(place, rows, names, used)
    if len(used) < 2 and not judged:
        raise DataError(f"{place.root}: all examples are {names[used[0]]!r}; at least two classes are needed.")
    several = len(kept) > 1
    return Examples(
        root=place.root,
        files=tuple(f"{name}[{index}]" for name, index, value in rows if value >= 0),
        labels=tuple(used.index(value) for _, _, value in rows if value >= 0),
        class_names=tuple(names[value] for value in used),
        given_splits=tuple(kept[name] for name, _, value in rows if value >= 0) if several else (),
        skipped=tuple(Skipped(f"{name}[{index}]", "no label") for name, index, value in rows if value < 0),
        notes=tuple(notes),
        pixels=StoredPictures(splits, image),
    )


@contextmanager
def _damage_named(what: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except _DAMAGE as error:
        # TensorFlow puts the name of its function in front: {{function_node …}}
        reason = printable(" ".join(re.sub(r"{{.*?}}", "", str(error)).split()))[:160].rstrip(".")
        raise DataError(f"{printable(what)} ({reason}). Copy or prepare the data set again.") from error


def _check_labels(
    place: _Place, rows: Sequence[tuple[str, int, int]], names: Sequence[str], used: Sequence[int]
) -> None:
    if used[-1] >= len(names):
        split, index, value = next(row for row in rows if row[2] >= len(names))
        raise DataError(
            f"{place.root}: the label of {split}[{index}] is {value}, but there are names for {len(names)} in "
            f"{printable(str(place.folder))}. Copy or prepare the data set again."
        )


def _place(config: FinetuneConfig) -> _Place:
    if not config.data.startswith(TFDS):
        folder = Path(config.data).absolute()
        return _Place(folder, str(folder), "")
    found = _NAME.fullmatch(config.data.removeprefix(TFDS))
    if not found:
        raise DataError(f"{config.data}: expected is tfds:NAME, tfds:NAME/CONFIG:VERSION or tfds:NAME:SPLIT")
    base, name = Path(config.datasets_dir or _FOLDER).expanduser(), found["name"]
    if not (base / name).is_dir():
        raise DataError(_absent(base, name))
    folder = base / name / found["config"] if found["config"] else _only_config(base / name)
    versions = [entry.name for entry in folder.iterdir() if is_prepared(entry)] if folder.is_dir() else []
    versions = sorted(filter(_VERSION.fullmatch, versions), key=lambda text: tuple(map(int, text.split("."))))
    version = found["version"] or (versions[-1] if versions else "")
    if version not in versions:
        there = f"versions there are {', '.join(versions)}" if versions else "no version is prepared there"
        raise DataError(f"{config.data}: {there} ({printable(str(folder))})")
    inner = f"/{folder.name}" if folder != base / name else ""
    end = f":{found['split']}" if found["split"] else ""
    return _Place(folder / version, f"{TFDS}{name}{inner}:{version}{end}", found["split"] or "")


def _only_config(folder: Path) -> Path:
    if any(_VERSION.fullmatch(entry.name) for entry in folder.iterdir()):
        return folder
    configs = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    if len(configs) != 1:
        raise DataError(
            f"{printable(str(folder))} holds {', '.join(configs) or 'nothing'}; name one: tfds:{folder.name}/CONFIG"
        )
    return folder / configs[0]


def _absent(base: Path, name: str) -> str:
    here = sorted(entry.name for entry in base.iterdir() if entry.is_dir()) if base.is_dir() else []
    known = tfds.list_builders(with_community_datasets=False)
    found = f"there are {', '.join(here[:10])}" if here else "there are none"
    if name not in known:
        return (
            f"tfds:{name}: no such data set is known or lies in {printable(str(base))} ({found})."
            f"{nearest(name, {*here, *known})}"
        )
    return (
        f"tfds:{name} is not in {printable(str(base))} ({found}), and nothing is fetched. Where there is a network, "
        f"`tfds build {name} --file_format=array_record` prepares it; copy it, and name the folder with "
        f"--set datasets_dir=FOLDER"
    )


def _sides(builder: tfds.core.DatasetBuilder, place: _Place, notes: list[str]) -> dict[str, str]:
    """Return the splits to read, each with its side."""
    sizes = {name: split.num_examples for name, split in builder.info.splits.items()}
    listed = ", ".join(f"{name} ({count:,})" for name, count in sizes.items())
    if place.split:
        try:
            count = builder.info.splits[place.split].num_examples
        except (ValueError, KeyError, AttributeError, AssertionError, TypeError) as error:
            base = place.split.partition("[")[0]
            what = f"{place.split!r} cannot be taken of {base!r}" if base in sizes else f"no split {place.split!r}"
            end = f". Give a slice within these examples, such as {base}[:{sizes[base]}]" if base in sizes else ""
            raise DataError(f"{place.root}: {what}; there are {listed}{end}") from error
        # "train[5:3]" counts -2
        if count <= 0:
            raise DataError(f"{place.root}: the split {place.split!r} holds no example; there are {listed}")
        return {place.split: "train"}
    sides = {name: SPLIT_FOLDERS[name] for name, count in sizes.items() if name in SPLIT_FOLDERS and count}
    if not sides and len(sizes) == 1:
        sides = dict.fromkeys(sizes, "train")
    if "train" not in sides.values():
        raise DataError(f"{place.root}: no split called train; name one, as in tfds:NAME:SPLIT. There are {listed}")
    notes += [f"split {name} is not used" for name in sizes if name not in sides]
    return sides


def _read(builder: tfds.core.DatasetBuilder, split: str, image: str, max_bytes: int) -> Sequence:
    """Return the examples of a split with their pictures as bytes: read when asked for, or at once where it must be."""
    decoders = {image: tfds.decode.SkipDecoding()}
    try:
        return builder.as_data_source(split=split, decoders=decoders)
    except NotImplementedError:
        pass  # TFRecord files can only be read from their beginning
    config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    found, total = [], 0
    for example in tfds.as_numpy(
        builder.as_dataset(split=split, decoders=decoders, shuffle_files=False, read_config=config)
    ):
        total += len(example[image]) + sum(value.nbytes for value in example.values() if isinstance(value, np.generic))
        if total > max_bytes:
            raise DataError(
                f"split {split} holds over {max_bytes:,} bytes of pictures, and its files cannot be read one by one. "
                f"Prepare it with file_format=array_record, or raise the limit with --set max_array_bytes=…"
            )
        found.append(example)
    return found
