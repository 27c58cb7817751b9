"""The sink that feeds a command: sound or video to its standard input, as `ffmpeg` and others take it.

One process for all voices mixed, one for each voice, or one for the camera. The command is a list of
words, there is no shell. In each word ``{stream}``, ``{meeting}`` and ``{participant}`` stand for ids, spelled
so that they are safe in paths, and ``{sample_rate}`` for what is configured.

It runs in ``{directory}/{stream}/``, which is deleted if the stream is revoked; what it stores elsewhere is
its own affair. A process that ends too soon is started again, after 1, 2, 4 … 30 s, and misses what comes
meanwhile; if it ends so too often, the sink is given up with its last line of error.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import structlog
from msgspec import Meta

from ..errors import SinkError
from ..model.events import ParticipantLeft
from ..model.frames import AudioFrame, Frame, VideoFrame
from ..model.ids import path_safe
from ..model.media import MediaKind
from ..model.reasons import Outcome
from . import folders
from .base import Ending, Item, SinkSpec, StreamInfo
from .child import Child, ChildFailed
from .delivery import Delivery
from .feeding import Sound, Source, Video

TICK_S = 0.1
"""How often sound is handed on."""
LONGEST_PAUSE_S = 30.0
HEALTHY_S = 60.0
"""A process that lived so long has not failed in a row."""
MOST_WAITING = 16 * 1024 * 1024
"""Bytes that may wait for one process before the sink takes no more."""

_log = structlog.get_logger()


class ExecConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of ``[[sinks]] type = "exec"``."""

    command: Annotated[tuple[str, ...], Meta(min_length=1, description="a list of words")]
    """The program and its arguments."""
    input: Literal["mixed", "per_participant", "h264"] = "mixed"
    """What it reads: PCM (16-bit little-endian, one channel), or the camera as Annex B."""
    sample_rate: Literal[8000, 16000, 32000, 48000] = 16000
    """Hertz of the PCM."""
    silence: bool = True
    """Insert silence where Zoom sent nothing, so that time is true; ``mixed`` needs it."""
    delay_ms: Annotated[int, Meta(ge=0, le=10_000)] = 200
    """How long to wait for late packets."""
    directory: str = "exec"
    """Where the commands run, in a folder for each stream."""
    environment: tuple[str, ...] = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
    """The variables that it gets; no others, since those of the engine may hold secrets."""
    restarts: Annotated[int, Meta(ge=0)] = 5
    """How often in a row a process that ended too soon is started again."""
    stall_s: Annotated[float, Meta(gt=0)] = 10.0
    """A process that takes nothing for so many seconds has failed."""
    stop_s: Annotated[float, Meta(ge=0)] = 10.0
    """How long a process may take to end after its input did; then come SIGTERM and SIGKILL."""
    max_processes: Annotated[int, Meta(ge=1)] = 50
    """At the same time, for one stream."""

    def __post_init__(self) -> None:
        if self.input == "mixed" and not self.silence:
            raise ValueError("silence: must be true with input mixed, where voices have to meet in time")


