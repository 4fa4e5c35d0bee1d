"""One file gives one input, bit for bit, whichever way it goes to a model: training, prediction or evaluation."""

import json
from dataclasses import asdict

import numpy as np
import picture_files as make
import pytest
from PIL import Image

from finetune.data.batches import image_batches
from finetune.data.folder import scan_folder
from finetune.data.images import ImageLimits
from finetune.run import Run
from zoo.spec import RESIZE_MODES, Preprocessing

pytestmark = pytest.mark.keras

BATCH_SIZE = 4


def sixteen_bits(colour: int, channels: int) -> bytes:
    """Encode 30 x 20 samples of 16 bits as PNG."""
    samples = np.random.default_rng(0).integers(0, 2**16, (20, 30 * channels)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in samples)
    return make.png_file(30, 20, depth=16, colour=colour, rows=rows)


def kinds_of_files() -> dict[str, bytes]:
    """Give a file of every kind that decoders disagree on, none of them square."""
    picture = Image.fromarray(make.pixels(1, 20, 30))
    transparent = picture.copy()
    transparent.putalpha(Image.fromarray(make.pixels(2, 20, 30)[..., 0]))
    palette = picture.quantize(16)
    files = {
        "cmyk.jpg": make.encode(picture.convert("CMYK"), "JPEG"),
        "grey16.png": sixteen_bits(0, 1),
        "colour16.png": sixteen_bits(2, 3),
        "grey16.tiff": make.encode(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 109), "TIFF"),
        "palette.png": make.encode(palette),
        "palette_transparent.png": make.encode(palette, transparency=3),
        "palette_alphas.png": make.encode(palette, transparency=bytes(range(0, 256, 16))),
        "rgba.png": make.encode(transparent),
        "rgba.webp": make.encode(transparent, "WEBP"),
        "grey_alpha.png": make.encode(transparent.convert("LA")),
        "one_bit.png": make.encode(picture.convert("1")),
        "animated.gif": make.animation("GIF", 3),
        "animated.webp": make.animation("WEBP", 3),
        "animated.png": make.animation("PNG", 3),
    }
    for turn in range(2, 9):
        files[f"turned{turn}.jpg"] = make.encode(picture, "JPEG", exif=make.exif(turn))
    return files


class Spy:
    """Stands for a model of two classes, and keeps what it is given."""

    def __init__(self):
        self.batches = []

    def predict_on_batch(self, batch: np.ndarray) -> np.ndarray:
        """Keep the batch and answer the first class."""
        self.batches.append(np.array(batch))
        return np.tile(np.float32([0.9, 0.1]), (len(batch), 1))

    def seen(self, count: int) -> np.ndarray:
        """Give the first `count` pictures, and forget all; the rest fills up the last batch."""
        pictures, self.batches = np.concatenate(self.batches), []
        assert not pictures[count:].any()
        return pictures[:count]


@pytest.fixture(params=RESIZE_MODES)
def run(request, tmp_path):
    """A run whose model only looks; its data are the files of every kind."""
    make.write_files(
        tmp_path / "data", {f"{'ab'[i % 2]}/{name}": data for i, (name, data) in enumerate(kinds_of_files().items())}
    )
    row = Preprocessing(24, (123.675, 116.28, 103.53), (58.0, 57.0, 57.0), "bilinear", 0.875, request.param)
    config = {"data": str(tmp_path / "data"), "cache_dir": str(tmp_path / "cache"), "batch_size": BATCH_SIZE}
    card = {"format": 1, "task": "classification", "class_names": ["a", "b"], "preprocessing": asdict(row)}
    contents = {"config": config, "model": card, "data": {"fingerprint": "of other data"}}
    files = {f"run/{name}.json": json.dumps(content).encode() for name, content in contents.items()}
    make.write_files(tmp_path, files | {"run/DONE": b""})
    opened = Run(tmp_path / "run")
    opened.__dict__["model"] = Spy()
    return opened


def test_training_prediction_and_evaluation_see_the_same_pixels(run):
    """CMYK, 16 bits, palettes, transparency, EXIF turns and animations are decoded one way only."""
    examples = scan_folder(run.config.data)
    count = len(kinds_of_files())
    options = {"batch_size": BATCH_SIZE, "threads": 2, "limits": ImageLimits()}
    trained = np.concatenate(list(image_batches(examples, range(count), run.preprocessing, **options)))
    answers = run.predict([f"{examples.root}/{file}" for file in examples.files], batch_size=BATCH_SIZE)
    predicted = run.model.seen(count)
    assert run.evaluate()["num_examples"] == count
    evaluated = run.model.seen(count)
    assert [answer.error for answer in answers] == [None] * count and trained.dtype == predicted.dtype == np.uint8
    different = [
        file
        for file, *pictures in zip(examples.files, trained, predicted, evaluated, strict=True)
        if len({picture.tobytes() for picture in pictures}) > 1
    ]
    assert not different and trained.std(axis=(1, 2, 3)).min() > 1
