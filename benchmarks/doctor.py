"""How fast `finetune doctor` is, and whether it finds planted faults and invents none: python benchmarks/doctor.py."""

import argparse
import io
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from finetune.config import make_config
from finetune.doctor import diagnose
from finetune.progress import Reporter

CLASSES = ("ant", "bee", "cat", "dog", "elk")
SIDE, FAULTS = 64, 20


def picture(seed: int) -> Image.Image:
    """Return a picture of its own: smooth colours with an edge or two."""
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 256, (5, 5, 3), dtype="uint8"))
    small = coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    x, y, w, h = draw.integers(0, SIDE // 2, 4)
    small.paste(tuple(int(value) for value in draw.integers(0, 256, 3)), (x, y, x + w + 8, y + h + 8))
    return small.filter(ImageFilter.SMOOTH)


def write(path: Path, image: Image.Image, **options: object) -> bytes:
    """Write a picture; return its bytes."""
    stream = io.BytesIO()
    image.save(stream, "JPEG" if path.suffix == ".jpg" else "PNG", **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream.getvalue())
    return stream.getvalue()


def plant(root: Path, count: int) -> None:
    """Write a data set with ready-made sides and four kinds of faults.

    Broken files, equal files with two labels on one side, equal files on two sides, and copies on two sides that differ
    by their encoding alone.
    """
    sides = ("train",) * 8 + ("validation", "test")
    for index in range(count):
        write(root / sides[index % 10] / CLASSES[index // 10 % 5] / f"{index:05}.png", picture(index))
    for index in range(FAULTS):
        (root / "train" / "ant" / f"bad{index}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(index))
        own = CLASSES[index % 5]
        write(root / "train" / CLASSES[(index + 1) % 5] / f"conflict{index}.png", picture(10 * index + 1))
        write(root / "test" / own / f"leak{index}.png", picture(10 * index))
        write(root / "test" / CLASSES[(index + 100) % 5] / f"near{index}.jpg", picture(10 * index + 1002), quality=80)


def main() -> None:
    """Plant, examine, compare, and print what was found and how fast."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder, "data"), Path(folder, "cache")
        plant(root, options.count)
        clean = Path(folder, "clean")
        for index in range(options.count // 10):
            write(clean / CLASSES[index % 5] / f"{index}.png", picture(10**6 + index))
        for name, data in (("planted", root), ("clean", clean)):
            config = make_config({"data": str(data), "cache_dir": str(cache), "model": "efficientnet_lite0"})
            started = time.perf_counter()
            diagnosis = diagnose(config, Reporter(0))
            seconds = time.perf_counter() - started
            files = sum(path.is_file() for path in data.rglob("*"))
            print(f"{name}: {files:,} files in {seconds:.1f} s, {files / seconds:,.0f} a second")
            for finding in diagnosis.findings:
                print(f"  {finding.severity:8}{finding.check:34}{finding.count:>7}  {finding.message[:60]}")
        print(
            f"planted: {FAULTS} broken, {FAULTS} equal with two labels, {FAULTS} equal and {FAULTS} alike on two sides"
        )


if __name__ == "__main__":
    main()
