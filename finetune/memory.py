"""Memory of the process: how much it took at most, and giving back what is free."""

import ctypes
import resource
import sys


def peak_rss_bytes() -> int:
    """Return the most memory that the process held at any time, in bytes."""
    # ru_maxrss is in kilobytes on Linux and in bytes on macOS
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def give_back_memory() -> None:
    """Hand free memory back to the system; after many files were checked it is hundreds of bytes for each of them.

    The C library of Linux keeps what Python frees unless it lies at the very end of its heap.
    """
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
        if trim:
            trim(0)
