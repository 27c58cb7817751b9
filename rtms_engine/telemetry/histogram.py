"""How often a duration was how long. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence


class Histogram:
    """Counts durations by upper bounds in seconds, as Prometheus wants them."""

    def __init__(self, bounds_s: Sequence[float], observed_s: Iterable[float] = ()) -> None:
        self.bounds_s = tuple(bounds_s)
        self._counts = [0] * (len(self.bounds_s) + 1)
        self.sum_s = 0.0
        for seconds in observed_s:
            self.observe(seconds)

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self.bounds_s, seconds)] += 1
        self.sum_s += seconds

    def __add__(self, other: "Histogram") -> "Histogram":
        both = Histogram(self.bounds_s)
        both._counts = [a + b for a, b in zip(self._counts, other._counts, strict=True)]
        both.sum_s = self.sum_s + other.sum_s
        return both

    def buckets(self) -> list[tuple[str, float]]:
        """Every bound and how many were at most so long; the last is ``+Inf``."""
        total, found = 0, []
        for bound, count in zip([*map(str, self.bounds_s), "+Inf"], self._counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found
