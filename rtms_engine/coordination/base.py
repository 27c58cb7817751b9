"""The contract of the journal: a webhook that was answered with 2xx is not forgotten.

Zoom tries again only after an answer of 5xx or none at all, 5, 25 and 85 minutes later (V1.md §1.5);
by then a meeting's first minutes are gone. So a signal is appended before the 2xx, and a restarted
engine asks for what is `Journal.unfinished`. A journal has one engine, and is used from one loop.
"""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import msgspec

from ..model.ids import StreamId
from ..model.signals import (
    AccountSignal,
    StreamInterrupted,
    StreamSignal,
    StreamStarted,
    StreamStopped,
)

KEPT_MS = 48 * 3600 * 1000
"""How long deliveries and ended streams are kept, in milliseconds. The last retry of a delivery comes
85 minutes after it (V1.md §1.5), and a stop may be replayed for 90 (`webhook.verify.LATE_S`)."""

DeliveryKey: TypeAlias = tuple[str, int, str, StreamId]
"""What two deliveries of one event have in common: kind, ``event_ts``, entity, stream (V1.md §1.6)."""


class Unfinished(msgspec.Struct, frozen=True):
    """A stream that was started and not ended."""

    start: StreamStarted
    """The newest one; with the URLs and the ``event_ts_ms`` of an interruption that brought newer URLs."""
    stop: StreamStopped | None
    """Accepted, but not carried out: finish the sinks, or erase (V1.md §9.5), and do not connect."""
    accepted_ms: int
    """When the URLs in `start` were accepted, Unix milliseconds."""


class Journal(Protocol):
    """Remembers signals and streams.

    Every method but `close` raises `JournalError` if the journal cannot do it; what it was asked is
    then not done, and may be asked again. What a call did is there for every later call.
    """

    async def append(self, signal: StreamSignal | AccountSignal) -> bool:
        """Remember a signal; it is durable when this returns.

        Returns:
            Whether to act on it: False if a delivery with the same `delivery_key` was accepted in
            the last 48 hours, in this run of the engine or an earlier one. Always True for a signal
            about an account: nothing in it would tell a repetition from a second event.

        Cancelling it takes the acceptance back: the next delivery of this event is True. The stream
        may stay `unfinished` meanwhile, which is what a crash in that moment would leave.
        """

    async def stream_ended(self, stream_id: StreamId) -> None:
        """The stream's worker is done and its sinks are finished: nothing is owed any more.

        Without effect if there is no such stream, or it has ended. Done even if cancelled.
        """

    async def mark_expired(self, stream_id: StreamId, why: str) -> None:
        """As `stream_ended`, of a stream that could not be taken up; ``why`` is kept with it."""

    async def unfinished(self) -> Sequence[Unfinished]:
        """Every stream that was started and not ended, the longest accepted first.

        A stream that ended and was then revoked (stop reason 8, V1.md §9.5) is among them again until
        it is ended once more, because its recording is still to be erased.
        """

    async def close(self) -> None:
        """Finish what is under way. May be called twice; other methods then raise JournalError."""


def delivery_key(signal: StreamSignal | AccountSignal) -> DeliveryKey | None:
    """What makes a signal the same delivery again; None for one that is never the same."""
    if not isinstance(signal, StreamStarted | StreamInterrupted | StreamStopped):
        return None
    return type(signal).__name__, signal.event_ts_ms, signal.entity_id, signal.stream_id
