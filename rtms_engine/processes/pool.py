"""The processes of an engine: keeps so many alive, and finds a place for every stream."""

import asyncio
import contextlib
import itertools
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog

from ..errors import ConfigError
from ..model.ids import StreamId
from ..telemetry.story import Note
from .channel import Channel
from .messages import Beat, Begin, Configure, Finished, Forward, Leave, Noted
from .remote import RemoteStream

READY_S = 30.0
"""How long a process may take to be ready: it imports codecs."""
LEAVE_S = 10.0
"""How long a process that has nothing more to do may take to end."""
SLOWEST_RETRY_S = 30.0
"""How long to wait at most before a process that does not start is started again."""
MOST_LOAD = 0.6
"""Of a core: if those that are left had more to do with the streams of one that died, these wait for its successor."""
SUCCESSOR_S = 10.0
"""How long they wait for it; Zoom waits for a minute (V1.md §7)."""
STREAM_LOAD = 0.002
"""What a stream is taken to cost, as a share of a core, until the next beats show it."""

_log = structlog.get_logger()


class ProcessStatistics(msgspec.Struct, frozen=True):
    """How a process stands."""

    number: int
    pid: int
    streams: int
    load: float
    """Share of one core."""
    lag_s: float
    """How much its loop lags behind."""


class StreamProcess:
    """One process. Used once."""

    def __init__(self, number: int, note: Note) -> None:
        self.number = number
        self.beat = Beat(0.0, 0.0, {})
        self.streams: dict[StreamId, RemoteStream] = {}
        self._begun = 0
        """Streams since the last beat."""
        self._heard = asyncio.Event()
        self._gone = False
        self._channel: Channel | None = None
        self._process: Process | None = None
        self._handlers: Mapping[type, Callable[[Any], None]] = {
            Beat: self._beaten,
            Forward: self._forwarded,
            Finished: self._finished,
            Noted: lambda said: note(said.stream_id, said.entry),
        }

    def __repr__(self) -> str:
        return f"<StreamProcess {self.number} pid={self.pid} streams={len(self.streams)}>"

    @property
    def pid(self) -> int:
        """Of the process; 0 before it is started."""
        return self._process.pid if self._process else 0

    @property
    def load(self) -> tuple[float, int]:
        """What to compare processes by when there is a stream to place."""
        return round(self.beat.load + self._begun * STREAM_LOAD, 1), len(self.streams)

    def statistics(self) -> ProcessStatistics:
        """The process as it stands."""
        return ProcessStatistics(self.number, self.pid, len(self.streams), self.beat.load, self.beat.lag_s)

    async def start(self, configure: Configure) -> None:
        """Start it. It is ready with its first beat. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "rtms_engine.daemon.stream_process",
                    str(theirs.fileno()),
                    stdin=DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            except BaseException:
                ours.close()
                raise
        self._channel = await Channel.open(ours, self._hear, self._lost)
        self.send(configure)

    def send(self, value: Any) -> None:
        """Say something to it; to nobody if it has died."""
        if isinstance(value, Begin):
            self._begun += 1
        if self._channel is not None:
            self._channel.send(value)

    async def watch(self, silence_s: float) -> str:
        """Wait until it is gone, or has given no sign of life for so long. Returns what it was."""
        while not self._gone:
            self._heard.clear()
            try:
                async with asyncio.timeout(silence_s):
                    await self._heard.wait()
            except TimeoutError:
                return f"no sign of life for {silence_s:g} s"
        return "it ended"

    async def ready(self, wait_s: float) -> bool:
        """Wait for the first sign of life. Returns whether there was one in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._heard.wait()
        return self._heard.is_set() and not self._gone

    def let_go(self) -> None:
        """Tell its streams that it is gone, once."""
        streams, self.streams = self.streams, {}
        for stream in streams.values():
            stream.died()

    async def end(self) -> int:
        """End it, if it has not ended, and wait until it has. Returns how it ended."""
        if self._process is None:
            return 0
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        return await self._process.wait()

    # --- what it says ---

    def _hear(self, said: Any) -> None:
        self._handlers[type(said)](said)

    def _beaten(self, said: Beat) -> None:
        self.beat, self._begun = said, 0
        self._heard.set()
        for stream_id, statistics in said.streams.items():
            if stream := self.streams.get(stream_id):
                stream.told(statistics)

    def _forwarded(self, said: Forward) -> None:
        if stream := self.streams.get(said.stream_id):
            stream.forwarded(said.batch, is_watched=said.is_watched)

    def _finished(self, said: Finished) -> None:
        if stream := self.streams.pop(said.stream_id, None):
            stream.finished(said)

    def _lost(self) -> None:
        self._gone = True
        self._heard.set()


