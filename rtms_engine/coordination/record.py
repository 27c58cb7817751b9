"""What a journal remembers of one stream, and how a signal changes it. Pure.

Signals come late, twice and out of order (V1.md §1.5, §1.6). The newest ``event_ts`` wins, except
that a revocation is never overruled: it is better to erase once too often than not at all.
"""

import msgspec
from msgspec.structs import replace

from ..model.reasons import Outcome, StopReason
from ..model.signals import StreamInterrupted, StreamSignal, StreamStarted, StreamStopped
from .base import Unfinished


class StreamRecord(msgspec.Struct, frozen=True):
    """One stream."""

    start: StreamStarted | None = None
    """None if only a stop has been heard; such a stream counts as ended."""
    stop: StreamStopped | None = None
    accepted_ms: int = 0
    """When the URLs in `start` were accepted, Unix milliseconds."""
    ended_ms: int | None = None
    """Unix milliseconds; None: something is still owed."""
    ended_why: str = ""
    """Why it was given up; empty if it ended."""

    @property
    def newest_ms(self) -> int:
        """The newest ``event_ts`` that is known, Unix milliseconds."""
        return max((signal.event_ts_ms for signal in (self.start, self.stop) if signal), default=-1)

    @property
    def unfinished(self) -> Unfinished | None:
        """What is owed; None if nothing is."""
        if self.start is None or self.ended_ms is not None:
            return None
        return Unfinished(self.start, self.stop, self.accepted_ms)


UNHEARD = StreamRecord()
"""The record of a stream that nothing is known of."""


def heard(record: StreamRecord, signal: StreamSignal, now_ms: int) -> StreamRecord:
    """The record after a signal was accepted at ``now_ms``; the same one if it says nothing new."""
    match signal:
        case StreamStarted():
            return _started(record, signal, now_ms)
        case StreamInterrupted():
            return _interrupted(record, signal, now_ms)
        case StreamStopped():
            return _stopped(record, signal, now_ms)


def ended(record: StreamRecord, now_ms: int, why: str = "") -> StreamRecord:
    """The record after everything was done."""
    return record if record.unfinished is None else replace(record, ended_ms=now_ms, ended_why=why)


def _started(record: StreamRecord, start: StreamStarted, now_ms: int) -> StreamRecord:
    if start.event_ts_ms <= record.newest_ms or _revokes(record.stop):
        return record
    if record.start is not None and not start.signature:
        start = replace(start, signature=record.start.signature)
    return StreamRecord(start, accepted_ms=now_ms)


def _interrupted(record: StreamRecord, signal: StreamInterrupted, now_ms: int) -> StreamRecord:
    """New URLs are where to go after a restart (V1.md §1.9.3)."""
    if record.start is None or not signal.server_urls or signal.event_ts_ms <= record.newest_ms:
        return record
    start = replace(record.start, server_urls=signal.server_urls, event_ts_ms=signal.event_ts_ms)
    return replace(record, start=start, accepted_ms=now_ms)


def _stopped(record: StreamRecord, stop: StreamStopped, now_ms: int) -> StreamRecord:
    if not _overrules(stop, record.stop):
        return record
    if record.start is None:
        return StreamRecord(stop=stop, ended_ms=now_ms)
    if _revokes(stop):
        return replace(record, stop=stop, ended_ms=None, ended_why="")
    return replace(record, stop=stop)


def _overrules(stop: StreamStopped, known: StreamStopped | None) -> bool:
    if known is None or _revokes(known):
        return known is None
    return _revokes(stop) or stop.event_ts_ms > known.event_ts_ms


def _revokes(stop: StreamStopped | None) -> bool:
    return stop is not None and StopReason(stop.stop_reason).outcome is Outcome.ERASE
