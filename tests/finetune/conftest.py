"""One small finished run on real weights, made once and shared by all tests that only read it."""

import colorsys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SETTINGS = {"model": "efficientnet_lite0", "image_size": 32, "epochs": 8, "batch_size": 8, "learning_rate": 0.01}


def make_pictures(root: Path, per_class: int = 10, classes: tuple[str, ...] = ("blue", "green", "red")) -> Path:
    """Write class folders of plain noisy pictures whose colour tells the class."""
    generator = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        colour = 200 * np.array(colorsys.hsv_to_rgb(number / len(classes), 1, 1))
        for index in range(per_class):
            pixels = colour + generator.integers(0, 56, (40, 48, 3))
            Image.fromarray(pixels.astype("uint8")).save(root / name / f"{index}.png")
    return root


@pytest.fixture
def pictures(tmp_path):
    """A fresh folder of three classes with ten pictures each."""
    return make_pictures(tmp_path / "pictures")


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """A finished run on thirty small pictures."""
    import finetune

    folder = tmp_path_factory.mktemp("small")
    make_pictures(folder / "pictures")
    settings = SETTINGS | {"cache_dir": folder / "cache", "run_dir": folder / "run"}
    return finetune.fit(folder / "pictures", verbose=0, **settings)
