"""Where a run happened: versions, machine and time, for environment.json."""

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path

_PACKAGES = ("keras-graft", "keras", "tensorflow", "numpy", "pillow", "scikit-learn", "openvino")
_CPU = Path("/proc/cpuinfo")


def environment() -> dict[str, object]:
    """Return the versions of what computes, the machine, and the time in UTC."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "packages": versions,
    }


def cpu_flags() -> frozenset[str] | None:
    """Return the processor's features by the names that Linux gives them, or None where it does not tell."""
    found = _cpu_lines("flags") or _cpu_lines("Features")
    return frozenset(found[0].split()) if found else None


def _cpu_lines(name: str) -> list[str]:
    try:
        lines = _CPU.read_text().splitlines()
    except OSError:
        lines = []
    return [line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name]


def cpu_name() -> str:
    """Return what the CPU calls itself."""
    names = _cpu_lines("model name")
    return names[0] if names else platform.processor() or platform.machine()
