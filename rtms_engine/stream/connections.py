"""The connections of one stream."""

import asyncio

import msgspec

from ..model.media import MediaKind
from ..protocol.connection import Connection, State
from ..protocol.events import SIGNALING, LegId
from .leg_driver import LegDriver


class Connections:
    """The current one of each leg, and those that are closing."""

    def __init__(self) -> None:
        self._current: dict[LegId, tuple[LegDriver[Connection], asyncio.Task[None]]] = {}
        self._closing: set[LegDriver[Connection]] = set()
        self._past: dict[LegId, Traffic] = {}
        self._last_up: dict[LegId, float] = {}

    @property
    def signaling(self) -> LegDriver[Connection] | None:
        """The current signaling connection, if there is one."""
        found = self._current.get(SIGNALING)
        return None if found is None else found[0]

    @property
    def keep_alives(self) -> int:
        """Answered on all connections so far."""
        return sum(self.traffic(leg).keep_alives for leg in {*self._past, *self._current})

    def traffic(self, leg: LegId) -> "Traffic":
        """What came over all connections of a leg so far."""
        past = self._past.get(leg, Traffic())
        found = self._current.get(leg)
        return past + _traffic_of(found[0]) if found else past

    def silent_s(self, leg: LegId, now: float) -> float | None:
        """Since when nothing came over a leg that is connected; None if it is not."""
        found = self._current.get(leg)
        if found is None or found[0].protocol.state is not State.READY:
            return None
        return now - found[0].protocol.last_heard

    def round_trip_s(self, leg: LegId) -> float | None:
        """How long a round trip over a leg takes; None if it is not connected, or nobody knows."""
        found = self._current.get(leg)
        return found[0].round_trip_s() if found else None

    def last_up(self, leg: LegId) -> float:
        """When a leg that has been connected was last known to be up (loop's time)."""
        found = self._current.get(leg)
        return found[0].last_up if found else self._last_up[leg]

    def is_current(self, driver: LegDriver[Connection]) -> bool:
        """Whether it has not been replaced or told to close."""
        found = self._current.get(driver.leg)
        return found is not None and found[0] is driver

    def of(self, kind: MediaKind) -> LegDriver[Connection] | None:
        """The current connection of this kind of media, if there is one and its handshake is done."""
        for leg, (driver, _) in self._current.items():
            if kind in leg.kinds and driver.protocol.state is State.READY:
                return driver
        return None

    def add(self, driver: LegDriver[Connection], opening: asyncio.Task[None]) -> None:
        """A new connection takes the place of its leg; an old one there is closed."""
        if driver.leg in self._current:
            self.close(driver.leg, self._current[driver.leg][0].generation)
        self._current[driver.leg] = (driver, opening)

    def close(self, leg: LegId, generation: int) -> None:
        """Close the connection of a leg, or stop opening it, if it is still that one."""
        found = self._current.get(leg)
        if found is None or found[0].generation != generation:
            return
        driver, opening = self._current[leg]
        self._remove(driver)
        if driver.is_open:
            self._closing.add(driver)
            driver.close()
        else:
            opening.cancel()

    def forget(self, driver: LegDriver[Connection]) -> None:
        """It is closed."""
        self._closing.discard(driver)
        if self.is_current(driver):
            self._remove(driver)

    async def all_closed(self, within_s: float) -> None:
        """Wait for those that are closing; they still deliver what was on its way."""
        if self._closing:
            await asyncio.wait([driver.closed for driver in self._closing], timeout=within_s)

    def abort(self) -> None:
        """Close everything at once."""
        for driver in [*self._closing, *(driver for driver, _ in self._current.values())]:
            driver.abort()

    def _remove(self, driver: LegDriver[Connection]) -> None:
        self._past[driver.leg] = self.traffic(driver.leg)
        self._last_up[driver.leg] = driver.last_up
        del self._current[driver.leg]


class Traffic(msgspec.Struct, frozen=True):
    """What came over connections."""

    messages: int = 0
    bytes: int = 0
    keep_alives: int = 0

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.messages + other.messages,
            self.bytes + other.bytes,
            self.keep_alives + other.keep_alives,
        )


def _traffic_of(driver: LegDriver[Connection]) -> Traffic:
    return Traffic(driver.received, driver.received_bytes, driver.protocol.keep_alives)
