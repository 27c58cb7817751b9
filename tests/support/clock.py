"""A loop on which time costs nothing: when nothing is ready, it jumps to the next timer.

Real sockets work on it. Between two sockets of this process the kernel delivers during the send, so
one poll sees everything that is on its way; only under load it may defer the delivery to another
thread of its own. Hence a long jump, which could skip over such data and wake a watchdog, is
preceded by a poll that really waits, and a short one by giving up the processor once.

A thread at work would not hold the clock back, so `run_in_executor` runs its function at once.
"""

import asyncio
import os
import selectors
from collections.abc import Callable
from typing import Any, TypeVar

from rtms_engine.capture.clock import SelectorOfTime

_LONG_JUMP_S = 0.5
_GRACE_S = 0.001
_PATIENCE_S = 5.0

_T = TypeVar("_T")


class EveryTaskWaits(RuntimeError):
    """No timer is set and no socket has had anything to say for some real seconds."""


class _VirtualSelector(SelectorOfTime):
    def __init__(self, patience_s: float) -> None:
        super().__init__(0.0)
        self._patience_s = patience_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self.real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            return self._last_hope()
        if self._has_sockets():
            if timeout < _LONG_JUMP_S:
                os.sched_yield()
            if ready := self.real.select(_GRACE_S if timeout >= _LONG_JUMP_S else 0):
                return ready
        self.now += timeout
        return []

    def _has_sockets(self) -> bool:
        return len(self.real.get_map()) > 1  # the first is the loop's own, for signals and threads

    def _last_hope(self) -> list[tuple[selectors.SelectorKey, int]]:
        if ready := self.real.select(self._patience_s):
            return ready
        raise EveryTaskWaits(f"every task waits: at {self.now:.3f} s there is neither a timer nor any data")


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time` starts at 0 and moves only when nothing else can happen."""

    def __init__(self, patience_s: float = _PATIENCE_S) -> None:
        """``patience_s``: real seconds to wait for data when no timer is set."""
        self._virtual = _VirtualSelector(patience_s)
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., _T], *args: Any
    ) -> asyncio.Future[_T]:
        """Run ``func`` here and now; the future is done when this returns."""
        future: asyncio.Future[_T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future
