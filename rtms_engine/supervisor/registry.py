"""The book of streams: what a webhook means for a stream depends on what was heard before.

Zoom may deliver a webhook late and out of order (V1.md §1.5). A start for a known stream is a failover to
new servers if it is newer, and stale if it is not. That the same delivery came before is the journal's
to know (`rtms_engine.coordination.base`).
"""

import enum
from collections import OrderedDict

import msgspec

from ..model.ids import StreamId
from ..model.signals import StreamInterrupted, StreamSignal, StreamStarted, StreamStopped

REMEMBERED = 2_000
"""How many streams are kept in mind; of those that ended, the oldest go first."""


class Verdict(enum.Enum):
    """What to do about a signal."""

    START = "start the stream"
    FAILOVER = "move the live stream to the new servers"
    INTERRUPT = "reconnect the live stream"
    STOP = "end the live stream"
    STALE = "older than what is known of this stream"
    UNKNOWN_STREAM = "no such stream is live"


class _Entry(msgspec.Struct):
    event_ts_ms: int
    live: bool = True


class StreamBook:
    """What is known of every stream, live or recently ended."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        """``remembered``: how many streams are kept in mind."""
        self._most = remembered
        self._entries: OrderedDict[StreamId, _Entry] = OrderedDict()

    def judge(self, signal: StreamSignal) -> Verdict:
        """Decide about a signal, and remember it."""
        match signal:
            case StreamStarted():
                return self._started(signal)
            case StreamInterrupted():
                return self._interrupted(signal)
            case StreamStopped():
                return self._stopped(signal)

    def ended(self, stream_id: StreamId) -> None:
        """The stream's worker is done; a start that is still on its way must not revive it."""
        if entry := self._entries.get(stream_id):
            entry.live = False

    def _started(self, signal: StreamStarted) -> Verdict:
        entry = self._entries.get(signal.stream_id)
        if entry is None or (not entry.live and signal.event_ts_ms > entry.event_ts_ms):
            self._remember(signal.stream_id, _Entry(signal.event_ts_ms))
            return Verdict.START
        if signal.event_ts_ms <= entry.event_ts_ms:
            return Verdict.STALE
        entry.event_ts_ms = signal.event_ts_ms
        return Verdict.FAILOVER

    def _interrupted(self, signal: StreamInterrupted) -> Verdict:
        entry = self._entries.get(signal.stream_id)
        if entry is None or not entry.live:
            return Verdict.UNKNOWN_STREAM
        # One from before the failover speaks of the old servers.
        return Verdict.INTERRUPT if signal.event_ts_ms >= entry.event_ts_ms else Verdict.STALE

    def _stopped(self, signal: StreamStopped) -> Verdict:
        was_live = self._is_live(signal.stream_id)
        self._remember(signal.stream_id, _Entry(signal.event_ts_ms, live=False))
        return Verdict.STOP if was_live else Verdict.UNKNOWN_STREAM

    def _is_live(self, stream_id: StreamId) -> bool:
        entry = self._entries.get(stream_id)
        return entry is not None and entry.live

    def _remember(self, stream_id: StreamId, entry: _Entry) -> None:
        self._entries[stream_id] = entry
        self._entries.move_to_end(stream_id)
        if len(self._entries) > self._most:
            oldest = next((i for i, e in self._entries.items() if not e.live), None)
            if oldest is not None:
                del self._entries[oldest]
