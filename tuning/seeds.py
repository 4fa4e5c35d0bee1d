"""Seeds of trials: each its own, and all of them a function of the study's."""

import hashlib


def trial_seed(study_seed: int, number: int, repeat: int = 0) -> int:
    """Return the seed of a trial, in [0, 2**32)."""
    digest = hashlib.sha256(f"{study_seed}/{number}/{repeat}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
