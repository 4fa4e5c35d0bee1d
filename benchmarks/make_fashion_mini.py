"""Make data/fashion-mini: the first 100 pictures of each class of Fashion-MNIST's training set, as PNG.

    python benchmarks/make_fashion_mini.py [--target data/fashion-mini]

Reads the four idx files where Keras keeps them (~/.keras/datasets/fashion-mnist) or where Debian's package
dataset-fashion-mnist puts them; downloads nothing.
"""

import argparse
import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image

PLACES = (Path("~/.keras/datasets/fashion-mnist").expanduser(), Path("/usr/share/datasets/fashion-mnist"))
# The data set's own names, but for "T-shirt/top": a folder cannot hold a slash.
CLASS_NAMES = (
    *("T-shirt", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
PER_CLASS = 100


def read_idx(path: Path) -> np.ndarray:
    """Return the array of an idx.gz file (format: http://yann.lecun.com/exdb/mnist), uint8."""
    content = gzip.decompress(path.read_bytes())
    rank = content[3]
    shape = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def main() -> None:
    """Write the pictures, named by their index in the full training set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=Path, default=Path(__file__).parent.parent / "data" / "fashion-mini")
    target = parser.parse_args().target
    found = [place for place in PLACES if (place / "train-images-idx3-ubyte.gz").is_file()]
    if not found:
        places = ", ".join(map(str, PLACES))
        parser.error(f"Fashion-MNIST is in none of {places}: apt-get install dataset-fashion-mnist")
    pictures = read_idx(found[0] / "train-images-idx3-ubyte.gz")
    labels = read_idx(found[0] / "train-labels-idx1-ubyte.gz")
    for label, name in enumerate(CLASS_NAMES):
        folder = target / name
        folder.mkdir(parents=True, exist_ok=True)
        for index in np.flatnonzero(labels == label)[:PER_CLASS]:
            Image.fromarray(pictures[index]).save(folder / f"{index:05}.png", optimize=True)
    print(f"{PER_CLASS * len(CLASS_NAMES)} pictures in {target}")


if __name__ == "__main__":
    main()
