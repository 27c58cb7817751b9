"""Say often-repeated things once a second, with their sum.

Pure: time is handed in, and nothing is written here. Who counts also speaks::

    if (dropped := throttle.note(1, now)) is not None:
        log.warning("FramesDropped", count=dropped)

The first note after a quiet period speaks at once; what follows within the period is held back. It
is spoken with the next note after `deadline`, or by `flush`, called at that deadline or at the end.
"""

import math


class Throttle:
    """Adds up what is noted and lets the sum through once per period.

    Args:
        period_s: the shortest time between two sums, in seconds.
    """

    def __init__(self, period_s: float = 1.0) -> None:
        self._period_s = period_s
        self._held = 0
        self._quiet_until = -math.inf

    def __repr__(self) -> str:
        return f"<Throttle held={self._held} until={self._quiet_until}>"

    def note(self, n: int, now: float) -> int | None:
        """Count ``n`` more at ``now`` (monotonic seconds).

        Returns:
            The sum to speak now, or None while it is held back.
        """
        self._held += n
        if now < self._quiet_until:
            return None
        self._quiet_until = now + self._period_s
        return self.flush()

    def deadline(self) -> float | None:
        """When the held sum should be flushed, in monotonic seconds; None if nothing is held."""
        return self._quiet_until if self._held else None

    def flush(self) -> int | None:
        """The held sum, to be spoken whatever the time; None if nothing is held."""
        held, self._held = self._held, 0
        return held or None
