"""How one sink is fed: queue, batches, overflow, retries, restarts. The keys of ``[[sinks]] delivery``.

A kind of sink says in its `SinkSpec` what suits it; a configuration may change each key.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

OverflowPolicy = Literal["drop_oldest", "drop_newest", "spill", "detach"]
"""What happens to items of one kind for which the queue has no room.

``drop_oldest``: the oldest of such items makes room. ``drop_newest``: it is dropped itself. ``spill``:
it waits on disk, with all that comes after it; beyond ``spill_mb`` it is dropped. ``detach``: it is
never dropped; it has room for as much again, and beyond that the sink is given up.
"""

_Count = Annotated[int, Meta(ge=1)]
_Tries = Annotated[int, Meta(ge=0, le=1000)]
_Seconds = Annotated[float, Meta(ge=0)]
_Megabytes = Annotated[float, Meta(gt=0)]


class Overflow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policy of each kind of media, and of events."""

    audio: OverflowPolicy = "drop_oldest"
    video: OverflowPolicy = "drop_oldest"
    share: OverflowPolicy = "drop_oldest"
    transcript: OverflowPolicy = "detach"
    chat: OverflowPolicy = "detach"
    event: OverflowPolicy = "detach"

    @property
    def spills(self) -> bool:
        """Whether any kind waits on disk."""
        return "spill" in msgspec.structs.astuple(self)


class Delivery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a sink may fall behind, and what is done when it fails."""

    queue_items: _Count = 100_000
    """After an outage 60 s of audio arrive at once: 9,000 packets of three speakers (V1.md §6.9)."""
    queue_mb: _Megabytes = 64.0
    """Megabytes (of 10⁶ bytes) of payload and text in the queue."""
    batch_items: _Count = 5_000
    batch_mb: _Megabytes = 16.0
    """A batch is handed over when it has this many items or megabytes …"""
    linger_s: _Seconds | None = None
    """… or this long after its first item; 0 hands every item on as it comes. None: 0 for a sink that
    is ``live``, else 0.5."""
    overflow: Overflow = Overflow()
    spill_mb: _Megabytes = 1_000.0
    """Megabytes of one stream that may wait on disk for this sink."""
    timeout_s: _Seconds = 60.0
    """How long `open` or one `write` may take before it is cut short and has failed; 0: for ever."""
    retries: _Tries = 3
    """How often a failed `write` is tried again on the same instance."""
    retry_s: _Seconds = 0.5
    """The pause before the first retry or restart; each further one is twice as long …"""
    retry_max_s: _Seconds = 30.0
    """… up to this."""
    restarts: _Tries = 3
    """How often in one stream a new instance takes the place of one that failed."""
    close_timeout_s: _Seconds = 600.0
    """How long a sink may take, after the stream's end, for what is queued and for its `close`."""

    def pause_s(self, attempt: int) -> float:
        """How long to wait before the ``attempt``-th try again (from 1)."""
        return min(self.retry_s * 2.0 ** min(attempt - 1, 32), self.retry_max_s)


PATIENT = Delivery(timeout_s=0.0, retries=0, restarts=0)
"""For what is not to be hurried, nor to see anything twice: a program's own function, another process."""
