"""How the loop and the processes fare."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from ..api.engine import ProcessStatus
from ..processes.pool import ProcessStatistics
from ..telemetry.load import Load
from ..telemetry.loop_lag import LoopLag


class Vitals:
    """Measures this process while its ``async with`` block runs; the others measure themselves.

    Args:
        processes: those that streams run in; none if that is this one.
    """

    def __init__(self, processes: Callable[[], Sequence[ProcessStatistics]]) -> None:
        self._processes = processes
        self._lag = LoopLag(0.0)
        self._load = Load()
        self._ticks = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._lag = LoopLag(asyncio.get_running_loop().time())
        self._tick()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._ticks.aclose()

    def loop_lags(self) -> Mapping[str, float]:
        """How much each event loop lags behind, in seconds, by the name of its process."""
        return {one.name: one.lag_s for one in self.statuses(0)}

    def statuses(self, streams: int) -> list[ProcessStatus]:
        """All processes, this one first.

        Args:
            streams: that run, wherever.
        """
        others = self._processes()
        return [
            ProcessStatus("engine", 0 if others else streams, self._load.share, self._lag.lag_s),
            *(ProcessStatus(str(one.number), one.streams, one.load, one.lag_s) for one in others),
        ]

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._ticks.pop_all()
        self._load.note(loop.time(), time.process_time())
        self._ticks.callback(loop.call_at(self._lag.tick(loop.time()), self._tick).cancel)
