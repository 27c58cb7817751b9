"""Captured streams through the same worker and sinks as live ones: another composition root.

::

    from rtms_engine import SinkConfig, replay

    replay("captures/STREAM.rtmscap", SinkConfig("recording", options={"directory": "again"}))

The clock, the times of arrival and what the webhooks said come from the capture, so two replays give the
same files, byte by byte.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from .capture.clock import ReplayLoop
from .capture.format import Kind, Record, decode_signal
from .capture.player import Player
from .capture.reader import CaptureReader, Damage, find_captures
from .protocol.identity import StreamIdentity
from .sinks import registry
from .sinks.base import Ending, Item, Sink, SinkSpec, StreamInfo
from .sinks.registry import ReadySink, SinkConfig
from .sinks.services import Services
from .stream.worker import Environment, StreamSettings, StreamStatistics, StreamWorker
from .stream_factory import make_runners
from .transport.endpoint import EndpointPolicy

BUNDLE_S = 0.02
"""Media that came within so long is handed on in one turn of the loop."""
ENDS_WITHIN_S = 120.0
"""How much later than in the capture a stream may end: longer than any of Zoom's windows (V1.md §7)."""


class Replayed(msgspec.Struct, frozen=True):
    """What came of one capture."""

    path: Path
    statistics: StreamStatistics
    damages: tuple[Damage, ...]
    """What of the file could not be read."""
    is_complete: bool
    """Whether the capture goes on to the stream's end; else the engine that wrote it was killed."""


def replay(
    path: Path | str, sink: SinkConfig | Callable[[], Sink], *, speed: float = math.inf
) -> list[Replayed]:
    """Run captured streams, one after the other, in the time of their captures.

    Args:
        path: a capture, or a directory of them.
        sink: a configured sink, or what makes your own for each stream: its class, say.
        speed: how many seconds of a capture go by in one; infinite: as fast as your sink allows.

    Returns:
        One for each capture.

    Raises:
        CaptureError: a file is no capture, or one of a newer version.
        ConfigError: the sink is not known, or cannot be configured so.
        RuntimeError: an event loop runs in this thread; use `asyncio.to_thread`.
    """
    ready = registry.build(sink) if isinstance(sink, SinkConfig) else _own(sink)
    return [replay_file(one, [ready], speed) for one in find_captures(Path(path))]


def replay_file(path: Path, sinks: Sequence[ReadySink], speed: float = math.inf) -> Replayed:
    """As `replay`, of one file into several sinks."""
    with CaptureReader(path) as capture:
        first = next(capture.records())
        start_s = first.time_ns / 1e9
        with asyncio.Runner(loop_factory=lambda: ReplayLoop(start_s, speed)) as runner:
            return runner.run(_Replay(capture, start_s, [_held(sink) for sink in sinks]).run())


