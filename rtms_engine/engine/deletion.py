"""What is deleted: what has been kept long enough, what an app must not have any more, what somebody asks for."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from ..api.face import Deleted
from ..keeping import CAPTURES
from ..model.ids import StreamId
from ..model.reasons import StopReason
from ..model.signals import AppDeauthorized, StreamStopped
from ..supervisor.supervisor import Supervisor
from .terms import InForce

SWEEP_S = 3600.0
"""How often is looked for what has been kept long enough."""
AGAIN_S = 60.0
"""After a first attempt to delete that failed; later ones wait twice as long each, up to `SWEEP_S`."""


class Deletion:
    """Has the keeper that is in force delete, in threads; what takes long are errands of the supervisor.

    Args:
        terms: they have the keeper.
        supervisor: whose streams are left alone, or stopped first.
        stop: takes the stop of a stream as if Zoom had sent it.
        forget: told of a stream of which nothing was left.
    """

    def __init__(
        self,
        terms: InForce,
        supervisor: Supervisor[Any],
        stop: Callable[[StreamStopped], Awaitable[object]],
        forget: Callable[[StreamId], None],
    ) -> None:
        self._terms = terms
        self._supervisor = supervisor
        self._stop = stop
        self._forget = forget
        self._changed = asyncio.Event()

    async def begin(self) -> None:
        """Complete what an earlier engine had begun, and look now and then for what is over."""
        await asyncio.to_thread(self._terms().keeper.complete)
        for number, signal in await asyncio.to_thread(self._terms().keeper.open_deauthorizations):
            self._begin_deauthorization(signal, number)
        self._supervisor.errand(self._sweep(), "retention")

    def terms_changed(self) -> None:
        """Other policies are in force: look at once for what is over."""
        self._changed.set()

    async def deauthorized(self, signal: AppDeauthorized) -> None:
        """Write down that an account took back what it allowed an app, and begin to delete."""
        number = await asyncio.to_thread(self._terms().keeper.deauthorization_requested, signal)
        self._begin_deauthorization(signal, number)

    async def delete_stored(self, stream_id: StreamId, by: str) -> Deleted:
        """Delete what sinks and captures have stored of a stream that does not run; ``by`` is who wants it."""
        keeper = self._terms().keeper
        captures = await asyncio.to_thread(keeper.captured, stream_id)
        removals, is_complete = await asyncio.to_thread(keeper.delete_stream, stream_id, by)
        if removals or captures:
            self._forget(stream_id)
        files = sum(one.files for one in removals if one.sink != CAPTURES) + captures
        size = sum(one.bytes for one in removals)
        return Deleted(files, size, bool(removals or captures or not is_complete), is_complete)

    def _begin_deauthorization(self, signal: AppDeauthorized, number: int) -> None:
        self._supervisor.errand(self._deauthorize(signal, number), f"deauthorize:{number}")

    async def _deauthorize(self, signal: AppDeauthorized, number: int) -> None:
        """Delete what an app has of an account: at once what is over, and with their end what runs. What cannot be
        deleted is tried again and again, by a restarted engine too.
        """
        mine = {
            worker.info.stream_id: worker.info
            for worker in self._supervisor.workers.values()
            if worker.info.app == signal.app
            and worker.info.account_id in ("", signal.account_id)
            and worker.info.started_ms <= signal.event_ts_ms
        }
        for info in mine.values():
            stop = StreamStopped(
                info.app,
                info.product,
                info.entity_id,
                info.stream_id,
                signal.event_ts_ms,
                int(StopReason.STREAM_REVOKED),
            )
            await self._stop(stop)
        await asyncio.to_thread(self._terms().keeper.deauthorize, signal, frozenset(mine))
        await self._supervisor.over(mine)
        # One that was over, and whose sinks were just finishing, did not hear of it.
        pause_s = AGAIN_S
        while not await asyncio.to_thread(self._terms().keeper.deauthorize, signal):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, SWEEP_S)
        await asyncio.to_thread(self._terms().keeper.deauthorization_completed, number)

    async def _sweep(self) -> None:
        """Delete what is over: now, every hour, and when the policies changed."""
        while True:
            self._changed.clear()
            keeper = self._terms().keeper
            if keeper.has_work:
                await asyncio.to_thread(keeper.sweep, frozenset(self._supervisor.workers))
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S if keeper.has_work else None):
                    await self._changed.wait()
