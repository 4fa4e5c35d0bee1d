"""Where a run happened: versions, machine and time, for environment.json."""

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path

_PACKAGES = ("keras-graft", "keras", "tensorflow", "numpy", "pillow", "scikit-learn")


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
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "packages": versions,
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
