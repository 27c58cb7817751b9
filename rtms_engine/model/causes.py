"""Why connections are lost and media are missing: few causes for counters, where the sentence is for people.

A cause is read off the sentence that a log and a manifest say, so that a counter and a log agree.
"""

import enum
import re


class Cause(enum.StrEnum):
    """What to count a loss or a gap under."""

    FAILOVER = "failover"
    """Zoom moved the stream to other servers (V1.md §8.2)."""
    INTERRUPTED = "interrupted"
    """Zoom said that it lost us (V1.md §8.3, §8.4)."""
    SILENCE = "silence"
    """Nothing came for longer than a live connection is silent (V1.md §7.1)."""
    CLOSED = "closed"
    """The other side closed the connection, or the network did."""
    REFUSED = "refused"
    """A handshake was refused, or nobody answered."""
    RESTART = "engine_restarted"
    """There was no engine, or no process of it."""
    OTHER = "other"


_SIGNS = (
    (Cause.FAILOVER, r"moved the stream"),
    (Cause.INTERRUPTED, r"Zoom interrupted"),
    (Cause.SILENCE, r"^no (frame|answer to the handshake) for|no sign of life"),
    (Cause.CLOSED, r"^closed by|without a close frame"),
    (Cause.RESTART, r"^engine_restarted|process died"),
    (Cause.REFUSED, r"refused|cannot connect|no answer|^status \d+"),
)
"""The first that is found in the sentence decides."""


def cause_of(sentence: str) -> Cause:
    """The cause that a sentence tells of."""
    return next((cause for cause, sign in _SIGNS if re.search(sign, sentence)), Cause.OTHER)
