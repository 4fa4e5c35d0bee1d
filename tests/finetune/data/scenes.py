"""Pictures with something in them, no two alike, and their copies: for the tests of what facts say of a data set."""

from pathlib import Path

import numpy as np
import picture_files as make
from PIL import Image

from finetune.data.images import open_image
from finetune.data.picture_facts import facts_of, table_of

FASHION = Path(__file__).parents[3] / "data" / "fashion-mini"


def scene(seed: int, width: int = 160, height: int = 120) -> Image.Image:
    """Draw coloured clouds of several sizes."""
    generator = np.random.default_rng(seed)
    layers = [generator.normal(0, 1, (size, size, 3)) * 160 / size for size in (3, 6, 12, 24)]
    pixels = 128 + sum(
        np.stack(
            [np.asarray(Image.fromarray(layer[..., c].astype("float32")).resize((width, height))) for c in range(3)], 2
        )
        for layer in layers
    )
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def clothes(count: int) -> list[Image.Image]:
    """Give pictures of the sample set, as many of each class as of another."""
    folders = sorted(folder for folder in FASHION.iterdir() if folder.is_dir())
    return [open_image(path) for folder in folders for path in sorted(folder.iterdir())[: count // len(folders)]]


def encoded(image: Image.Image, quality: int = 75) -> Image.Image:
    """Encode as JPEG and decode again."""
    return open_image(make.encode(image, "JPEG", quality=quality))


def table(*images: Image.Image) -> np.ndarray:
    """Give the facts of pictures."""
    return table_of(map(facts_of, images), len(images))
