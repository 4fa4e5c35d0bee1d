"""Mutates small good weight files and feeds them to the readers: only arrays or a ModelFileError may come out.

    python benchmarks/fuzz_weight_files.py --count 20000 --seed 0

Every mutant is a pure function of (kind, seed, index). Half of the zip mutants are damaged inside the pickle and packed
again with right checksums, and half of the safetensors mutants inside the header with a right length, so that the
damage reaches the parsers; `fuzz_keras_files.py` says how the files of Keras are damaged. Each mutant may take a second
of the processor and 200 MB. A failure prints what to repeat; `--first INDEX --count 1` repeats one. Linux only: memory
stands in /proc.
"""

import argparse
import gc
import io
import random
import struct
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.numpy

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import fuzz_keras_files  # noqa: E402  the script runs from a checkout too

from zoo.errors import ModelFileError  # noqa: E402
from zoo.weights.safetensors_file import read_safetensors  # noqa: E402
from zoo.weights.torch_file import read_torch_file  # noqa: E402

FIXTURES = Path(__file__).resolve().parents[1] / "tests/zoo/weights/fixtures"
KERAS_KINDS = ("keras", "h5")
KINDS = ("legacy", "zip", "safetensors", *KERAS_KINDS)
MOST_BYTES = 200 * 2**20
# Opcodes of pickle that a mutant gets in place of another byte: the accepted ones and the dangerous ones.
OPCODES = b"(.0123FIJKLMNPQRSTUVX]abcdeghijlopqrstu}\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8c\x8d\x92\x93\x94\x95"
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
WORDS = (
    b"0",
    b"-1",
    b"1e999",
    b"9" * 19,
    b"9" * 400,
    b"null",
    b"NaN",
    b"[",
    b"{",
    b'"',
    b"[[[[",
    b'"BF16"',
    b'"F8_E4M3"',
)


def main() -> None:
    """Run the mutants of each kind and print the figures; exit code 1 when one did what it must not."""
    options = _options()
    failures = 0
    for kind in KINDS if options.kind == "all" else (options.kind,):
        failures += fuzz(kind, options.count, options.seed, options.first, options.most_seconds)
    sys.exit(1 if failures else 0)


def fuzz(kind: str, count: int, seed: int, first: int, most_seconds: float) -> int:
    """Feed `count` mutants of one kind to its reader, print the figures and return how many failed."""
    seeds, read = _seeds(kind), _reader(kind)
    outcomes: Counter[str] = Counter()
    slowest, slowest_index, most, most_index = 0.0, first, 0, first
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutant"
        for good in seeds:
            path.write_bytes(good)
            read(path)
        for index in range(first, first + count):
            path.write_bytes(mutant(kind, seeds, seed, index))
            if index % 500 == 0:
                gc.collect()  # what thousands of models leave is no fault of the one that is on
            before = _rss_from_now()
            start = time.process_time()  # of all threads, and whatever else the machine does
            outcome = _outcome(kind, read, path)
            seconds = time.process_time() - start
            num_bytes = _peak_rss() - before
            if seconds > slowest:
                slowest, slowest_index = seconds, index
            if num_bytes > most:
                most, most_index = num_bytes, index
            if seconds > most_seconds or num_bytes > MOST_BYTES:
                outcome = "FAILED over the limit of time or memory"
            outcomes[outcome] += 1
            if outcome.startswith("FAILED"):
                print(f"{kind} --seed {seed} --first {index}: {outcome} ({seconds:.2f} s)", file=sys.stderr, flush=True)
    listing = ", ".join(f"{number} {name}" for name, number in outcomes.most_common())
    print(
        f"{kind}: {count} mutants, {listing}; slowest {1000 * slowest:.1f} ms (index {slowest_index}); "
        f"most memory {most / 2**20:.1f} MiB (index {most_index})",
        flush=True,
    )
    return sum(number for name, number in outcomes.items() if name.startswith("FAILED"))


