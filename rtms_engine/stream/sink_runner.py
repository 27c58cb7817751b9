"""The task around one sink of one stream.

`offer` never waits: it is called from within the reader of a socket. Everything that can take time
happens in the runner's own task, in batches; what a sink can `write_now` needs neither task nor queue. What
is too much for the queue goes by the policy of its kind (`rtms_engine.sinks.delivery`), counted and said once
a second. Whatever a sink does, it ends here.
"""

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import structlog

from ..errors import SinkError
from ..model.events import ItemsDropped, SinkDetached, StreamEvent
from ..model.media import MediaKind
from ..model.reasons import Outcome, StopReason
from ..sinks.base import Ending, Item, Sink, StreamInfo
from ..sinks.delivery import Delivery
from ..telemetry.throttle import Throttle
from .overspill import Overspill, SpillFile
from .sink_call import Abandoned, CutShort, call, watched
from .sink_queue import SinkQueue, Taker, kind_of

SUMMARY_S = 1.0
"""How often losses are said."""


class SinkStatistics(msgspec.Struct, frozen=True):
    """What a sink got, and how it fares."""

    name: str
    state: str
    """``new``, ``open``, ``closed`` or ``detached``."""
    written: dict[str, int]
    """Items by kind, ``event`` for events."""
    dropped: int
    """Items that it should have had and never got."""
    queued: int
    """Items that wait in memory."""
    dropped_by_kind: dict[str, int] = {}
    queued_bytes: int = 0
    spilled_bytes: int = 0
    """What waits on disk."""
    batches: int = 0
    """Written by the sink's task; what it took at once is in none."""
    failures: int = 0
    """Calls of its verbs that failed."""
    restarts: int = 0
    blocked_s: float = 0.0
    """For how long it has kept the event loop, in steps that were too long."""


class _Failed(Exception):
    """An instance can go on no more.

    ``sink`` is None if it must not be closed; ``defect`` is what it raised, unless that was a
    `SinkError`.
    """

    def __init__(self, verb: str, reason: str, sink: Sink | None, defect: Exception | None = None) -> None:
        super().__init__(verb, reason)
        self.verb = verb
        self.reason = reason
        self.sink = sink
        self.defect = defect


