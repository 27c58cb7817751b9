"""How much an event loop lags behind: the longest that anything had to wait for its turn. Pure."""

from collections import deque

TICK_S = 0.25
"""How often to `LoopLag.tick`."""
WINDOW_S = 15.0
"""The longest wait of so long is told: a scrape a quarter of a minute later still sees it."""


class LoopLag:
    """To be told of ticks that were wanted every `TICK_S`."""

    def __init__(self, now: float) -> None:
        """``now``: monotonic seconds, as in `tick`; the first tick is due at once."""
        self._due = now
        self._waits: deque[tuple[float, float]] = deque()

    def tick(self, now: float) -> float:
        """A tick came. Returns when the next is due."""
        self._waits.append((now, max(now - self._due, 0.0)))
        while self._waits[0][0] < now - WINDOW_S:
            self._waits.popleft()
        self._due = now + TICK_S
        return self._due

    @property
    def lag_s(self) -> float:
        """The longest wait lately, in seconds."""
        return max((wait for _, wait in self._waits), default=0.0)
