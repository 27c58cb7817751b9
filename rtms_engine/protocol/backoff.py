"""How long to wait before trying again (V1.md §7)."""

from collections.abc import Callable

TRANSIENT_DELAYS_S = (1.5, 3.0, 6.0)
"""After a status that says "you are still connected" (V1.md §3.4)."""


def backoff_s(attempt: int, random: Callable[[], float]) -> float:
    """Seconds before attempt number ``attempt`` (0, 1, 2 …): 3, 6, 12, 24, 30, 30 …

    ``random`` gives a number in [0, 1); the jitter is up to 10 % and only shortens the wait, so that
    the attempts still fit into Zoom's window (V1.md §7.2).
    """
    longest: float = min(3.0 * 2 ** min(attempt, 10), 30.0)
    return longest * (1.0 - 0.1 * random())
