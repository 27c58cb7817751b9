"""The loop of a replay: its time is the capture's.

When nothing is ready, time goes on to the next timer: at once, or at a chosen pace. It stands still while a
thread or a sink is at work, so nothing depends on how fast this machine is, and no sink can fall behind.
"""

import asyncio
import contextlib
import math
import selectors
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

PATIENCE_S = 5.0
"""So long does time stand still for a sink that waits for something outside; then it goes on, at its real
pace, so that the sink's own timeouts come."""

_T = TypeVar("_T")


class SelectorOfTime(selectors.BaseSelector):
    """Stands before the real selector, so that whoever derives from it decides how time passes in `select`."""

    def __init__(self, now: float) -> None:
        self.now = now
        """Seconds."""
        self.real = selectors.DefaultSelector()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the real one does."""
        return self.real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """As the real one does."""
        return self.real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the real one does."""
        return self.real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Of the real one."""
        return self.real.get_map()

    def close(self) -> None:
        """The real one too."""
        self.real.close()


class _Selector(SelectorOfTime):
    """Turns waiting for a timer into passing of time."""

    def __init__(self, start_s: float, speed: float) -> None:
        super().__init__(start_s)
        self.holders = 0
        self.threads = 0
        """Functions at work in a thread."""
        self.settled: list[asyncio.Future[None]] = []
        """Who waits until nothing more happens at this time."""
        self._speed = speed
        self._waited_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self.real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.holders or self.threads or (timeout is None and not self.settled):
            return self._wait(timeout)
        self._waited_s = 0.0
        if self.settled:
            return self._tell_settled()
        if math.isfinite(self._speed):
            began = time.monotonic()
            if ready := self.real.select((timeout or 0) / self._speed):
                self.now += min(timeout or 0, (time.monotonic() - began) * self._speed)
                return ready
        self.now += timeout or 0
        return []

    def _tell_settled(self) -> list[tuple[selectors.SelectorKey, int]]:
        settled, self.settled = self.settled, []
        for future in settled:
            if not future.done():
                future.set_result(None)
        return []

    def _wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Really wait; for a sink at work, time stands still at first."""
        began = time.monotonic()
        ready = self.real.select(timeout if timeout is None else min(timeout, 0.1))
        waited_s = time.monotonic() - began
        self._waited_s = 0.0 if ready or self.threads else self._waited_s + waited_s
        if self._waited_s > PATIENCE_S:
            self.now += waited_s
        return ready


class ReplayLoop(asyncio.SelectorEventLoop):
    """An event loop that lives in the time of a capture."""

    def __init__(self, start_s: float = 0.0, speed: float = math.inf) -> None:
        """
        Args:
            start_s: its first time, seconds.
            speed: how many of its seconds go by in a real one; infinite: as fast as the work is done.
        """
        self._selector_of_time = _Selector(start_s, speed)
        super().__init__(self._selector_of_time)
        self.set_default_executor(ThreadPoolExecutor(1, "replay"))

    def time(self) -> float:
        """The capture's time, seconds."""
        return self._selector_of_time.now

    def advance(self, to_s: float) -> None:
        """It is that late now; timers that were due before come after this."""
        self._selector_of_time.now = max(self._selector_of_time.now, to_s)

    async def until(self, time_s: float) -> None:
        """Wait for a time, and then until all that happened up to it has had its effect."""
        if time_s > self.time():
            await asyncio.sleep(time_s - self.time())
        settled = self.create_future()
        self._selector_of_time.settled.append(settled)
        await settled

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Time stands still meanwhile."""
        self._selector_of_time.holders += 1
        try:
            yield
        finally:
            self._selector_of_time.holders -= 1

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., _T], *args: Any
    ) -> asyncio.Future[_T]:
        """Run ``func`` in a thread, one after the other; time stands still meanwhile."""
        self._selector_of_time.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: object) -> None:
        self._selector_of_time.threads -= 1