class Feeder:
    """Keeps one command running and fed, in a task of its own.

    Args:
        argv: the command.
        source: what it is fed with.
        folder: where it runs.
        config: of the sink.
    """

    def __init__(self, argv: Sequence[str], source: Source, folder: Path, config: ExecConfig) -> None:
        self._argv = argv
        self._source = source
        self._folder = folder
        self._config = config
        self._child: Child | None = None
        self._started_at = self._again_at = 0.0
        self._failures = 0
        self._is_over = False
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self.lost_bytes = 0
        """Those that came while no process ran."""
        loop = asyncio.get_running_loop()
        self.task = loop.create_task(self._run(), name=f"exec:{Path(argv[0]).name}")

    def take(self, frame: Frame, now: float) -> None:
        """A frame came."""
        self._source.take(frame, now)
        self._wake.set()

    def end(self) -> None:
        """Nothing more comes: `task` ends with the process."""
        self._is_over = True
        self._wake.set()

    async def room(self) -> None:
        """Wait until not too much waits, or the command is given up."""
        while self._source.waiting_bytes > MOST_WAITING and not self.task.done():
            self._room.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._room.wait()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not self._is_over:
                for data in self._source.due(loop.time()):
                    await self._write(data)
                self._room.set()
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._wake.wait()
            for data in self._source.rest():
                await self._write(data)
            await self._finish()
        finally:
            if self._child is not None:
                await self._child.kill()

    async def _write(self, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if self._child is None:
            if now < self._again_at:
                self.lost_bytes += len(data)
                return
            if self._failures:
                self._source.restart()
            self._child = await Child.start(self._argv, self._folder, self._environment())
            self._started_at = now
            if self._failures:
                self.lost_bytes += len(data)
                return  # the first bytes are of a picture that the new process cannot begin with
        try:
            await self._child.write(data, self._config.stall_s)
        except ChildFailed as failure:
            self._failed(failure, now)

    def _failed(self, failure: ChildFailed, now: float) -> None:
        self._child = None
        self._failures = 1 if now - self._started_at > HEALTHY_S else self._failures + 1
        if self._failures > self._config.restarts:
            raise SinkError(str(failure)) from failure
        pause_s = min(2.0 ** (self._failures - 1), LONGEST_PAUSE_S)
        self._again_at = now + pause_s
        _log.warning("CommandFailed", reason=str(failure), again_in_s=pause_s)

    async def _finish(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        try:
            await child.finish(self._config.stop_s)
        except ChildFailed as failure:
            raise SinkError(str(failure)) from failure

    def _environment(self) -> Mapping[str, str]:
        return {name: os.environ[name] for name in self._config.environment if name in os.environ}


class ExecSink:
    """Gives the frames of one stream to the commands that read them."""

    _stream: StreamInfo
    _folder: Path

    def __init__(self, config: ExecConfig) -> None:
        self._config = config
        self._feeders: dict[int, Feeder] = {}
        """By user id; 0 for a command that reads everything."""
        self._ending: list[Feeder] = []
        """Those of participants that left."""

    async def open(self, stream: StreamInfo) -> None:
        """Look whether the command is there. Raises SinkError if it is not."""
        wanted = MediaKind.VIDEO if self._config.input == "h264" else MediaKind.AUDIO
        if wanted not in stream.kinds:
            raise SinkError(f'input {self._config.input} needs kinds = ["{wanted}"] in its section')
        self._stream = stream
        self._folder = Path(self._config.directory) / path_safe(stream.stream_id)
        await asyncio.to_thread(self._prepare)

    async def write(self, batch: Sequence[Item]) -> None:
        """Hand the frames on. Raises SinkError if a command ended too often."""
        now = asyncio.get_running_loop().time()
        for item in batch:
            match item:
                case AudioFrame() if self._config.input != "h264":
                    alone = self._config.input == "per_participant"
                    if not (alone and item.mixed):
                        self._feed(item.speaker.user_id if alone else 0, item, now)
                case VideoFrame(codec="h264") if self._config.input == "h264":
                    self._feed(0, item, now)
                case ParticipantLeft(participant=participant) if self._config.input == "per_participant":
                    self._let_go(participant.user_id)
        for feeder in self._feeders.values():
            await feeder.room()
        self._refuse_failed()

    async def close(self, ending: Ending) -> None:
        """End the commands; if the stream was revoked at once, and with what they wrote."""
        feeders = [*self._feeders.values(), *self._ending]
        erase = ending.stop_reason.outcome is Outcome.ERASE
        for feeder in feeders:
            if erase:
                feeder.task.cancel()
            else:
                feeder.end()
        try:
            results = await asyncio.gather(*(feeder.task for feeder in feeders), return_exceptions=True)
        except asyncio.CancelledError:
            await asyncio.wait({feeder.task for feeder in feeders})  # gather has cancelled them: they kill
            raise
        if erase:
            await asyncio.to_thread(self._erase)
            return
        if lost := sum(feeder.lost_bytes for feeder in feeders):
            _log.warning("CommandMissed", bytes=lost)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _prepare(self) -> None:
        program = self._config.command[0]
        if shutil.which(program) is None:
            raise SinkError(f"cannot start {program}: there is no such program")
        try:
            folders.prepare(self._folder, self._stream)
        except OSError as error:
            raise SinkError(f"cannot make {self._folder}: {error.strerror}") from error

    def _erase(self) -> None:
        try:
            folders.delete(self._folder)
        except OSError as error:
            raise SinkError(f"cannot delete {self._folder}: {error.strerror}") from error

    def _feed(self, user_id: int, frame: Frame, now: float) -> None:
        feeder = self._feeders.get(user_id)
        if feeder is None:
            if len(self._feeders) >= self._config.max_processes:
                raise SinkError(
                    f"more than {self._config.max_processes} processes are needed (max_processes)"
                )
            feeder = self._feeders[user_id] = Feeder(
                self._argv(user_id), self._source(), self._folder, self._config
            )
        feeder.take(frame, now)

    def _let_go(self, user_id: int) -> None:
        if feeder := self._feeders.pop(user_id, None):
            feeder.end()
            self._ending.append(feeder)

    def _refuse_failed(self) -> None:
        feeders = [*self._feeders.values(), *self._ending]
        for feeder in feeders:
            if feeder.task.done() and (error := feeder.task.exception()):
                raise error
        self._ending = [feeder for feeder in self._ending if not feeder.task.done()]

    def _source(self) -> Source:
        config = self._config
        if config.input == "h264":
            return Video()
        return Sound(config.sample_rate, config.delay_ms, silence=config.silence)

    def _argv(self, user_id: int) -> list[str]:
        stands_for = {
            "{stream}": path_safe(self._stream.stream_id),
            "{meeting}": path_safe(self._stream.entity_id),
            "{participant}": str(user_id),
            "{sample_rate}": str(self._config.sample_rate),
        }
        words = list(self._config.command)
        for name, value in stands_for.items():
            words = [word.replace(name, value) for word in words]
        return words


SPEC = SinkSpec(
    "exec",
    ExecSink,
    ExecConfig,
    kinds=frozenset([MediaKind.AUDIO]),
    directory=lambda config: config.directory,
    live=True,
    delivery=Delivery(retries=0, restarts=0),
    store=lambda config: folders.FolderStore(Path(config.directory)),
)
