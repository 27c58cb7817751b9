"""What webhooks say of streams: made durable, then acted on; and what an earlier engine left of it.

Durable is what Zoom's answer waits for. To act, to begin a stream above all, takes longer than to answer; so
it is done in order of arrival, one signal in each turn of the loop, and when two thousand meetings begin at
nine o'clock, all are answered first.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from ..coordination.base import Journal
from ..coordination.lock import DirectoryLock
from ..coordination.memory import MemoryJournal
from ..coordination.sqlite import SqliteJournal
from ..errors import ShuttingDown
from ..model.ids import StreamId
from ..model.reasons import Outcome, StopReason
from ..model.signals import (
    AccountSignal,
    StreamInterrupted,
    StreamSignal,
    StreamStarted,
    StreamStopped,
)
from ..sinks.base import Ending
from ..supervisor.supervisor import Supervisor

_log = structlog.get_logger()

Signal = StreamSignal | AccountSignal


class Intake:
    """Writes every signal into the journal before the supervisor hears of it.

    Args:
        directory: where the journal is, for one engine at a time; None: it is forgotten with the engine.
        supervisor: who acts on signals.
        unix_s: the wall clock.
    """

    def __init__(
        self, directory: Path | None, supervisor: Supervisor[Any], unix_s: Callable[[], float]
    ) -> None:
        self._directory = directory
        self._supervisor = supervisor
        self._unix_s = unix_s
        self._journal: Journal = MemoryJournal(unix_s)
        self._unfinished: set[StreamId] = set()
        self._due: asyncio.Queue[tuple[Signal, asyncio.Future[None]]] = asyncio.Queue()
        """What is durable, and not acted on yet."""
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the journal. Raises ConfigError if it cannot be used, or another engine has it."""
        async with AsyncExitStack() as stack:
            if self._directory is not None:
                stack.enter_context(DirectoryLock(self._directory))
                self._journal = await SqliteJournal.open(self._directory, self._unix_s)
            stack.push_async_callback(self._journal.close)
            acting = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(acting.create_task(self._act_in_turn(), name="intake").cancel)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._running.aclose()

    @property
    def depth(self) -> int:
        """Streams that the journal owes something: announced, and not over."""
        return len(self._unfinished)

    async def take_up(self, recall: Callable[[StreamId], None]) -> None:
        """Go on with the streams of an earlier engine; ``recall`` is told of each before it starts."""
        for stream in await self._journal.unfinished():
            self._unfinished.add(stream.start.stream_id)
            recall(stream.start.stream_id)
            await self._supervisor.take_up(stream.start, stream.stop)

    async def take(self, signal: Signal) -> asyncio.Future[None] | None:
        """Make a signal durable, then have it acted on; a repetition is neither.

        Returns:
            What is done when it has been acted on; None for a repetition.

        Raises:
            JournalError: it cannot be kept.
            ShuttingDown: it is kept, for the next engine.
        """
        if isinstance(signal, StreamInterrupted) and signal.server_urls and not self._runs(signal.stream_id):
            signal = _as_start(signal)
        if not await self._journal.append(signal):
            _log.info("WebhookIgnored", reason="the same delivery again")
            return None
        if isinstance(signal, StreamStarted) and self._is_too_late(signal):
            # It is in the journal for the next engine; and Zoom, told so, tries again in 5 minutes.
            self._unfinished.add(signal.stream_id)
            raise ShuttingDown
        acted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._due.put_nowait((signal, acted))
        return acted

    async def rest(self) -> None:
        """Wait until all that was taken has been acted on."""
        await self._due.join()

    async def ended(self, stream_id: StreamId, ending: Ending | None) -> None:
        """Nothing is owed to a stream any more; ``ending``: None if it was never joined."""
        if ending is not None and ending.stop_reason is StopReason.UNDEFINED and ending.detail:
            await self._journal.mark_expired(stream_id, ending.detail)
        else:
            await self._journal.stream_ended(stream_id)
        self._unfinished.discard(stream_id)

    async def _act_in_turn(self) -> None:
        while True:
            signal, acted = await self._due.get()
            try:
                await self._act_on(signal)
            except Exception:  # noqa: BLE001 - a wall: one signal's defect is not another's
                _log.exception("SignalFailed", signal=type(signal).__name__, reason="defect in the engine")
            finally:
                if not acted.done():
                    acted.set_result(None)
                self._due.task_done()
            await asyncio.sleep(0)

    async def _act_on(self, signal: Signal) -> None:
        await self._supervisor.accept(signal)
        if isinstance(signal, StreamStarted) and (self._runs(signal.stream_id) or self._is_too_late(signal)):
            self._unfinished.add(signal.stream_id)
        if isinstance(signal, StreamStopped) and not self._runs(signal.stream_id):
            self._supervisor.spawn(self._erase(signal), f"erase:{signal.stream_id}")

    async def _erase(self, stop: StreamStopped) -> None:
        """A stream that is over was revoked: its sinks are opened once more, to delete it (V1.md §8.8)."""
        if StopReason(stop.stop_reason).outcome is Outcome.ERASE:
            for stream in await self._journal.unfinished():
                if stream.start.stream_id == stop.stream_id and not self._runs(stop.stream_id):
                    await self._supervisor.take_up(stream.start, stop)

    def _is_too_late(self, start: StreamStarted) -> bool:
        """Whether it is left to the next engine."""
        return not self._supervisor.accepts and not self._runs(start.stream_id)

    def _runs(self, stream_id: StreamId) -> bool:
        return stream_id in self._supervisor.workers


def _as_start(interrupted: StreamInterrupted) -> StreamStarted:
    """A stream that nobody knows is joined, if the interruption says where it is (V1.md §8.3)."""
    return StreamStarted(
        interrupted.app,
        interrupted.product,
        interrupted.entity_id,
        interrupted.stream_id,
        interrupted.server_urls,
        interrupted.event_ts_ms,
    )