class _Replay:
    """One capture on its way through one worker."""

    def __init__(self, capture: CaptureReader, start_s: float, sinks: Sequence[ReadySink]) -> None:
        self._capture = capture
        self._start_s = start_s
        self._sinks = sinks
        self._player = Player()

    async def run(self) -> Replayed:
        """To the end of the stream, or of the capture if that comes first."""
        async with Services(self._sinks, time.time) as services:  # noqa: TID251 - what they sign is sent now
            return await self._run(self._worker(services))

    async def _run(self, worker: StreamWorker) -> Replayed:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(worker.run(), name=f"stream:{worker.info.stream_id}")
            is_complete = await self._play(worker, running)
            if is_complete:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(loop.time() + ENDS_WITHIN_S):
                        await asyncio.shield(running)
            if not running.done():
                worker.release()
        return Replayed(self._capture.path, worker.statistics(), self._capture.damages, is_complete)

    async def _play(self, worker: StreamWorker, running: "asyncio.Task[bool]") -> bool:
        """Every record at its time. Returns whether the stream's end was among them."""
        loop = cast(ReplayLoop, asyncio.get_running_loop())
        for bundle in _bundles(self._capture.records()):
            await loop.until(bundle[0].time_ns / 1e9)
            for record in bundle:
                loop.advance(record.time_ns / 1e9)
                match record.kind:
                    case Kind.END:
                        return True
                    case Kind.SIGNAL:
                        worker.hear(decode_signal(record.data))
                    case Kind.REQUEST if record.data == b"end":
                        worker.request_end()
                    case Kind.REQUEST:
                        worker.release()
                    case _:
                        self._player.play(record)
            if running.done():
                return True
        return False

    def _worker(self, services: Services) -> StreamWorker:
        head = self._capture.head
        loop = asyncio.get_running_loop()
        info = head.stream
        return StreamWorker(
            info,
            StreamIdentity(info.product, info.entity_id, info.stream_id, "not needed"),
            StreamSettings(info.media, head.unified, head.follow, head.buffer_data),
            make_runners(self._sinks, services),
            Environment(
                self._player,
                EndpointPolicy(_hosts(self._capture), allow_insecure_loopback=True),
                lambda: head.unix_ms + round((loop.time() - self._start_s) * 1000),
                lambda: 1.0,  # never later than the attempt in the capture; an earlier one waits for it
            ),
            is_late=head.is_late,
        )


def _hosts(capture: CaptureReader) -> tuple[str, ...]:
    """What the captured stream was allowed to connect to."""
    marks = (record for block in capture.blocks() for record in block.summary.records())
    urls = {record.data.decode("utf-8", "replace") for record in marks if record.kind is Kind.CONNECTING}
    hosts = set()
    for url in urls:
        with suppress(ValueError):
            hosts.add(urlsplit(url).hostname or "")
    return tuple(sorted(hosts - {""}))


def _bundles(records: Iterator[Record]) -> Iterator[list[Record]]:
    """What may happen in one turn of the loop: media that comes together, anything else by itself."""
    bundle: list[Record] = []
    for record in records:
        is_media = record.kind is Kind.RECEIVED and record.leg != "signaling"
        if bundle and not (is_media and record.time_ns - bundle[0].time_ns < BUNDLE_S * 1e9):
            yield bundle
            bundle = []
        if is_media:
            bundle.append(record)
        elif record.kind is not Kind.SENT:
            yield [record]
    if bundle:
        yield bundle


def _own(factory: Callable[[], Sink]) -> ReadySink:
    kinds = getattr(factory, "kinds", None)
    spec = SinkSpec("own", lambda _: factory(), blocking=getattr(factory, "blocking", False))
    return ReadySink("own", spec, spec.kinds if kinds is None else frozenset(kinds), spec.config_type())


def _held(sink: ReadySink) -> ReadySink:
    """The same sink, at whose work time stands still."""
    make = sink.spec.factory
    kind = _Blocking if sink.spec.blocking else _Held
    spec = msgspec.structs.replace(sink.spec, factory=lambda config: kind(make(config)), blocking=False)
    return msgspec.structs.replace(sink, spec=spec)


class _Held:
    """A sink around another one."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink
        self._loop = cast(ReplayLoop, asyncio.get_running_loop())

    async def open(self, stream: StreamInfo) -> None:
        with self._loop.held():
            await self._sink.open(stream)

    async def write(self, batch: Sequence[Item]) -> None:
        with self._loop.held():
            await self._sink.write(batch)

    async def close(self, ending: Ending) -> None:
        with self._loop.held():
            await self._sink.close(ending)


class _Blocking(_Held):
    """A sink around one whose verbs block: always in the same thread, as live ones."""

    async def open(self, stream: StreamInfo) -> None:
        await asyncio.to_thread(self._sink.open, stream)

    async def write(self, batch: Sequence[Item]) -> None:
        await asyncio.to_thread(self._sink.write, batch)

    async def close(self, ending: Ending) -> None:
        await asyncio.to_thread(self._sink.close, ending)
