"""What the engine and its processes say to each other."""

from typing import Any

import msgspec

from ..model.ids import StreamId
from ..model.media import MediaKind
from ..model.signals import StreamSignal, StreamStarted
from ..telemetry.story import Entry

FORWARDING = "engine"
"""Name of the sink that hands items from a process to the engine's own sinks."""
WATCHING = "watch"
"""Name of the one that hands them to who watches."""

# --- from the engine ---


class Configure(msgspec.Struct, frozen=True):
    """The first thing a process hears; again when the configuration was read anew."""

    config: Any
    """A `rtms_engine.config.Config`."""
    number: int
    """Of the process, for its log."""


class Begin(msgspec.Struct, frozen=True):
    """Join a stream."""

    start: StreamStarted
    resumed: bool
    """Another process had it, or an earlier engine."""
    wanted: frozenset[MediaKind] | None
    """The media that the engine's own sinks want to have forwarded, besides all events; None: it has none."""
    live: bool
    """One of them wants it as soon as possible."""
    without: frozenset[str] = frozenset()
    """Configured sinks that do not get the stream."""


class Hear(msgspec.Struct, frozen=True):
    """A webhook speaks of a stream."""

    signal: StreamSignal


class Watch(msgspec.Struct, frozen=True):
    """Forward these kinds and all events to somebody who watches, besides what `Begin` says."""

    stream_id: StreamId
    kinds: frozenset[MediaKind] | None
    """None: nobody watches any more."""


class RequestEnd(msgspec.Struct, frozen=True):
    """End a stream at Zoom too."""

    stream_id: StreamId


class Follow(msgspec.Struct, frozen=True):
    """Ask for the camera of this participant; None: as configured."""

    stream_id: StreamId
    user_id: int | None


class Exclude(msgspec.Struct, frozen=True):
    """Let nothing of a participant reach a sink from now on; or let it again."""

    stream_id: StreamId
    user_id: int
    excluded: bool


class Release(msgspec.Struct, frozen=True):
    """Let go of a stream without ending it."""

    stream_id: StreamId


class Leave(msgspec.Struct, frozen=True):
    """There is nothing more to do: end the process."""


# --- from a process ---


class Beat(msgspec.Struct, frozen=True):
    """The process lives. Said when it is ready, and once a second from then on."""

    load: float
    """Share of one core it used since the last beat."""
    lag_s: float
    """How much later than wanted the beat comes: what else the loop had to do."""
    streams: dict[StreamId, Any]
    """A `rtms_engine.stream.worker.StreamStatistics` of those whose turn it is."""


class Forward(msgspec.Struct, frozen=True):
    """Items for the engine's own sinks, or for who watches."""

    stream_id: StreamId
    batch: list[Any]
    is_watched: bool = False


class Noted(msgspec.Struct, frozen=True):
    """Something that belongs into a stream's story."""

    stream_id: str
    entry: Entry


class Finished(msgspec.Struct, frozen=True):
    """A stream is over here, and its sinks have finished."""

    stream_id: StreamId
    is_over: bool
    """At Zoom too."""
    statistics: Any
    """None if it could not be joined at all."""
