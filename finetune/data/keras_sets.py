"""The data sets of keras.datasets by name, from copies on this machine; nothing is fetched."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.arrays import Arrays, Part
from finetune.data.cifar_file import read_cifar_batch
from finetune.data.idx_file import read_idx
from finetune.data.npz_file import npz_arrays, read_npz
from finetune.settings.data import KERAS
from zoo.errors import DataError, nearest

# Keras' own cache, and where Debian's packages of data sets lie.
_FOLDERS = ("~/.keras/datasets", "/usr/share/datasets")
# How Keras shuffles and cuts the two tables of houses: keras/src/datasets/boston_housing.py
_SEED, _TRAIN_SHARE = 113, 0.8
_TEXTS = ("imdb", "reuters")

_DIGITS = tuple("0123456789")
_CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag"),
    "Ankle boot",
)
_THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_HUNDRED = tuple(
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
    "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
    "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster "
    "man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
    "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk "
    "skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger "
    "tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm".split()
)
_BOSTON = ("CRIM", "ZN", "INDUS", "CHAS", "NOX", "RM", "AGE", "DIS", "RAD", "TAX", "PTRATIO", "B", "LSTAT")
_CALIFORNIA = (
    *("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude"),
    "Longitude",
)


@dataclass(frozen=True)
class KerasSet:
    """One data set.

    Attributes:
        files: where it lies in one of the folders, the first that is there is read.
        read: from a file or folder and the limit in bytes to its arrays.
        class_names: by number, as its publisher calls them.
        column_names: of its features.
        target_name: what is predicted, where that is a number.
    """

    files: tuple[str, ...]
    read: Callable[[Path, int], Arrays]
    class_names: tuple[str, ...] = ()
    column_names: tuple[str, ...] = ()
    target_name: str = "y"


def keras_arrays(config: FinetuneConfig) -> Arrays:
    """Return the arrays of `keras:NAME`, split as Keras splits them.

    Raises:
        DataError: the name is unknown, the data set is of texts, or no copy is at hand.
    """
    name = config.data.removeprefix(KERAS)
    if name in _TEXTS:
        raise DataError(
            f"keras:{name} holds texts as sequences of word numbers, which no model here takes. Make a table of them: "
            f"x[i, word] = 1 for each of the most frequent words (load_data(num_words=2000)) that text i has, then "
            f"np.savez('{name}.npz', x=x, y=y) and finetune fit {name}.npz"
        )
    if name not in SETS:
        near = nearest(name, (*SETS, *_TEXTS))
        raise DataError(f"keras.datasets has no {name!r}; known are {', '.join(SETS)}.{near}")
    row = SETS[name]
    folders = [config.datasets_dir] if config.datasets_dir else _FOLDERS
    places = [Path(folder).expanduser() / file for folder in folders for file in row.files]
    place = next((place for place in places if place.exists()), None)
    if place is None:
        raise DataError(
            f"keras:{name} is not on this machine, and nothing is fetched. Where there is a network, "
            f"`python -c 'import keras; keras.datasets.{name}.load_data()'` brings it to {places[0]}; copy that, and "
            f"name another folder with --set datasets_dir=FOLDER"
        )
    arrays = row.read(place, config.max_array_bytes)
    known = {"class_names": row.class_names, "column_names": row.column_names, "target_name": row.target_name}
    notes = (*arrays.notes, f"read from {place}", "split as Keras does")
    return replace(arrays, root=config.data, notes=notes, **known)


def _idx(folder: Path, max_bytes: int) -> Arrays:
    parts = []
    for side, stem in (("train", "train"), ("test", "t10k")):
        x = read_idx(folder / f"{stem}-images-idx3-ubyte.gz", max_bytes=max_bytes)
        y = read_idx(folder / f"{stem}-labels-idx1-ubyte.gz", max_bytes=max_bytes)
        parts.append(Part(side, side, x, y))
    return Arrays(str(folder), tuple(parts))


def _npz(path: Path, max_bytes: int) -> Arrays:
    if path.is_dir():
        return _idx(path, max_bytes)
    arrays = npz_arrays(str(path), max_bytes=max_bytes)
    return replace(arrays, parts=tuple(replace(part, name=part.side or part.name) for part in arrays.parts))


def _houses(path: Path, max_bytes: int) -> Arrays:
    found = read_npz(str(path), max_bytes=max_bytes)
    if not {"x", "y"} <= found.keys() or len(found["x"]) != len(found["y"]):
        raise DataError(f"{path}: expected are the arrays x and y of one length; it has {', '.join(found)}")
    order = np.arange(len(found["x"]))
    np.random.RandomState(_SEED).shuffle(order)
    cut = int(len(order) * _TRAIN_SHARE)
    sides = {"train": order[:cut], "test": order[cut:]}
    return Arrays(str(path), tuple(Part(side, side, found["x"][at], found["y"][at]) for side, at in sides.items()))


def _cifar10(folder: Path, max_bytes: int) -> Arrays:
    batches = [folder / f"data_batch_{number}" for number in range(1, 6)]
    read = [read_cifar_batch(path, labels="labels", max_bytes=max_bytes) for path in batches]
    x, y = (np.concatenate(arrays) for arrays in zip(*read, strict=True))
    test = read_cifar_batch(folder / "test_batch", labels="labels", max_bytes=max_bytes)
    return Arrays(str(folder), (Part("train", "train", x, y), Part("test", "test", *test)))


def _cifar100(folder: Path, max_bytes: int) -> Arrays:
    read = {
        side: read_cifar_batch(folder / side, labels="fine_labels", max_bytes=max_bytes) for side in ("train", "test")
    }
    return Arrays(str(folder), tuple(Part(side, side, *arrays) for side, arrays in read.items()))


SETS = {
    "mnist": KerasSet(("mnist.npz", "mnist"), _npz, _DIGITS),
    "fashion_mnist": KerasSet(("fashion-mnist",), _idx, _CLOTHES),
    "cifar10": KerasSet(("cifar-10-batches-py-target/cifar-10-batches-py", "cifar-10-batches-py"), _cifar10, _THINGS),
    "cifar100": KerasSet(("cifar-100-python-target/cifar-100-python", "cifar-100-python"), _cifar100, _HUNDRED),
    "boston_housing": KerasSet(("boston_housing.npz",), _houses, (), _BOSTON, "MEDV"),
    "california_housing": KerasSet(("california_housing.npz",), _houses, (), _CALIFORNIA, "MedHouseVal"),
}
