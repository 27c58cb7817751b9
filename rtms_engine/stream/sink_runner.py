"""The task around one sink of one stream.

`offer` never waits: it is called from within the reader of a socket. Everything that can take time
happens in the runner's own task, in batches. If the sink falls behind, the queue grows up to its
bound; then the oldest sounds and pictures make room, counted and said once a second. Texts and
events are never dropped.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import msgspec
import structlog

from ..errors import SinkError
from ..model.frames import KIND_OF_FRAME, AudioFrame, ShareFrame, VideoFrame
from ..model.media import MediaKind
from ..sinks.base import Ending, Item, Sink, StreamInfo
from ..telemetry.throttle import Throttle

_PLAYED = (AudioFrame, VideoFrame, ShareFrame)
"""What may be dropped if a sink is too slow."""
_SEARCHED = 256
"""How deep to look for the oldest of them behind texts and events."""


class QueueLimits(msgspec.Struct, frozen=True):
    """How far a sink may fall behind."""

    items: int = 100_000
    """After an outage 60 s of audio arrive at once: 9,000 packets of three speakers (V1.md §6.9)."""
    payload_bytes: int = 64 * 1024 * 1024
    linger_s: float = 0.5
    """How long to gather a batch; 0 hands every item on as soon as it comes."""
    batch_items: int = 5_000
    close_s: float = 600.0
    """How long a sink may take to finish."""


class SinkStatistics(msgspec.Struct, frozen=True):
    """What a sink got."""

    name: str
    state: str
    written: dict[str, int]
    """Items by kind, ``event`` for events."""
    dropped: int
    queued: int


class SinkRunner:
    """Feeds one sink of one stream."""

    def __init__(
        self, name: str, sink: Sink, kinds: frozenset[MediaKind], limits: QueueLimits | None = None
    ) -> None:
        self.name = name
        self.kinds = kinds
        self._sink = sink
        self._limits = limits or QueueLimits()
        self._queue: deque[Item] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._state = "new"
        self._ending: Ending | None = None
        self._limit: asyncio.Timeout | None = None
        self._dropped = 0
        self._written: dict[str, int] = {}
        self._throttle = Throttle()
        self._log = structlog.get_logger().bind(sink=name)

    def offer(self, item: Item) -> None:
        """Queue one item; drop the oldest sounds and pictures if there is no room."""
        if self._state == "detached":
            return
        if not self._queue:
            self._wake.set()
        self._queue.append(item)
        if isinstance(item, _PLAYED):
            self._queued_bytes += len(item.payload)
        limits = self._limits
        while len(self._queue) > limits.items or self._queued_bytes > limits.payload_bytes:
            if not self._make_room():
                break

    def finish(self, ending: Ending) -> None:
        """The stream is over: write what is queued, close the sink, and let `run` return, in time."""
        self._ending = ending
        self._wake.set()
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._limits.close_s)

    def statistics(self) -> SinkStatistics:
        """What happened so far."""
        return SinkStatistics(self.name, self._state, dict(self._written), self._dropped, len(self._queue))

    async def run(self, stream: StreamInfo) -> None:
        """Open the sink, feed it until `finish`, close it. A failing sink ends here, not beyond.

        One that hangs in any of its verbs is abandoned ``close_s`` after the stream's end. Cancelling
        this abandons it at once.
        """
        try:
            async with asyncio.timeout(self._limits.close_s if self._ending else None) as self._limit:
                await self._serve(stream)
        except TimeoutError:
            self._log.error("SinkAbandoned", reason=f"it did not finish within {self._limits.close_s:g} s")
            self._detach()
        finally:
            self._limit = None

    async def _serve(self, stream: StreamInfo) -> None:
        try:
            await self._sink.open(stream)
        except SinkError as error:
            self._log.error("SinkDetached", verb="open", reason=str(error))
            self._detach()
            return
        except Exception:  # noqa: BLE001 - a wall: what a sink does is its own affair
            self._log.exception("SinkDetached", verb="open", reason="defect in the sink")
            self._detach()
            return
        if self._state == "new":  # it may have opened so slowly that it is detached already
            self._state = "open"
        try:
            await self._feed()
        except SinkError as error:
            self._log.error("SinkDetached", verb="write", reason=str(error))
            self._detach()
        except Exception:  # noqa: BLE001 - the same wall
            self._log.exception("SinkDetached", verb="write", reason="defect in the sink")
            self._detach()
        await self._close()

    async def _feed(self) -> None:
        while True:
            if not self._queue:
                if self._ending is not None:
                    return
                self._wake.clear()
                await self._wake.wait()
                if self._ending is None and self._limits.linger_s:
                    await asyncio.sleep(self._limits.linger_s)
                continue
            batch = self._take()
            await self._sink.write(batch)
            for item in batch:
                kind = KIND_OF_FRAME.get(type(item), "event")
                self._written[kind] = self._written.get(kind, 0) + 1

    async def _close(self) -> None:
        while self._ending is None:
            self._wake.clear()
            await self._wake.wait()
        try:
            await self._sink.close(self._ending)
        except SinkError as error:
            self._log.error("SinkFailed", verb="close", reason=str(error))
        except Exception:  # noqa: BLE001 - the same wall
            self._log.exception("SinkFailed", verb="close", reason="defect in the sink")
        else:
            if self._state == "open":
                self._state = "closed"
            return
        self._detach()

    def _take(self) -> Sequence[Item]:
        if len(self._queue) <= self._limits.batch_items:
            batch: Sequence[Item] = list(self._queue)
            self._queue.clear()
            self._queued_bytes = 0
            return batch
        batch = [self._queue.popleft() for _ in range(self._limits.batch_items)]
        self._queued_bytes -= sum(len(item.payload) for item in batch if isinstance(item, _PLAYED))
        return batch

    def _make_room(self) -> bool:
        """Drop the oldest sound or picture, or the newest item if none is near and it is one. Returns
        whether there was any. Texts and events have room for as many again.
        """
        near = zip(range(_SEARCHED), self._queue, strict=False)
        index = next((i for i, item in near if isinstance(item, _PLAYED)), -1)
        dropped = self._queue[index]
        if not isinstance(dropped, _PLAYED):
            if len(self._queue) > 2 * self._limits.items:
                self._log.error("SinkDetached", verb="write", reason="too slow even for texts and events")
                self._detach()
            return False
        del self._queue[index]
        self._queued_bytes -= len(dropped.payload)
        self._dropped += 1
        if count := self._throttle.note(1, asyncio.get_running_loop().time()):
            self._log.error("SinkFellBehind", dropped=count)
        return True

    def _detach(self) -> None:
        """It gets nothing any more; what is queued for it is let go."""
        self._state = "detached"
        self._queue.clear()
        self._queued_bytes = 0