def mutant(kind: str, seeds: list[bytes], seed: int, index: int) -> bytes:
    """Return one damaged file."""
    rng = random.Random(f"{kind} {seed} {index}")
    good = rng.choice(seeds)
    if rng.random() < 0.5:
        return _damaged(rng, good, seeds)
    if kind in KERAS_KINDS:
        return fuzz_keras_files.inside(kind, rng, good, lambda rng, data: _damaged(rng, data, seeds))
    if kind == "zip":
        return _with_pickle(good, lambda pickle: _damaged(rng, pickle, seeds))
    if kind == "safetensors":
        size = struct.unpack("<Q", good[:8])[0]
        header = _damaged(rng, good[8 : 8 + size], seeds)
        return struct.pack("<Q", len(header)) + header + good[8 + size :]
    return _damaged(rng, good[:900], seeds) + good[900:]  # mostly the pickles


def _damaged(rng: random.Random, data: bytes, seeds: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        rng.choice(_DAMAGES)(rng, changed, seeds)
    return bytes(changed)


def _flip(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _insert(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    place = rng.randint(0, len(data))
    data[place:place] = rng.choice((rng.randbytes(rng.randint(1, 9)), rng.choice(WORDS)))


def _cut(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    place = rng.randint(0, len(data))
    del data[place : rng.choice((place + rng.randint(1, 40), len(data)))]


def _splice(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    other = rng.choice((bytes(data), rng.choice(seeds)))
    start = rng.randint(0, len(other))
    place = rng.randint(0, len(data))
    piece = other[start : start + rng.randint(1, 200)]
    data[place : place + rng.choice((0, len(piece)))] = piece


def _swap_opcode(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice(OPCODES)


def _set_extreme(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    size = rng.choice((1, 2, 4, 8))
    place = rng.randint(0, len(data))
    data[place : place + size] = (rng.choice(EXTREMES) % 2 ** (8 * size)).to_bytes(size, "little")


def _repeat(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    place = rng.randint(0, len(data))
    data[place:place] = bytes(data[place : place + rng.randint(1, 30)]) * rng.choice((2, 50, 1000))


_DAMAGES: tuple[Callable[[random.Random, bytearray, list[bytes]], None], ...] = (
    _flip,
    _insert,
    _cut,
    _splice,
    _swap_opcode,
    _set_extreme,
    _repeat,
)


def _reader(kind: str) -> Callable[[Path], dict[str, np.ndarray]]:
    if kind in KERAS_KINDS:
        return fuzz_keras_files.reader(kind)
    return read_safetensors if kind == "safetensors" else read_torch_file


def _seeds(kind: str) -> list[bytes]:
    if kind in KERAS_KINDS:
        return fuzz_keras_files.seeds(kind)
    if kind != "safetensors":
        return [path.read_bytes() for path in sorted(FIXTURES.glob(f"*_{kind}.pth")) if "refused" not in path.name]
    arrays = {
        "w": np.ones((2, 3), "<f4"),
        "b": np.arange(3, dtype="<i8"),
        "on": np.array([True]),
        "h": np.ones(2, "<f2"),
    }
    header = b'{"x":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]},"__metadata__":{"format":"pt"}}'
    return [safetensors.numpy.save(arrays), struct.pack("<Q", len(header)) + header + b"\x80?\x00@"]


def _with_pickle(good: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return a zip archive with a changed data.pkl and right checksums."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name.endswith("data.pkl") else data)
    return buffer.getvalue()


def _outcome(kind: str, read: Callable[[Path], dict[str, np.ndarray]], path: Path) -> str:
    try:
        for array in read(path).values():
            array = array.copy()  # touches every number that the array claims to have
            if kind in KERAS_KINDS and array.dtype.kind == "f" and not np.isfinite(array).all():
                return "FAILED with numbers that are not finite"
    except ModelFileError as error:
        return "refused" if str(error).startswith(str(path)) else f"FAILED without the file's name: {error}"
    except Exception as error:  # noqa: BLE001  whatever else comes out is what this script is looking for
        return f"FAILED {type(error).__name__}: {str(error)[:200]}"
    return "read"


def _rss_from_now() -> int:
    """Return the bytes of memory that this process holds, and count its peak anew from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_rss()


def _peak_rss() -> int:
    """Return the most bytes of memory that this process has held."""
    return 1024 * int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("all", *KINDS), default="all")
    parser.add_argument("--count", type=int, default=20000, help="mutants of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="index of the first mutant")
    parser.add_argument("--most-seconds", type=float, default=1.0, help="a mutant that takes longer has failed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
