"""A stream of this engine that runs in another process."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import structlog
from msgspec.structs import replace

from ..coordination.record import StreamRecord, heard
from ..model.events import StreamEvent
from ..model.frames import KIND_OF_FRAME, Frame
from ..model.media import MediaKind
from ..model.reasons import StopReason
from ..model.signals import StreamSignal, StreamStarted
from ..sinks.base import Ending, Item, StreamInfo
from ..stream.demux import Demultiplexer
from ..stream.sink_runner import SinkRunner
from ..stream.worker import StreamStatistics
from .messages import FORWARDING, Begin, Exclude, Finished, Follow, Hear, Release, RequestEnd, Watch

MOST_DEATHS = 5
DEATHS_WINDOW_S = 600.0
"""A stream whose processes die so often may be what kills them."""


class Process(Protocol):
    """A place for streams."""

    number: int

    def send(self, value: Any) -> None:
        """Say something to it; to nobody if it has died."""


class Places(Protocol):
    """Where streams can run."""

    async def place(self, stream: "RemoteStream") -> Process:
        """The process in which the stream is to run, as soon as there is one."""


class RemoteStream:
    """To the supervisor a worker like any other (`rtms_engine.supervisor.supervisor.Worker`).

    Used once. The engine's own sinks are fed here, with what the process forwards.
    """

    def __init__(
        self,
        info: StreamInfo,
        start: StreamStarted,
        runners: Sequence[SinkRunner],
        places: Places,
        unix_ms: Callable[[], int],
        *,
        live: bool,
        without: frozenset[str] = frozenset(),
    ) -> None:
        """``live``: one of the runners' sinks wants it as soon as possible. ``without``: names of configured
        sinks that do not get the stream.
        """
        self.info = info
        self._runners = tuple(runners)
        self._demux = Demultiplexer(self._runners)
        self._watchers: list[SinkRunner] = []
        self._watched = Demultiplexer([])
        self._tasks: asyncio.TaskGroup | None = None
        self._live = live
        self._without = without
        self._places = places
        self._unix_ms = unix_ms
        self._record = heard(StreamRecord(), start, unix_ms())
        self._resumed = info.resumed
        self._orders: list[Any] = []
        """What every process of the stream is to hear after its beginning."""
        self._process: Process | None = None
        self._news: asyncio.Queue[Finished | None] = asyncio.Queue()
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)
        self._told = StreamStatistics(info)

    def __repr__(self) -> str:
        return f"<RemoteStream {self.info.stream_id} in {self._process!r}>"

    # --- the supervisor's side ---

    @property
    def is_over(self) -> bool:
        """The stream has ended, and only its sinks are being finished."""
        return self._told.ending is not None

    def hear(self, signal: StreamSignal) -> None:
        """A webhook speaks of this stream."""
        before = self._record
        self._record = heard(before, signal, self._unix_ms())
        if self._record.stop is not before.stop:
            self._orders = [Hear(signal)]
        self._send(Hear(signal))

    def request_end(self) -> None:
        """End the stream at Zoom too."""
        self._order(RequestEnd(self.info.stream_id))

    def follow(self, user_id: int | None) -> None:
        """See `StreamWorker.follow`."""
        self._orders = [order for order in self._orders if not isinstance(order, Follow)]
        self._order(Follow(self.info.stream_id, user_id))

    def exclude(self, user_id: int, *, excluded: bool) -> None:
        """See `StreamWorker.exclude`."""
        self._orders = [
            order for order in self._orders if not (isinstance(order, Exclude) and order.user_id == user_id)
        ]
        self._order(Exclude(self.info.stream_id, user_id, excluded))

    def release(self) -> None:
        """Let go of the stream without ending it."""
        self._order(Release(self.info.stream_id))

    def attach(self, runner: SinkRunner) -> None:
        """Let somebody watch; see `StreamWorker.attach`. Raises LookupError."""
        if self._tasks is None:
            raise LookupError(self.info.stream_id)
        self._watchers.append(runner)
        self._watched.attach(runner)
        work = runner.run(self.info, lambda _: None, self._unix_ms)
        self._tasks.create_task(work, name=f"stream:{self.info.stream_id}/{runner.name}")
        self._send(self._watch)

    def detach(self, runner: SinkRunner) -> None:
        """See `StreamWorker.detach`."""
        if runner in self._watchers:
            self._watchers.remove(runner)
            self._watched.detach(runner)
            runner.finish(Ending(StopReason.UNDEFINED, self._unix_ms(), is_released=True))
            self._send(self._watch)

    def statistics(self) -> StreamStatistics:
        """The stream as its process last told, a few seconds ago at most."""
        own = tuple(runner.statistics() for runner in self._runners)
        forwarded = tuple(sink for sink in self._told.sinks if sink.name != FORWARDING)
        return replace(self._told, sinks=forwarded + own)

    async def run(self) -> bool:
        """Run to the end, in as many processes as it takes. Returns whether it is over at Zoom."""
        async with asyncio.TaskGroup() as tasks:
            for runner in self._runners:
                name = f"stream:{self.info.stream_id}/{runner.name}"
                work = runner.run(self.info, self._demux.announce, self._unix_ms)
                tasks.create_task(work, name=name)
            self._tasks = tasks
            finished = await self._finished()
            self._tasks = None
            self._told = finished.statistics or self._told
            ending = self._told.ending or Ending(StopReason.UNDEFINED, self._unix_ms())
            for runner in (*self._runners, *self._watchers):
                runner.finish(ending)
        return finished.is_over

    # --- the process's side ---

    def told(self, statistics: StreamStatistics) -> None:
        """How the stream stands."""
        self._told = statistics

    def forwarded(self, batch: Sequence[Item], *, is_watched: bool) -> None:
        """Items for the engine's own sinks, or for who watches."""
        demux = self._watched if is_watched else self._demux
        for item in batch:
            if type(item) in KIND_OF_FRAME:
                demux.publish(cast(Frame, item))
            else:
                demux.announce(cast(StreamEvent, item))

    def finished(self, said: Finished) -> None:
        """It is over."""
        self._news.put_nowait(said)

    def died(self) -> None:
        """The process is gone."""
        self._process = None
        self._news.put_nowait(None)

    # --- between ---

    async def _finished(self) -> Finished:
        loop = asyncio.get_running_loop()
        log = structlog.get_logger().bind(stream_id=self.info.stream_id)
        while True:
            self._process = await self._places.place(self)
            log.info("StreamPlaced", process=self._process.number)
            assert self._record.start is not None  # noqa: S101 - it began with one
            self._process.send(
                Begin(self._record.start, self._resumed, self._wanted, self._live, self._without)
            )
            if self._watchers:
                self._process.send(self._watch)
            for order in (*self._orders, *self._excluded_since()):
                self._process.send(order)
            if (said := await self._news.get()) is not None:
                return said
            self._resumed = True
            self._deaths.append(loop.time())
            if len(self._deaths) == MOST_DEATHS and loop.time() - self._deaths[0] < DEATHS_WINDOW_S:
                why = f"{MOST_DEATHS} processes died with it"
                log.error("StreamGivenUp", reason=why)
                ending = Ending(StopReason.UNDEFINED, self._unix_ms(), why)
                return Finished(self.info.stream_id, True, replace(self._told, ending=ending))
            log.warning("StreamMoved", reason="its process died")

    def _excluded_since(self) -> list[Exclude]:
        """Those who were excluded under another number, left and came back: the process that knew it is gone."""
        ordered = {order.user_id for order in self._orders if isinstance(order, Exclude)}
        told = self._told.overview.participants
        return [
            Exclude(self.info.stream_id, one.user_id, True)
            for one in told
            if one.excluded == "request" and one.user_id not in ordered
        ]

    def _order(self, order: Any) -> None:
        self._orders.append(order)
        self._send(order)

    def _send(self, value: Any) -> None:
        if self._process is not None:
            self._process.send(value)

    @property
    def _watch(self) -> Watch:
        kinds = frozenset(kind for runner in self._watchers for kind in runner.kinds)
        return Watch(self.info.stream_id, kinds if self._watchers else None)

    @property
    def _wanted(self) -> frozenset[MediaKind] | None:
        if not self._runners:
            return None
        return frozenset(kind for runner in self._runners for kind in runner.kinds)
