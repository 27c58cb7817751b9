"""Starts, steers and ends the workers of all streams."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

import structlog

from ..errors import RtmsError
from ..model.ids import StreamId
from ..model.signals import (
    AccountSignal,
    ConcurrencyLimited,
    ConcurrencyNearLimit,
    StartFailed,
    StreamInterrupted,
    StreamSignal,
    StreamStarted,
    StreamStopped,
)
from .registry import StreamBook, Verdict

_log = structlog.get_logger()

RECENT = 1_000
"""How many ended streams `Supervisor.recent` keeps."""


class Worker(Protocol):
    """One stream at work, as the supervisor sees it."""

    def hear(self, signal: StreamSignal) -> None:
        """A webhook speaks of this stream."""

    def request_end(self) -> None:
        """End the stream at Zoom too."""

    def release(self) -> None:
        """Let go of the stream without ending it."""

    def statistics(self) -> Any:
        """The stream as it stands, a frozen value."""

    async def run(self) -> None:
        """Run to the end."""


class Supervisor:
    """Owns the workers; ``async with`` it, and hand it the signals of the webhooks.

    Leaving the block lets go of every stream (`release`) and waits until all have finished.
    """

    def __init__(self, make_worker: Callable[[StreamStarted], Worker]) -> None:
        """
        Args:
            make_worker: builds the worker for a start. Raises RtmsError if the stream must not be
                joined; the start is then reported and forgotten.
        """
        self._make_worker = make_worker
        self._book = StreamBook()
        self._workers: dict[StreamId, Worker] = {}
        self._recent: deque[Any] = deque(maxlen=RECENT)
        self._verdicts: Counter[str] = Counter()
        self._tasks = asyncio.TaskGroup()
        self._accepts = False

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._accepts = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._accepts = False
        for worker in self._workers.values():
            worker.release()
        # Not told of `exc`, the group waits for the workers to finish, and `exc` stays what it is.
        await self._tasks.__aexit__(None, None, None)

    @property
    def workers(self) -> Mapping[StreamId, Worker]:
        """The live streams."""
        return self._workers

    @property
    def recent(self) -> tuple[Any, ...]:
        """The last statistics of streams that ended, oldest first."""
        return tuple(self._recent)

    def verdicts(self) -> dict[str, int]:
        """Signals by what was decided about them."""
        return dict(self._verdicts)

    async def accept(self, signal: StreamSignal | AccountSignal) -> None:
        """Act on what a webhook says. Returns at once."""
        match signal:
            case StreamStarted() | StreamInterrupted() | StreamStopped():
                self._accept_stream_signal(signal)
            case ConcurrencyNearLimit():
                _log.warning("ConcurrencyNeared", app=signal.app, number=signal.number, limit=signal.limit)
            case ConcurrencyLimited():
                _log.error(
                    "ConcurrencyExceeded", app=signal.app, number=signal.number, meeting=signal.entity_id
                )
            case StartFailed():
                _log.error("StartFailed", app=signal.app, reason=signal.reason)

    def _accept_stream_signal(self, signal: StreamSignal) -> None:
        verdict = self._book.judge(signal)
        self._verdicts[verdict.name.lower()] += 1
        log = _log.bind(
            stream_id=signal.stream_id, meeting=signal.entity_id, product=signal.product.name, app=signal.app
        )
        match verdict:
            case Verdict.START:
                assert isinstance(signal, StreamStarted)  # noqa: S101 - judge says START to nothing else
                self._start(signal, log)
            case Verdict.FAILOVER | Verdict.INTERRUPT | Verdict.STOP:
                log.info("StreamSignalled", meaning=verdict.value)
                if worker := self._workers.get(signal.stream_id):
                    worker.hear(signal)
            case Verdict.REPEATED | Verdict.STALE:
                log.info("WebhookIgnored", reason=verdict.value)
            case Verdict.UNKNOWN_STREAM:
                log.warning("WebhookIgnored", reason=verdict.value, event_name=type(signal).__name__)

    def _start(self, signal: StreamStarted, log: structlog.typing.FilteringBoundLogger) -> None:
        if not self._accepts:
            log.warning("StreamRefused", reason="the engine is shutting down")
            return
        try:
            worker = self._make_worker(signal)
        except RtmsError as error:
            self._book.ended(signal.stream_id)
            self._verdicts["refused"] += 1
            log.error("StreamRefused", reason=str(error))
            return
        log.info("StreamStarted")
        self._workers[signal.stream_id] = worker
        self._tasks.create_task(self._run(signal.stream_id, worker), name=f"stream:{signal.stream_id}")

    async def _run(self, stream_id: StreamId, worker: Worker) -> None:
        try:
            await worker.run()
        except Exception:  # noqa: BLE001 - a wall: one stream's defect is not another's
            _log.exception("StreamFailed", stream_id=stream_id, reason="defect in the engine")
        finally:
            self._book.ended(stream_id)
            del self._workers[stream_id]
            self._recent.append(worker.statistics())
