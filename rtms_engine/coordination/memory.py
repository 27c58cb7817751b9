"""The journal that a restart empties: for ``[state] directory = ""``, and for tests."""

from collections.abc import Callable, Sequence

from ..errors import JournalError
from ..model.ids import StreamId
from ..model.signals import AccountSignal, StreamInterrupted, StreamSignal, StreamStarted, StreamStopped
from .base import KEPT_MS, DeliveryKey, Unfinished, delivery_key
from .record import UNHEARD, StreamRecord, ended, heard


class MemoryJournal:
    """Keeps in memory what `rtms_engine.coordination.base.Journal` promises, and nothing on disk.

    Args:
        unix_s: the wall clock, Unix seconds.
    """

    def __init__(self, unix_s: Callable[[], float]) -> None:
        self._unix_s = unix_s
        self._deliveries: dict[DeliveryKey, int] = {}
        self._streams: dict[StreamId, StreamRecord] = {}
        self._closed = False

    def __repr__(self) -> str:
        return f"<MemoryJournal deliveries={len(self._deliveries)} streams={len(self._streams)}>"

    async def append(self, signal: StreamSignal | AccountSignal) -> bool:
        """Remember a signal; see `Journal.append`."""
        self._check()
        now_ms = self._now_ms()
        self._prune(now_ms)
        key = delivery_key(signal)
        if key in self._deliveries:
            return False
        if key is not None:
            self._deliveries[key] = now_ms
        if isinstance(signal, StreamStarted | StreamInterrupted | StreamStopped):
            self._put(signal.stream_id, heard(self._record(signal.stream_id), signal, now_ms))
        return True

    async def stream_ended(self, stream_id: StreamId) -> None:
        """Nothing is owed to the stream any more; see `Journal.stream_ended`."""
        await self.mark_expired(stream_id, "")

    async def mark_expired(self, stream_id: StreamId, why: str) -> None:
        """The stream is given up; see `Journal.mark_expired`."""
        self._check()
        self._put(stream_id, ended(self._record(stream_id), self._now_ms(), why))

    async def unfinished(self) -> Sequence[Unfinished]:
        """The streams to take up; see `Journal.unfinished`."""
        self._check()
        owed = [found for record in self._streams.values() if (found := record.unfinished)]
        return sorted(owed, key=lambda one: one.accepted_ms)

    async def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise JournalError("in memory", "it is closed")

    def _now_ms(self) -> int:
        return int(self._unix_s() * 1000)

    def _record(self, stream_id: StreamId) -> StreamRecord:
        return self._streams.get(stream_id, UNHEARD)

    def _put(self, stream_id: StreamId, record: StreamRecord) -> None:
        """Keep a record that says something; one that changed goes to the end, in the order of age."""
        if record is not self._record(stream_id):
            self._streams.pop(stream_id, None)
            self._streams[stream_id] = record

    def _prune(self, now_ms: int) -> None:
        oldest_ms = now_ms - KEPT_MS
        while (key := next(iter(self._deliveries), None)) and self._deliveries[key] < oldest_ms:
            del self._deliveries[key]
        gone = []
        for stream_id, record in self._streams.items():
            if record.ended_ms is None:
                continue
            if record.ended_ms >= oldest_ms:
                break
            gone.append(stream_id)
        for stream_id in gone:
            del self._streams[stream_id]
