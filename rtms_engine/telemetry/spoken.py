"""A `Throttle` with a timer: what is held back is said within the period, whether or not more comes."""

from collections.abc import Callable
from typing import Protocol

from .throttle import Throttle


class Timer(Protocol):
    """Something that was asked for and can be called off."""

    def cancel(self) -> None:
        """It is not wanted any more."""


class Loop(Protocol):
    """What is needed of an event loop."""

    def time(self) -> float:
        """Monotonic seconds."""

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        """Call it then."""


class Spoken:
    """Says once in a period how often something happened. Close it.

    Args:
        say: given the sum.
        period_s: seconds.
    """

    def __init__(self, say: Callable[[int], None], period_s: float = 1.0) -> None:
        self._say = say
        self._throttle = Throttle(period_s)
        self._timer: Timer | None = None

    def note(self, loop: Loop) -> None:
        """It happened; say so now, or within the period, on this loop."""
        if (count := self._throttle.note(1, loop.time())) is not None:
            self._say(count)
        deadline = self._throttle.deadline()
        if deadline is not None and self._timer is None:
            self._timer = loop.call_at(deadline, self._say_rest)

    def close(self) -> None:
        """Say what has not been said."""
        if self._timer is not None:
            self._timer.cancel()
            self._say_rest()

    def _say_rest(self) -> None:
        self._timer = None
        if (count := self._throttle.flush()) is not None:
            self._say(count)
