"""Starts, steers and ends the workers of all streams."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import structlog

from ..errors import RtmsError
from ..model.ids import StreamId
from ..model.signals import (
    AccountSignal,
    AppDeauthorized,
    ConcurrencyLimited,
    ConcurrencyNearLimit,
    StartFailed,
    StreamInterrupted,
    StreamSignal,
    StreamStarted,
    StreamStopped,
)
from ..telemetry.wall import behind_a_wall
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

    @property
    def is_over(self) -> bool:
        """Whether the stream has ended, and only its sinks are being finished."""

    async def run(self) -> bool:
        """Run to the end. Returns whether the stream is over at Zoom; False if we let go of it."""


W = TypeVar("W", bound=Worker)

Ended = Callable[[StreamId, Any], Coroutine[Any, Any, None]]
"""Told of a stream that is over at Zoom, with its last statistics (None: it was never joined)."""


class Statistics(Mapping[StreamId, Any]):
    """Of the live streams, each as it stands when it is asked for: to know of one costs nothing for the others."""

    def __init__(self, workers: Mapping[StreamId, Worker]) -> None:
        self._workers = workers

    def __getitem__(self, stream_id: StreamId) -> Any:
        return self._workers[stream_id].statistics()

    def __contains__(self, stream_id: object) -> bool:
        return stream_id in self._workers

    def __iter__(self) -> Iterator[StreamId]:
        return iter(self._workers)

    def __len__(self) -> int:
        return len(self._workers)


class Supervisor(Generic[W]):
    """Owns the workers; ``async with`` it, and hand it the signals of the webhooks.

    Leaving the block lets go of every stream (`release`) and waits until all have finished.
    """

    def __init__(
        self,
        make_worker: Callable[[StreamStarted, bool], W],
        ended: Ended,
        remember: Callable[[Any], None] = lambda _: None,
    ) -> None:
        """
        Args:
            make_worker: builds the worker for a start; the flag says that an earlier engine had the
                stream. Raises RtmsError if it must not be joined; that is then reported.
            remember: given the last statistics of every worker that is done.
            ended: told when a stream is over. Of a stream that we let go of it is not told: another
                engine, or this one after a restart, may take it up again.
        """
        self._remember = remember
        self._make_worker = make_worker
        self._ended = ended
        self._book = StreamBook()
        self._workers: dict[StreamId, W] = {}
        self.statistics = Statistics(self._workers)
        """Of the live streams."""
        self._waiting: dict[StreamId, StreamStarted] = {}
        """Newer starts of streams whose ended workers still finish their sinks."""
        self._recent: deque[Any] = deque(maxlen=RECENT)
        self._verdicts: Counter[str] = Counter()
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()
        self._errands: set[asyncio.Task[None]] = set()
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
        self.release()
        # Not told of `exc`, the group waits for the workers to finish, and `exc` stays what it is.
        await self._tasks.__aexit__(None, None, None)

    def release(self) -> None:
        """Let go of every stream and every errand, and take no more."""
        self._accepts = False
        for errand in self._errands:
            errand.cancel()
        for worker in self._workers.values():
            worker.release()

    async def drain(self) -> None:
        """Take no more streams, and wait until those that run are over. Cancelling it is safe."""
        self._accepts = False
        while self._running:
            await asyncio.wait(self._running)

    async def over(self, stream_ids: Collection[StreamId]) -> None:
        """Wait until none of these streams runs any more. Cancelling it is safe."""
        names = {_task_name(stream_id) for stream_id in stream_ids}
        if tasks := [task for task in self._running if task.get_name() in names]:
            await asyncio.wait(tasks)

    @property
    def accepts(self) -> bool:
        """Whether new streams are taken."""
        return self._accepts

    @property
    def workers(self) -> Mapping[StreamId, W]:
        """The live streams."""
        return self._workers

    @property
    def recent(self) -> tuple[Any, ...]:
        """The last statistics of streams that ended, oldest first."""
        return tuple(self._recent)

    def verdicts(self) -> dict[str, int]:
        """Signals by what was decided about them."""
        return dict(self._verdicts)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Do something that nobody waits for but, in the end, the leaving of the supervisor. What it
        raises is said in the log.
        """
        task = self._tasks.create_task(_walled(work, name), name=name)
        task.add_done_callback(lambda _: work.close())  # it may be cancelled before it begins
        return task

    def errand(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """As `spawn`, of what another engine can begin anew: `release` cancels it."""
        task = self.spawn(work, name)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def accept(self, signal: StreamSignal | AccountSignal) -> None:
        """Act on what a webhook says. Nothing in it waits, so cancelling it cannot cut it in two."""
        match signal:
            case StreamStarted() | StreamInterrupted() | StreamStopped():
                await self._accept_stream_signal(signal)
            case ConcurrencyNearLimit():
                _log.warning("ConcurrencyNeared", app=signal.app, number=signal.number, limit=signal.limit)
            case ConcurrencyLimited():
                _log.error(
                    "ConcurrencyExceeded", app=signal.app, number=signal.number, meeting=signal.entity_id
                )
            case AppDeauthorized():
                _log.warning("AppDeauthorized", app=signal.app)
            case StartFailed():
                _log.error("StartFailed", app=signal.app, reason=signal.reason)

    async def _accept_stream_signal(self, signal: StreamSignal) -> None:
        verdict = self._book.judge(signal)
        self._verdicts[verdict.name.lower()] += 1
        log = _bound(signal)
        match verdict:
            case Verdict.START:
                assert isinstance(signal, StreamStarted)  # noqa: S101 - judge says START to nothing else
                await self._start(signal, log)
            case Verdict.FAILOVER | Verdict.INTERRUPT | Verdict.STOP:
                log.info("StreamSignalled", meaning=verdict.value)
                self._steer(signal, log)
            case Verdict.STALE:
                log.info("WebhookIgnored", reason=verdict.value)
            case Verdict.UNKNOWN_STREAM:
                log.warning("WebhookIgnored", reason=verdict.value, event_name=type(signal).__name__)

    def _steer(self, signal: StreamSignal, log: structlog.typing.FilteringBoundLogger) -> None:
        worker = self._workers.get(signal.stream_id)
        if worker is None:
            return
        if isinstance(signal, StreamStarted) and worker.is_over:
            self._wait_for_the_sinks(signal, log)
            return
        if isinstance(signal, StreamStopped):
            self._waiting.pop(signal.stream_id, None)
        worker.hear(signal)

    def _wait_for_the_sinks(self, signal: StreamStarted, log: structlog.typing.FilteringBoundLogger) -> None:
        """Never two workers for one stream: they would write over each other."""
        log.info("StreamDelayed", reason="the sinks of its earlier part are still finishing")
        self._waiting[signal.stream_id] = signal

    async def take_up(self, start: StreamStarted, stop: StreamStopped | None) -> None:
        """Continue a stream that an earlier engine had; ``stop`` ended it meanwhile."""
        self._book.judge(start)
        await self._start(start, _bound(start), resumed=True)
        worker = self._workers.get(start.stream_id)
        if worker is not None and stop is not None:
            worker.hear(stop)

    async def _start(
        self, signal: StreamStarted, log: structlog.typing.FilteringBoundLogger, *, resumed: bool = False
    ) -> None:
        if not self._accepts:
            log.warning("StreamRefused", reason="the engine is shutting down")
            return
        if signal.stream_id in self._workers:
            self._wait_for_the_sinks(signal, log)
            return
        try:
            worker = self._make_worker(signal, resumed)
        except RtmsError as error:
            self._book.ended(signal.stream_id)
            self._verdicts["refused"] += 1
            log.error("StreamRefused", reason=str(error))
            self.spawn(self._ended(signal.stream_id, None), f"end:{signal.stream_id}")
            return
        log.info("StreamResumed" if resumed else "StreamStarted")
        self._workers[signal.stream_id] = worker
        name = _task_name(signal.stream_id)
        task = self._tasks.create_task(self._run(signal.stream_id, worker), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, stream_id: StreamId, worker: W) -> None:
        try:
            is_over = await behind_a_wall(worker.run(), stream_id)
        finally:
            del self._workers[stream_id]
            last = worker.statistics()
            self._recent.append(last)
            self._remember(last)
            again = self._waiting.pop(stream_id, None)
            if again is None:
                self._book.ended(stream_id)
        if again is not None:  # the stream is not over, so nobody is told that it is
            await self._start(again, _bound(again))
        elif is_over:
            await _walled(self._ended(stream_id, worker.statistics()), f"end:{stream_id}")


def _task_name(stream_id: StreamId) -> str:
    return f"stream:{stream_id}"


async def _walled(work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await work
    except Exception:  # noqa: BLE001 - a wall: what goes wrong with one stream is not another's
        _log.exception("WorkFailed", work=name)


def _bound(signal: StreamSignal) -> structlog.typing.FilteringBoundLogger:
    bound: structlog.typing.FilteringBoundLogger = _log.bind(
        stream_id=signal.stream_id, meeting=signal.entity_id, product=signal.product.name, app=signal.app
    )
    return bound