class SinkRunner:
    """Feeds one sink of one stream.

    Args:
        name: of the sink, in logs and manifests.
        make: makes an instance of it; called again when one is to be replaced.
        kinds: the media it gets.
        delivery: how it is fed.
        spill: where items may wait on disk; None: nowhere, and they are dropped instead.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Sink],
        kinds: frozenset[MediaKind],
        delivery: Delivery | None = None,
        spill: SpillFile | None = None,
    ) -> None:
        self.name = name
        self.kinds = kinds
        self._make = make
        self._delivery = delivery or Delivery()
        self._wake = asyncio.Event()
        spills = spill is not None and self._delivery.overflow.spills
        self._queue = SinkQueue(
            self._delivery,
            on_work=self._wake.set,
            on_loss=self._note_loss,
            on_overrun=self._overrun,
            on_spill=self._spill if spills else None,
        )
        self._overspill = Overspill(self._queue, spill, self._spill_failed) if spill and spills else None
        self.offer: Callable[[Item], None] = self._queue.put
        """Take one item, at once."""
        self._state = "new"
        self._pending: Sequence[Item] = ()
        """The batch that is being written, until it is."""
        self._unfinished: Awaitable[None] | None = None
        """What is left of the `write_now` that the pending batch went into."""
        self._ending: Ending | None = None
        self._limit: asyncio.Timeout | None = None
        self._announce: Callable[[StreamEvent], None] = lambda _: None
        self._unix_ms: Callable[[], int] = lambda: 0
        self._summary: asyncio.Handle | None = None
        self._counts = _Counts()
        self._log = structlog.get_logger().bind(sink=name)

    def __repr__(self) -> str:
        return f"<SinkRunner {self.name} {self._state} {self._queue!r}>"

    def finish(self, ending: Ending) -> None:
        """The stream is over: write what is queued, close the sink, and let `run` return, in time."""
        self._say_losses()
        self._ending = ending
        self._wake.set()
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._delivery.close_timeout_s)

    def statistics(self) -> SinkStatistics:
        """What happened so far."""
        counts, queue = self._counts, self._queue
        return SinkStatistics(
            self.name,
            self._state,
            dict(counts.written),
            sum(queue.dropped.values()),
            len(queue),
            dict(queue.dropped),
            queue.payload_bytes,
            queue.spilled_bytes,
            counts.batches,
            counts.failures,
            counts.restarts,
            counts.blocked_s,
        )

    async def run(
        self,
        stream: StreamInfo,
        announce: Callable[[StreamEvent], None] | None = None,
        unix_ms: Callable[[], int] | None = None,
    ) -> None:
        """Open the sink, feed it until `finish`, close it. A failing sink ends here, not beyond.

        Args:
            stream: what the sink is told.
            announce: told, as an event for every sink, of what this one loses.
            unix_ms: the wall clock.

        One that hangs in any of its verbs is abandoned ``close_timeout_s`` after the stream's end.
        Cancelling this abandons it within seconds.
        """
        self._announce = announce or self._announce
        self._unix_ms = unix_ms or self._unix_ms
        limit_s = self._delivery.close_timeout_s
        try:
            async with asyncio.timeout(limit_s if self._ending else None) as self._limit:
                await self._serve_with_spill(stream)
        except TimeoutError:
            self._detach("close", f"it did not finish within {limit_s:g} s", event="SinkAbandoned")
        finally:
            self._limit = None
            if inspect.iscoroutine(self._unfinished):
                self._unfinished.close()
            self._queue.lose(self._pending)
            self._queue.close()
            self._say_losses()
            if self._summary is not None:
                self._summary.cancel()
            if self._overspill is not None:
                self._overspill.close()

    # --- its life ---

    async def _serve_with_spill(self, stream: StreamInfo) -> None:
        if self._overspill is None:
            await self._serve(stream)
            return
        async with asyncio.TaskGroup() as tasks:
            spilling = tasks.create_task(self._overspill.run(), name=f"spill:{self.name}")
            await self._serve(stream)
            spilling.cancel()

    async def _serve(self, stream: StreamInfo) -> None:
        """One instance after the other, until one lives to see the end or none is left."""
        while True:
            try:
                sink = await self._open(stream)
                await self._feed(sink)
            except _Failed as failed:
                stream = await self._replace(failed, stream)
                if self._state == "detached":
                    await self._end(failed.sink, stream)
                    return
            else:
                await self._end(sink, stream)
                if self._state == "open":
                    self._state = "closed"
                return

    async def _replace(self, failed: _Failed, stream: StreamInfo) -> StreamInfo:
        """Make way for another instance, or detach the sink. Returns what the next one is told."""
        if self._counts.restarts >= self._delivery.restarts or self._queue.is_closed:
            self._detach(failed.verb, failed.reason, defect=failed.defect)
            return stream
        self._counts.restarts += 1
        pause_s = self._delivery.pause_s(self._counts.restarts)
        self._log.warning(
            "SinkRestarted",
            verb=failed.verb,
            reason=failed.reason,
            pause_s=pause_s,
            exc_info=failed.defect,
        )
        if failed.sink is not None:
            detail = "the sink failed; another instance of it goes on"
            await self._close(
                failed.sink, Ending(StopReason.UNDEFINED, self._unix_ms(), detail, is_released=True)
            )
        await asyncio.sleep(pause_s)
        return msgspec.structs.replace(stream, resumed=stream.resumed or failed.verb == "write")

    async def _open(self, stream: StreamInfo) -> Sink:
        try:
            sink = self._make()
        except Exception as error:
            raise self._failure("make", error, None) from error
        try:
            await self._call("open", sink.open, stream)
        except Exception as error:
            raise self._failure("open", error, None) from error
        if self._state == "new":  # it may have opened so slowly that it is detached already
            self._state = "open"
        return sink

    async def _feed(self, sink: Sink) -> None:
        """Until the end, or until the sink is detached."""
        taker = self._taker_for(sink)
        while await self._fetch(taker):
            await self._write(sink, self._pending)
            self._counts.note_written(self._pending)
            self._pending = ()

    def _taker_for(self, sink: Sink) -> Taker | None:
        write_now = getattr(sink, "write_now", None)
        if write_now is None or self._delivery.linger_s:
            return None
        take = partial(contextvars.copy_context().run, write_now)
        return partial(self._write_now, take, partial(self._blocked, "write"))

    def _write_now(
        self, take: Callable[[Item], Awaitable[None] | None], blocked: Callable[[float], None], item: Item
    ) -> bool:
        """A `Taker`, without queue and task; what is left to do is the task's."""
        try:
            rest = watched(take, item, blocked)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the wall around sinks
            rest = _raise(error)
        if rest is None:
            self._counts.note_one(item)
            return True
        self._pending, self._unfinished = (item,), rest
        return False

    async def _write(self, sink: Sink, batch: Sequence[Item]) -> None:
        retries = 0
        while True:
            try:
                await self._try_to_write(sink, batch)
            except Exception as error:
                failed = self._failure("write", error, sink)
                if failed.sink is None or retries >= self._delivery.retries or self._queue.is_closed:
                    raise failed from error
            else:
                return
            retries += 1
            pause_s = self._delivery.pause_s(retries)
            self._log.warning(
                "SinkWriteFailed",
                reason=failed.reason,
                attempt=retries,
                pause_s=pause_s,
                exc_info=failed.defect,
            )
            await asyncio.sleep(pause_s)

    async def _try_to_write(self, sink: Sink, batch: Sequence[Item]) -> None:
        unfinished, self._unfinished = self._unfinished, None
        await self._call("write", sink.write if unfinished is None else lambda _: unfinished, batch)

    async def _end(self, sink: Sink | None, stream: StreamInfo) -> None:
        """Wait for the end, and close the instance that there is."""
        while self._ending is None:
            self._wake.clear()
            await self._wake.wait()
        if sink is None and self._ending.stop_reason.outcome is Outcome.ERASE:
            sink = await self._open_to_erase(stream)
        if sink is not None:
            await self._close(sink, self._ending)

    async def _open_to_erase(self, stream: StreamInfo) -> Sink | None:
        """No instance is left, but what the earlier ones stored must go."""
        try:
            return await self._open(msgspec.structs.replace(stream, resumed=True))
        except _Failed as failed:
            self._log.error(
                "SinkFailed",
                verb=failed.verb,
                reason=f"what it stored may still be there: {failed.reason}",
                exc_info=failed.defect,
            )
            return None

    async def _close(self, sink: Sink, ending: Ending) -> None:
        try:
            await self._call("close", sink.close, ending, limited=ending.is_released)
        except Exception as error:  # noqa: BLE001 - the same wall
            failed = self._failure("close", error, None)
            self._log.error("SinkFailed", verb="close", reason=failed.reason, exc_info=failed.defect)
            if ending is self._ending:
                self._state = "detached"

    async def _call(
        self, verb: str, function: Callable[[Any], Awaitable[None]], argument: Any, *, limited: bool = True
    ) -> None:
        """``limited``: by ``timeout_s``; the last `close` has what is left of ``close_timeout_s``."""
        await call(
            function,
            argument,
            timeout_s=self._delivery.timeout_s if limited else 0,
            blocked=lambda took_s: self._blocked(verb, took_s),
        )

    def _failure(self, verb: str, error: Exception, sink: Sink | None) -> _Failed:
        """What became of an instance in a verb."""
        self._counts.failures += 1
        match error:
            case SinkError():
                return _Failed(verb, str(error), sink)
            case Abandoned():
                return _Failed(verb, "it took too long, and ignored that it was cancelled", None)
            case CutShort():
                return _Failed(verb, f"it took longer than {self._delivery.timeout_s:g} s", sink)
        return _Failed(verb, "defect in the sink", sink, error)

    # --- what comes next ---

    async def _fetch(self, taker: Taker | None) -> bool:
        """Have a batch pending, or what `taker` has left unfinished, as soon as there is; False at the end."""
        while not self._pending and self._unfinished is None:
            if batch := self._queue.take():
                self._pending = batch
            elif self._overspill is not None and self._queue.is_spilling:
                self._pending = await self._overspill.take()
            elif self._ending is not None or self._queue.is_closed:
                self._queue.close()
                return False
            else:
                await self._gather(taker)
        return True

    async def _gather(self, taker: Taker | None) -> None:
        """Wait for an item that `taker` does not take, then for a batch, or for the end."""
        self._wake.clear()
        self._queue.rest(taker)
        try:
            await self._wake.wait()
        finally:
            self._queue.wake()
        linger_s = self._delivery.linger_s
        if linger_s and self._ending is None:
            self._wake.clear()
            self._queue.gather()
            enough = asyncio.get_running_loop().call_later(linger_s, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                enough.cancel()
                self._queue.gathered()

    def _spill(self) -> None:
        if self._overspill is not None:
            self._overspill.wake()

    # --- what goes wrong ---

    def _overrun(self) -> None:
        self._detach("write", "too slow even for what must not be dropped")

    def _spill_failed(self, error: OSError) -> None:
        if not self._queue.is_closed:
            self._log.error("SinkSpillFailed", reason=f"cannot spill to disk: {error.strerror or error}")

    def _blocked(self, verb: str, took_s: float) -> None:
        self._counts.blocked_s += took_s
        blocked_ms = round(took_s * 1000)
        if (sum_ms := self._counts.blocked.note(blocked_ms, asyncio.get_running_loop().time())) is not None:
            self._log.warning(
                "SinkBlockedLoop",
                verb=verb,
                blocked_ms=sum_ms,
                remedy="declare the sink blocking, or use asyncio.to_thread",
            )

    def _detach(
        self, verb: str, reason: str, event: str = "SinkDetached", *, defect: Exception | None = None
    ) -> None:
        """It gets nothing any more; what is queued for it is let go."""
        if self._state == "detached":
            return
        self._state = "detached"
        self._log.error(event, verb=verb, reason=reason, exc_info=defect)
        self._queue.lose(self._pending)
        self._pending = ()
        self._queue.close()
        self._announce(SinkDetached(self._unix_ms(), self.name, reason))
        self._wake.set()

    def _note_loss(self) -> None:
        """Say it soon: all that is lost at this moment is one sum."""
        if self._summary is None:
            self._summary = asyncio.get_running_loop().call_soon(self._summarize)

    def _summarize(self) -> None:
        self._summary = None
        if self._say_losses():
            self._summary = asyncio.get_running_loop().call_later(SUMMARY_S, self._summarize)

    def _say_losses(self) -> bool:
        losses = self._queue.take_losses()
        if losses:
            by_kind = {kind: loss.count for kind, loss in sorted(losses.items())}
            self._log.error("SinkFellBehind", dropped=sum(by_kind.values()), kinds=by_kind)
        for kind, loss in losses.items():
            self._announce(
                ItemsDropped(self._unix_ms(), self.name, kind, loss.count, loss.start_ms, loss.end_ms)
            )
        return bool(losses)


async def _raise(error: BaseException) -> None:
    raise error


class _Counts:
    """What the runner counts, besides the queue."""

    def __init__(self) -> None:
        self.written: dict[str, int] = {}
        self.batches = 0
        self.failures = 0
        self.restarts = 0
        self.blocked_s = 0.0
        self.blocked = Throttle()

    def note_written(self, batch: Sequence[Item]) -> None:
        """A batch is with the sink."""
        self.batches += 1
        for item in batch:
            self.note_one(item)

    def note_one(self, item: Item) -> None:
        """An item is with the sink."""
        kind = kind_of(item)
        self.written[kind] = self.written.get(kind, 0) + 1
