"""Time in a simulated meeting: its timeline, Zoom's deadlines, and windows that run out (V1.md §7)."""

import asyncio
from collections.abc import Callable

import msgspec


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Zoom's timers; seconds unless the name says otherwise."""

    keep_alive_interval_s: float = 10.0
    unanswered_keep_alives: int = 3
    """So many in a row end a connection."""
    connect_window_s: float = 60.0
    """From ``*_started`` to the signaling handshake; not published, assumed (V1.md §7)."""
    signaling_window_s: float = 60.0
    media_window_s: float = 65.0
    handshake_s: float = 10.0
    """From an open socket to its first message."""
    audio_buffer_ms: int = 60_000


class Timeline:
    """Where a meeting is in its script, and what time that is on the wire.

    Args:
        epoch_ms: Unix milliseconds of the script's millisecond 0.
        speed: script seconds per second.
        from_ms: where it is now.
    """

    def __init__(self, epoch_ms: int, speed: float, from_ms: float = 0.0) -> None:
        self._loop = asyncio.get_running_loop()
        self._started_at = self._loop.time() - from_ms / 1000 / speed
        self._speed = speed
        self.epoch_ms = epoch_ms

    @property
    def position_ms(self) -> float:
        """Milliseconds of the script that have passed."""
        return round((self._loop.time() - self._started_at) * 1000 * self._speed, 3)

    @property
    def unix_ms(self) -> int:
        """The time on the wire."""
        return self.epoch_ms + int(self.position_ms)

    async def reach(self, position_ms: float) -> None:
        """Return at that place of the script; at once if it has passed."""
        delay_s = self._started_at + position_ms / 1000 / self._speed - self._loop.time()
        if delay_s > 0:
            await asyncio.sleep(delay_s)


class Windows:
    """Times that run out unless they are closed, by name."""

    def __init__(self) -> None:
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def open(self, name: str, seconds: float, run_out: Callable[[], object]) -> None:
        """Call ``run_out`` after ``seconds``; a window of that name that is open stays as it is."""
        if name not in self._timers:
            self._timers[name] = asyncio.get_running_loop().call_later(seconds, self._run_out, name, run_out)

    def close(self, name: str) -> None:
        """The window is no longer needed; nothing happens if there is none."""
        if timer := self._timers.pop(name, None):
            timer.cancel()

    def close_all(self) -> None:
        """None is needed any more."""
        for name in list(self._timers):
            self.close(name)

    def _run_out(self, name: str, run_out: Callable[[], object]) -> None:
        del self._timers[name]
        run_out()