class ProcessPool:
    """Keeps the processes alive while its ``async with`` block runs.

    Leave it only when no stream runs any more.
    """

    def __init__(self, size: int, silence_s: float, config: Any, note: Note) -> None:
        """
        Args:
            size: how many processes.
            silence_s: one that gives no sign of life for so long hangs, and is killed.
            config: the `rtms_engine.config.Config` of the streams.
            note: called with what the processes tell of the streams' stories.
        """
        self._note = note
        self._size = size
        self._silence_s = silence_s
        self._config = config
        self._up: list[StreamProcess] = []
        self._some_up = asyncio.Event()
        self._is_leaving = False
        self._tasks = asyncio.TaskGroup()
        self._keepers: dict[int, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return f"<ProcessPool {self._up!r}>"

    async def __aenter__(self) -> Self:
        """Start them, and wait until all are ready. Raises ConfigError if one is not."""
        first = [StreamProcess(number, self._note) for number in range(1, self._size + 1)]
        async with contextlib.AsyncExitStack() as undo:
            for process in first:
                undo.push_async_callback(process.end)
            if not all(await asyncio.gather(*map(self._start, first))):
                raise ConfigError(["server.workers: the processes do not start; see what they wrote"])
            undo.pop_all()
        await self._tasks.__aenter__()
        for process in first:
            self._add(process)
            name = f"process:{process.number}"
            self._keepers[process.number] = self._tasks.create_task(self._keep(process), name=name)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_leaving = True
        for process in self._up:
            process.send(Leave())
        up = {process.number for process in self._up}
        for number, keeper in self._keepers.items():
            if number not in up:
                keeper.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def place(self, stream: RemoteStream) -> StreamProcess:
        """The process that has the least to do, as soon as there is one; the stream is in its book then."""
        while not self._up:
            self._some_up.clear()
            await self._some_up.wait()
        process = min(self._up, key=lambda process: process.load)
        process.streams[stream.info.stream_id] = stream
        return process

    def configure(self, config: Any) -> None:
        """Use another configuration for the streams that begin from now on."""
        self._config = config
        for process in self._up:
            process.send(Configure(config, process.number))

    def statistics(self) -> tuple[ProcessStatistics, ...]:
        """The processes that are up, by number."""
        return tuple(process.statistics() for process in sorted(self._up, key=lambda one: one.number))

    async def _keep(self, process: StreamProcess) -> None:
        """Watch a process, and replace it when it dies, as often as it takes."""
        while True:
            try:
                why = await process.watch(LEAVE_S if self._is_leaving else self._silence_s)
            finally:
                self._up.remove(process)
                code = await process.end()
            if self._is_leaving:
                return
            _log.error(
                "ProcessDied",
                process=process.number,
                pid=process.pid,
                reason=why,
                exit_code=code,
                streams=len(process.streams),
            )
            wait_s = 0.0 if self._have_room_for(process) else SUCCESSOR_S
            moving = asyncio.get_running_loop().call_later(wait_s, process.let_go)
            try:
                successor = await self._replacement(process.number)
            finally:
                moving.cancel()
            self._add(successor)
            process.let_go()
            process = successor

    def _have_room_for(self, died: StreamProcess) -> bool:
        """Whether the streams of a process can go on in the others at once.

        To join hundreds of them again would keep a full process from those that it has: connections were lost
        and Zoom's keep-alives waited for seconds (``python -m benchmarks takeover --size full``).
        """
        load = died.beat.load + sum(process.beat.load for process in self._up)
        return load <= MOST_LOAD * len(self._up)

    async def _replacement(self, number: int) -> StreamProcess:
        for failures in itertools.count(1):
            process = StreamProcess(number, self._note)
            is_ready = False
            try:
                is_ready = await self._start(process)
            finally:
                if not is_ready:
                    await process.end()
            if is_ready:
                break
            await asyncio.sleep(min(2.0**failures, SLOWEST_RETRY_S))
        return process

    async def _start(self, process: StreamProcess) -> bool:
        """Returns whether it is ready."""
        try:
            await process.start(Configure(self._config, process.number))
        except OSError as error:
            _log.error("ProcessNotStarted", process=process.number, reason=str(error))
            return False
        return await process.ready(READY_S)

    def _add(self, process: StreamProcess) -> None:
        self._up.append(process)
        self._some_up.set()
        _log.info("ProcessStarted", process=process.number, pid=process.pid)
