"""Small class folders that a model can learn in seconds, and the settings that do it."""

import colorsys
from pathlib import Path

import keras
import numpy as np
from PIL import Image

SETTINGS = {"model": "efficientnet_lite0", "image_size": 32, "epochs": 8, "batch_size": 8, "learning_rate": 0.01}


def make_pictures(
    root: Path, per_class: int = 10, classes: tuple[str, ...] = ("blue", "green", "red"), seed: int = 0
) -> Path:
    """Write class folders of plain noisy pictures whose colour tells the class."""
    generator = np.random.default_rng(seed)
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        colour = 200 * np.array(colorsys.hsv_to_rgb(number / len(classes), 1, 1))
        for index in range(per_class):
            pixels = colour + generator.integers(0, 56, (40, 48, 3))
            Image.fromarray(pixels.astype("uint8")).save(root / name / f"{index}.png")
    return root


def save_backbone(path: Path) -> None:
    """Save a network of three stages; its last drops at random, by a seed that nobody gave."""
    inputs = x = keras.Input((32, 32, 3))
    for number, filters in enumerate((4, 8, 8), start=1):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = keras.layers.BatchNormalization(name=f"norm{number}")(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)
    x = keras.layers.Dropout(0.3, name="dropped")(x)
    keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x))).save(path)
