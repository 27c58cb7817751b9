"""The inside of a process: runs the streams that the engine gives it."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Protocol

import structlog

from ..errors import RtmsError
from ..model.ids import StreamId
from ..model.signals import StreamStarted
from ..sinks.base import Ending, Item, SinkSpec, StreamInfo
from ..sinks.delivery import PATIENT
from ..sinks.registry import ReadySink, ready
from ..stream.sink_runner import SinkRunner
from ..stream.watching import WATCHED
from ..stream.worker import StreamWorker
from ..telemetry.wall import behind_a_wall
from .channel import Channel
from .messages import (
    FORWARDING,
    WATCHING,
    Beat,
    Begin,
    Configure,
    Exclude,
    Finished,
    Follow,
    Forward,
    Hear,
    Leave,
    Release,
    RequestEnd,
    Watch,
)

BEAT_S = 1.0
TOLD_AT_ONCE = 100
"""Of how many streams a beat tells; if there are more, they take turns."""

_log = structlog.get_logger()


class Factory(Protocol):
    """Makes workers; `rtms_engine.stream_factory.StreamFactory` is one."""

    def make(
        self,
        start: StreamStarted,
        own_sinks: Sequence[ReadySink],
        *,
        resumed: bool,
        without: Collection[str] = (),
    ) -> StreamWorker:
        """The worker of a stream. Raises RtmsError if it must not be joined."""


class Host:
    """Hears the engine, and runs what it says.

    Args:
        configured: called with every `Configure`; makes the factory for the streams from then on.
    """

    def __init__(self, configured: Callable[[Configure], Factory]) -> None:
        self._configured = configured
        self._factory: Factory | None = None
        self._workers: dict[StreamId, StreamWorker] = {}
        self._tasks = asyncio.TaskGroup()
        self._watching: dict[StreamId, SinkRunner] = {}
        self._to_tell: list[StreamId] = []
        self._running: set[asyncio.Task[None]] = set()
        self._leaving = asyncio.Event()
        self._channel: Channel | None = None
        self._handlers: dict[type, Callable[[Any], None]] = {
            Configure: self._configure,
            Begin: self._begin,
            Hear: lambda said: self._to(said.signal.stream_id, lambda worker: worker.hear(said.signal)),
            Watch: self._watch,
            RequestEnd: lambda said: self._to(said.stream_id, StreamWorker.request_end),
            Follow: lambda said: self._to(said.stream_id, lambda worker: worker.follow(said.user_id)),
            Exclude: self._exclude,
            Release: lambda said: self._to(said.stream_id, StreamWorker.release),
            Leave: lambda _: self._leaving.set(),
        }

    def hear(self, said: Any) -> None:
        """The engine says something."""
        self._handlers[type(said)](said)

    async def run(self, channel: Channel) -> None:
        """Serve until the engine says `Leave`, and the streams are over."""
        self._channel = channel
        async with self._tasks:
            beating = self._tasks.create_task(self._beat(channel), name="beat")
            await self._leaving.wait()
            if self._running:
                await asyncio.wait(self._running)
            beating.cancel()

    def _configure(self, said: Configure) -> None:
        self._factory = self._configured(said)

    def _begin(self, said: Begin) -> None:
        assert self._factory is not None  # noqa: S101 - `Configure` is the first thing that is said
        stream_id = said.start.stream_id
        own_sinks = [] if said.wanted is None else [self._forwarding(said)]
        try:
            worker = self._factory.make(said.start, own_sinks, resumed=said.resumed, without=said.without)
        except RtmsError as error:
            _log.error("StreamRefused", stream_id=stream_id, reason=str(error))
            self._say(Finished(stream_id, True, None))
            return
        self._workers[stream_id] = worker
        task = self._tasks.create_task(self._run(stream_id, worker), name=f"stream:{stream_id}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, stream_id: StreamId, worker: StreamWorker) -> None:
        is_over = True
        try:
            is_over = await behind_a_wall(worker.run(), stream_id)
        finally:
            del self._workers[stream_id]
            self._watching.pop(stream_id, None)
            self._say(Finished(stream_id, is_over, worker.statistics()))

    def _to(self, stream_id: StreamId, verb: Callable[[StreamWorker], None]) -> None:
        if worker := self._workers.get(stream_id):
            verb(worker)

    def _exclude(self, said: Exclude) -> None:
        self._to(said.stream_id, lambda worker: worker.exclude(said.user_id, excluded=said.excluded))

    def _forwarding(self, said: Begin) -> ReadySink:
        wanted = said.wanted or frozenset()
        assert self._channel is not None  # noqa: S101 - it has just brought `said`
        factory = partial(_ForwardSink, self._channel)
        spec = SinkSpec(FORWARDING, factory, kinds=wanted, live=said.live, delivery=PATIENT)
        return ready(spec, spec.name, wanted, spec.config_type())

    def _watch(self, said: Watch) -> None:
        """Somebody watches a stream: what they want is forwarded by a sink of its own."""
        worker = self._workers.get(said.stream_id)
        before = self._watching.pop(said.stream_id, None)
        if worker is None or self._channel is None:
            return
        if before is not None:
            worker.detach(before)
        if said.kinds is not None:
            sink = _ForwardSink(self._channel, None, is_watched=True)
            runner = SinkRunner(WATCHING, lambda: sink, said.kinds, WATCHED)
            with contextlib.suppress(LookupError):  # it has ended meanwhile
                worker.attach(runner)
                self._watching[said.stream_id] = runner

    def _say(self, value: Any) -> None:
        if self._channel is not None:
            self._channel.send(value)

    def _next_told(self) -> list[StreamId]:
        """Of which streams to tell now: to describe thousands every second would cost a good part of it."""
        known = [stream_id for stream_id in self._to_tell if stream_id in self._workers] or [*self._workers]
        self._to_tell = known[TOLD_AT_ONCE:]
        return known[:TOLD_AT_ONCE]

    async def _beat(self, channel: Channel) -> None:
        loop = asyncio.get_running_loop()
        channel.send(Beat(0.0, 0.0, {}))
        while True:
            began, used = loop.time(), time.process_time()
            await asyncio.sleep(BEAT_S)
            passed_s = loop.time() - began
            streams = {stream_id: self._workers[stream_id].statistics() for stream_id in self._next_told()}
            load = (time.process_time() - used) / passed_s
            channel.send(Beat(load, passed_s - BEAT_S, streams))


class _ForwardSink:
    """Hands the items of one stream to the engine."""

    def __init__(self, channel: Channel, _config: Any, *, is_watched: bool = False) -> None:
        self._channel = channel
        self._is_watched = is_watched
        self._stream_id = StreamId("")

    async def open(self, stream: StreamInfo) -> None:
        self._stream_id = stream.stream_id

    async def write(self, batch: Sequence[Item]) -> None:
        self._channel.send(Forward(self._stream_id, list(batch), self._is_watched))
        await self._channel.drained()

    async def close(self, ending: Ending) -> None:
        """The engine is told by `Finished`."""
