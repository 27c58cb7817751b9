"""How much of a core a process uses. Pure."""

from collections import deque

WINDOW_S = 5.0


class Load:
    """To be told now and then how much time a processor has spent."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()

    def note(self, now: float, used_s: float) -> None:
        """``now``: monotonic seconds; ``used_s``: of processor time, ever."""
        self._samples.append((now, used_s))
        while self._samples[0][0] < now - WINDOW_S:
            self._samples.popleft()

    @property
    def share(self) -> float:
        """Of one core, lately: 1.0 is all of it."""
        if not self._samples:
            return 0.0
        (since, before), (until, used_s) = self._samples[0], self._samples[-1]
        return (used_s - before) / (until - since) if until > since else 0.0
