"""What follows a try to deliver a message. Pure.

The waits are those of Svix, and of Recall's webhooks: a receiver that is down for a day misses nothing.
"""

import enum
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

WAITS_S = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 36_000.0)
"""Before the second, third … eighth try, in seconds: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h."""
LONGEST_WAIT_S = 36_000.0
"""What a receiver may ask for with ``Retry-After``."""
TIMEOUT_S = 15.0
"""How long a receiver may take to answer."""

_GONE = 410
_SUCCESS = range(200, 300)


class Answer(msgspec.Struct, frozen=True):
    """How one try ended."""

    status: int
    """Of HTTP; 0: there was no answer."""
    why: str = ""
    """Where there was none: the reason, for people."""
    retry_after_s: float | None = None


class Verdict(enum.Enum):
    """What follows."""

    DELIVERED = enum.auto()
    AGAIN = enum.auto()
    GIVEN_UP = enum.auto()
    """It was the last try."""
    DISABLED = enum.auto()
    """The receiver wants no more messages at all (410)."""


def judge(answer: Answer, tries: int) -> tuple[Verdict, float]:
    """What follows a try, and in how many seconds if it is another one.

    Every answer that is not 2xx counts as failed, a redirect too: where it leads nobody has allowed.

    Args:
        answer: of the try.
        tries: how many there were, this one included.
    """
    if answer.status in _SUCCESS:
        return Verdict.DELIVERED, 0.0
    if answer.status == _GONE:
        return Verdict.DISABLED, 0.0
    if tries > len(WAITS_S):
        return Verdict.GIVEN_UP, 0.0
    asked_s = min(answer.retry_after_s or 0.0, LONGEST_WAIT_S)
    return Verdict.AGAIN, max(WAITS_S[tries - 1], asked_s)


def retry_after_s(header: str | None, now_s: float) -> float | None:
    """Seconds from a ``Retry-After`` header, which is a number or a date; None if it is neither."""
    if header is None:
        return None
    if header.isascii() and header.isdigit():
        return min(float(header), LONGEST_WAIT_S)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max((at - datetime.fromtimestamp(now_s, UTC)).total_seconds(), 0.0)
