"""How long a photo takes to be decoded for a network of 224 px: at the size that is enough, and fully.

    python benchmarks/decoding.py [--rounds 7] [--photos 8]

Then the same for pictures that are decoded fully, in colour and in grey, which stays in one channel until it has its
size.

Photos are cut and enlarged out of scikit-learn's two sample photos, with grain of six levels, as JPEG files of quality
90. Both ways take each photo in turn, in one thread, and both make the same square of it. How much the squares differ
is in levels of 255; the cosine is of EfficientNet-Lite0's features of both, the least of all photos.
"""

import argparse
import io
import statistics
from collections.abc import Callable

import numpy as np
from machine import in_turn, print_machine, ratios_to, seconds_of
from PIL import Image
from sklearn.datasets import load_sample_images

from finetune.config import make_config
from finetune.data.images import open_image, read_square
from finetune.data.resize import square
from finetune.transfer.agreement import agreement
from finetune.transfer.trunk import build_trunk
from zoo.spec import Preprocessing

SIZES = ((500, 375), (1000, 750), (2000, 1500), (4000, 3000))


def photo(number: int, size: tuple[int, int]) -> bytes:
    """Return the bytes of a JPEG file; each number gives another photo."""
    rng = np.random.default_rng(number)
    whole = Image.fromarray(load_sample_images().images[number % 2])
    width = int(rng.integers(400, 560))
    height = width * 3 // 4
    left, top = int(rng.integers(0, 641 - width)), int(rng.integers(0, 428 - height))
    part = whole.crop((left, top, left + width, top + height))
    pixels = np.asarray(part.resize(size, Image.Resampling.BICUBIC), int) + rng.integers(-6, 7, (*size[::-1], 3))
    stream = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype("uint8")).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def print_small(rounds: int) -> None:
    """Print how long small pictures take, beside resizing in colour."""
    colour, rng = Image.open(io.BytesIO(photo(0, (500, 375)))), np.random.default_rng(0)
    tiny = Image.fromarray(rng.integers(0, 256, (28, 28), dtype="uint8"))
    preprocessing = Preprocessing(224, (0.0,) * 3, (1.0,) * 3)
    kinds = {"colour, 500 x 375": colour, "grey, 500 x 375": colour.convert("L"), "grey, 28 x 28": tiny}
    print("\n| JPEG | resized in colour, ms | ours, ms | ratio |\n|---|---|---|---|")
    for name, image in kinds.items():
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=90)
        data = stream.getvalue()
        ways = {
            "in colour": lambda data=data: square(open_image(data), preprocessing),
            "ours": lambda data=data: read_square(data, preprocessing),
        }
        if not np.array_equal(*(way() for way in ways.values())):
            raise SystemExit(f"{name}: the squares differ")
        times = {way: lambda run=run: seconds_of(lambda: [run() for _ in range(50)]) / 50 for way, run in ways.items()}
        found = in_turn(times, rounds)
        before, now = (1000 * statistics.median(seconds) for seconds in found.values())
        print(f"| {name} | {before:.2f} | {now:.2f} | {statistics.median(ratios_to(*reversed(found.values()))):.1f} |")


def main() -> None:
    """Print machine and tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--photos", type=int, default=8)
    options = parser.parse_args()
    print_machine(("pillow",))
    trunk = build_trunk(make_config({"model": "efficientnet_lite0", "image_size": 224}))
    ways: dict[str, Callable[[bytes], np.ndarray]] = {
        "fully": lambda data: square(open_image(data), trunk.preprocessing),
        "as needed": lambda data: read_square(data, trunk.preprocessing),
    }
    print("\n| JPEG | fully, ms | as needed, ms | ratio | mean difference | largest | cosine of features |")
    print("|---|---|---|---|---|---|---|")
    for size in SIZES:
        photos = [photo(number, size) for number in range(options.photos)]
        whole, needed = (np.stack([way(data) for data in photos]) for way in ways.values())
        sides = {
            name: lambda way=way, photos=photos: seconds_of(lambda: [way(data) for data in photos]) / len(photos)
            for name, way in ways.items()
        }
        found = in_turn(sides, options.rounds)
        full, quick = (1000 * statistics.median(seconds) for seconds in found.values())
        ratios = ratios_to(found["as needed"], found["fully"])
        spread = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
        apart = np.abs(whole.astype(int) - needed)
        features = [np.asarray(trunk.model(squares, training=False)) for squares in (needed, whole)]
        cosine = agreement(*features, each=True)
        name, differences = f"{size[0]} x {size[1]}", f"{apart.mean():.2f} | {apart.max()}"
        print(f"| {name} | {full:.1f} | {quick:.1f} | {spread} | {differences} | {cosine:.4f} |")
    print_small(options.rounds)


if __name__ == "__main__":
    main()
