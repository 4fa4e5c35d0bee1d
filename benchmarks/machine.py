"""What every benchmark says first: machine, versions and load; and sides measured in turn, as a table in Markdown."""

import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from finetune.environment import cpu_flags, cpu_name

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8")
PACKAGES = ("tensorflow", "keras", "numpy", "openvino", "torch", "scikit-learn", "keras-tuner")


def print_machine(packages: Sequence[str] = PACKAGES) -> None:
    """Print system, processor, those of `packages` that are here, and how busy the machine is already."""
    flags, found = cpu_flags() or frozenset(), []
    for name in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            found.append(f"{name} {importlib.metadata.version(name)}")
    print(f"{platform.platform()}, Python {platform.python_version()}, {cpu_name()}, {os.cpu_count()} cores")
    print("CPU flags:", ", ".join(f"{flag} {'yes' if flag in flags else 'no'}" for flag in FLAGS))
    print(f"{', '.join(found)}; load {os.getloadavg()[0]:.1f} before", flush=True)


def seconds_of(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def in_turn(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return what each side gives in each round.

    One round has all sides one after the other, so that a noisy machine slows all of them; every second round goes
    backwards, so that none is always the one after the same other.
    """
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            found[name].append(sides[name]())
    return found


def ratios_to(seconds: Sequence[float], reference: Sequence[float]) -> list[float]:
    """Return how many times as long the reference took, round by round."""
    return [theirs / ours for ours, theirs in zip(seconds, reference, strict=True)]


def print_seconds(title: str, found: Mapping[str, Sequence[float]], reference: str, digits: int = 2) -> None:
    """Print medians, spread, and how many times as fast as `reference` each side is in the median round."""
    print(f"\n| {title} | median s | lowest-highest | times as fast as {reference} |\n|---|---|---|---|")
    for name, seconds in found.items():
        ratios = ratios_to(seconds, found[reference])
        spread = f"{min(seconds):.{digits}f}-{max(seconds):.{digits}f}"
        shown = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        print(f"| {name} | {statistics.median(seconds):.{digits}f} | {spread} | {shown} |", flush=True)
