"""How long each part of a run took; a part within another counts for itself alone."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Seconds by part, in the order in which the parts began.

    Example:
        >>> clock = Clock()
        >>> with clock("read"):
        ...     pass
        >>> list(clock.seconds)
        ['read']
    """

    def __init__(self):
        self.seconds: dict[str, float] = {}
        self._within: list[float] = [0.0]

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Add the time of a block to a part, but for the time of blocks within it that are timed too."""
        self.seconds.setdefault(part, 0.0)
        self._within.append(0.0)
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            inside = self._within.pop()
            self._within[-1] += spent
            self.seconds[part] = round(self.seconds[part] + spent - inside, 3)
