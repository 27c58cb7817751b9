"""Who is connected and has not asked for anything yet, for how long, and who must go. Pure; time is handed in.

A connection costs memory and a file descriptor, and anybody may open one. So whoever waits, before a first
request or between two, does so for a bounded time; and where the places are taken, the one who has waited for
longest makes room. Whoever is being served stays: that ends by itself, within what a handler may take.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

import msgspec

G = TypeVar("G", bound=Hashable)


class Bounds(msgspec.Struct, frozen=True):
    """Of a server's connections."""

    head_s: float = 10.0
    """From the connection, or the first byte of a later request, to the end of the request's head."""
    idle_s: float = 150.0
    """From an answer to the first byte of the next request. Longer than proxies keep connections (nginx 60 s,
    Caddy 120 s): they must be the ones who close, or a webhook could get lost on a connection that is closing.
    """
    connections: int = 4096
    """Altogether."""
    waiting_per_address: int = 512
    """Of one address, without a request that is being served: a proxy's whole burst is, an attacker's is not."""


class Lobby(Generic[G]):
    """The guests of one server."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._address: dict[G, str] = {}
        """Of everybody who is here, served or not."""
        self._speaking: OrderedDict[G, float] = OrderedDict()
        """Whose request's head is not complete, and since when; the longest first."""
        self._resting: OrderedDict[G, float] = OrderedDict()
        """Who has been answered and has not asked again."""
        self._waiting: dict[str, OrderedDict[G, None]] = {}
        """Both, by address."""

    def __repr__(self) -> str:
        waiting = len(self._speaking) + len(self._resting)
        return f"<Lobby guests={len(self._address)} waiting={waiting}>"

    @property
    def has_room(self) -> bool:
        """Whether one more may come in, perhaps for one who waits."""
        return len(self._address) < self._bounds.connections or bool(self._speaking or self._resting)

    def arrives(self, guest: G, address: str, now: float) -> list[G]:
        """Somebody is connected. Returns who must go for it."""
        self._address[guest] = address
        going = []
        if len(self._waiting.get(address, ())) >= self._bounds.waiting_per_address:
            going.append(next(iter(self._waiting[address])))
        elif len(self._address) > self._bounds.connections:
            oldest = [next(iter(one.items())) for one in (self._speaking, self._resting) if one]
            going += [guest for guest, _ in sorted(oldest, key=lambda one: one[1])[:1]]
        for one in going:
            self.leaves(one)
        self._wait(guest, self._speaking, now)
        return going

    def speaks(self, guest: G, now: float) -> None:
        """The first bytes of a further request have come."""
        if guest in self._resting:
            self._wait(guest, self._speaking, now)

    def is_served(self, guest: G) -> None:
        """A request's head is complete; its handler is at it."""
        self._forget(guest)

    def rests(self, guest: G, now: float) -> None:
        """It has been answered."""
        if guest in self._address:
            self._wait(guest, self._resting, now)

    def leaves(self, guest: G) -> None:
        """The connection is gone."""
        self._forget(guest)
        self._address.pop(guest, None)

    def deadline(self) -> float | None:
        """When somebody will have waited for too long; None if nobody waits."""
        ends = [next(iter(waiting.values())) + most_s for waiting, most_s in self._waits() if waiting]
        return min(ends, default=None)

    def on_deadline(self, now: float) -> list[G]:
        """Who has waited for too long; they have left."""
        going = [
            guest
            for waiting, most_s in self._waits()
            for guest, since in waiting.items()
            if since + most_s <= now
        ]
        for guest in going:
            self.leaves(guest)
        return going

    def _waits(self) -> tuple[tuple[OrderedDict[G, float], float], ...]:
        return (self._speaking, self._bounds.head_s), (self._resting, self._bounds.idle_s)

    def _wait(self, guest: G, where: OrderedDict[G, float], now: float) -> None:
        self._forget(guest)
        where[guest] = now
        self._waiting.setdefault(self._address[guest], OrderedDict())[guest] = None

    def _forget(self, guest: G) -> None:
        self._speaking.pop(guest, None)
        self._resting.pop(guest, None)
        address = self._address.get(guest, "")
        if waiting := self._waiting.get(address):
            waiting.pop(guest, None)
            if not waiting:
                del self._waiting[address]
