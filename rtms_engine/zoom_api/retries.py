"""How long to wait before a call is made again. Pure."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..errors import ZoomApiError

BACKOFF_S = (1.0, 2.0, 4.0, 8.0)
"""Waits between the five tries of a call; each is shortened by up to half, by chance, so that many
streams that ended together do not come back together."""
LONGEST_WAIT_S = 60.0
"""A call that Zoom wants to hear only later than this is given up."""


def waits(random: Callable[[], float]) -> Iterator[float]:
    """The waits of one call; ``random`` gives numbers in [0, 1)."""
    return (wait_s * (1 - random() / 2) for wait_s in BACKOFF_S)


def wait_after(error: ZoomApiError, backoff_s: float | None) -> float | None:
    """Seconds to wait before the next try; None if there is to be none.

    Args:
        error: why the last one failed.
        backoff_s: the next of `waits`; None after the last.
    """
    if backoff_s is None or not error.is_retryable:
        return None
    wait_s = max(backoff_s, error.retry_after_s or 0.0)
    return wait_s if wait_s <= LONGEST_WAIT_S else None


def retry_after_s(header: str | None, now_s: float) -> float | None:
    """``Retry-After`` in seconds from now: a number, a date of HTTP, or an ISO date as Zoom sends it.

    Args:
        header: as it came.
        now_s: Unix seconds.
    """
    if not header:
        return None
    if header.isdecimal():
        return float(header)
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(header)
        except ValueError:
            continue
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - now_s)
    return None
