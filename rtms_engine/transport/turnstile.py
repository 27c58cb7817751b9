"""Lets connections be opened one after the other, however many are wanted at once.

Thousands of streams may start in one instant, or lose their server in one. To open all of their
connections at once helps none: each TLS handshake takes a millisecond of the loop, so every turn of the
loop would take seconds, webhooks and keep-alives would wait for it, and in the end all handshakes
would miss their time together. Here one is let through with each turn of the loop; so the loop stays quick,
and streams become live in order, not all of them last.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .base import Connector, Receiver
from .endpoint import Endpoint

MOST_OPENING = 200
"""Connections that are being opened at the same time: at 200 ms for each, a thousand a second."""

SIGNALING = "signaling"


class Turnstile:
    """Who may open a connection now.

    Args:
        most: how many may do so at the same time.
    """

    def __init__(self, most: int = MOST_OPENING) -> None:
        self._most = most
        self._inside = 0
        self._first: deque[asyncio.Future[None]] = deque()
        self._then: deque[asyncio.Future[None]] = deque()
        self._turning: asyncio.Handle | None = None

    def __repr__(self) -> str:
        return f"<Turnstile inside={self._inside} waiting={len(self._first) + len(self._then)}>"

    @asynccontextmanager
    async def passage(self, *, first: bool) -> AsyncIterator[None]:
        """Wait for the turn, and be inside while the block runs. Cancelling it is safe.

        Args:
            first: before all those that are not.
        """
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._first if first else self._then).append(turn)
        self._turn_soon()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._inside -= 1
            self._turn_soon()

    def _turn_soon(self) -> None:
        if self._turning is None and self._inside < self._most and (self._first or self._then):
            self._turning = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._turning = None
        for waiting in (self._first, self._then):
            while waiting:
                turn = waiting.popleft()
                if not turn.done():  # not cancelled
                    self._inside += 1
                    turn.set_result(None)
                    self._turn_soon()
                    return


class OrderlyConnector:
    """A connector that opens connections in their turn: media first, so that what has begun to join is
    joined before anything else begins.
    """

    def __init__(self, connector: Connector, turnstile: Turnstile) -> None:
        self._connector = connector
        self._turnstile = turnstile

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> None:
        """See `rtms_engine.transport.base.Connector`. Its time begins with its turn."""
        async with self._turnstile.passage(first=receiver.name != SIGNALING):
            await self._connector.connect(endpoint, receiver)
