"""One timer for one machine."""

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls back when a machine's deadline has come.

    A deadline that moves away with every message is not re-armed with every message: the timer fires
    at the old time, finds that it is early, and sleeps on.
    """

    def __init__(self, deadline: Callable[[], float | None], ring: Callable[[float], None]) -> None:
        """
        Args:
            deadline: the machine's, in the loop's time; None for none.
            ring: called with the time once the deadline has come.
        """
        self._deadline = deadline
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def arm(self) -> None:
        """To be called whenever the deadline may have come nearer."""
        deadline = self._deadline()
        if deadline is None:
            return
        if self._timer is None or deadline < self._timer.when():
            self.cancel()
            self._timer = self._loop.call_at(deadline, self._fire)

    def cancel(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        now = self._loop.time()
        deadline = self._deadline()
        if deadline is not None and now >= deadline:
            self._ring(now)
        self.arm()
