"""From what happens in the engine to what is told of it. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from ..telemetry.story import Entry

Event = Literal[
    "stream.started",
    "stream.interrupted",
    "stream.recovered",
    "stream.stopped",
    "recording.done",
    "recording.failed",
    "recording.deleted",
    "transcript.done",
]
EVENTS: tuple[Event, ...] = (
    "stream.started",
    "stream.interrupted",
    "stream.recovered",
    "stream.stopped",
    "recording.done",
    "recording.failed",
    "recording.deleted",
    "transcript.done",
)


class Told(msgspec.Struct, frozen=True):
    """A notification in the making."""

    event: Event
    stream_id: str
    at_ms: int
    """Unix milliseconds."""
    facts: dict[str, Any] = {}
    """Ids, reasons and counts."""


class Interruptions:
    """Which connections of which streams are away: the first to go interrupts, the last to return recovers."""

    def __init__(self) -> None:
        self._away: dict[str, set[str]] = {}

    def hear(self, stream_id: str, entry: Entry) -> Told | None:
        """What a new entry of a stream's story means."""
        match entry.event:
            case "StreamStarted":
                return Told("stream.started", stream_id, entry.at_ms)
            case "ConnectionLost":
                away = self._away.setdefault(stream_id, set())
                away.add(entry.leg)
                if len(away) == 1:
                    return Told("stream.interrupted", stream_id, entry.at_ms, {"leg": entry.leg})
            case "ConnectionRestored" if stream_id in self._away:
                self._away[stream_id].discard(entry.leg)
                if not self._away[stream_id]:
                    del self._away[stream_id]
                    return Told("stream.recovered", stream_id, entry.at_ms)
            case "StreamEnded" | "StreamFailed" | "StreamGivenUp":
                self._away.pop(stream_id, None)
            case _:
                pass
        return None


class Outcome(msgspec.Struct, frozen=True):
    """How a recording ended."""

    state: str
    """That of its manifest, or ``deleted``."""
    kinds: Sequence[str] = ()
    """Of its files."""
    failure: str = ""
    cause: str = ""
    """Of a deletion."""


def of_recording(stream_id: str, at_ms: int, outcome: Outcome) -> Iterator[Told]:
    """What the end of a recording means."""
    if outcome.state == "deleted":
        yield Told("recording.deleted", stream_id, at_ms, {"cause": outcome.cause})
    elif outcome.state == "done":
        yield Told("recording.done", stream_id, at_ms, {"files": len(outcome.kinds)})
    elif outcome.state == "failed":
        yield Told("recording.failed", stream_id, at_ms, {"failure": outcome.failure})
    if outcome.state in ("done", "failed") and "transcript" in outcome.kinds:
        yield Told("transcript.done", stream_id, at_ms)
