"""Says a capture again: a connector whose servers are the records of a file.

What Zoom said comes at its time, whatever the worker says meanwhile. A connection that the worker opens becomes
the next one that the capture has of the same leg: it waits for it if it is early, and hears at once
what it missed if it is late.
"""

import asyncio
from collections import deque

import msgspec

from ..errors import ConnectFailed
from ..transport.base import Receiver
from ..transport.endpoint import Endpoint
from .format import Kind, Record

CONNECT_WITHIN_S = 10.0
"""As long as a real attempt may take; then there is no such connection in the capture."""
CLOSE_WITHIN_S = 5.0
"""As long as a transport takes to close (`rtms_engine.transport.base`)."""
KEPT = 10_000
"""Messages that are kept for a connection that the worker has not opened yet."""


class _Waiting(msgspec.Struct):
    """A call of `connect` that waits for its connection to come up in the capture."""

    url: str
    receiver: Receiver
    made: "asyncio.Future[None]"


class Player:
    """The connector of one stream's replay; `play` it the records in order."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[_Waiting]] = {}
        self._lines: dict[int, _Line] = {}
        """By the capture's number; those that are open there."""
        self._unclaimed: dict[str, _Line] = {}
        """The newest of each leg, if the worker has not opened it."""

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> None:
        """See `rtms_engine.transport.base.Connector`. Raises ConnectFailed, as the capture has it."""
        line = self._unclaimed.pop(receiver.name, None)
        if line is not None:
            line.claim(receiver)
            return
        waiting = _Waiting(endpoint.url, receiver, asyncio.get_running_loop().create_future())
        queue = self._waiting.setdefault(receiver.name, deque())
        queue.append(waiting)
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await waiting.made
        except TimeoutError:
            raise ConnectFailed(endpoint.url, "the capture has no such connection") from None
        finally:
            if waiting in queue:
                queue.remove(waiting)

    def play(self, record: Record) -> None:
        """One thing happens on a connection. Records of other kinds are none of the player's."""
        match record.kind:
            case Kind.RECEIVED:
                if line := self._lines.get(record.connection):
                    line.say(record.data)
            case Kind.CONNECTED:
                self._connected(record)
            case Kind.FAILED if record.data != b"cancelled":
                if waiting := self._next_waiting(record.leg):
                    why = record.data.decode("utf-8", "replace")
                    waiting.made.set_exception(ConnectFailed(waiting.url, why))
            case Kind.LOST | Kind.BROKEN:
                if line := self._lines.pop(record.connection, None):
                    line.lose(record.data.decode("utf-8", "replace"), record.kind is Kind.LOST)
                    if self._unclaimed.get(record.leg) is line:
                        del self._unclaimed[record.leg]

    def _connected(self, record: Record) -> None:
        line = self._lines[record.connection] = _Line()
        if waiting := self._next_waiting(record.leg):
            line.claim(waiting.receiver)
            waiting.made.set_result(None)
        else:
            self._unclaimed[record.leg] = line

    def _next_waiting(self, leg: str) -> _Waiting | None:
        queue = self._waiting.get(leg)
        while queue:
            waiting = queue.popleft()
            if not waiting.made.done():
                return waiting
        return None


class _Line:
    """One connection; the worker's `Transport`."""

    def __init__(self) -> None:
        self._receiver: Receiver | None = None
        self._missed: deque[bytes] = deque(maxlen=KEPT)
        self._is_over = False
        self._closing: asyncio.TimerHandle | None = None

    # --- the capture's side ---

    def claim(self, receiver: Receiver) -> None:
        """The worker opens it."""
        self._receiver = receiver
        receiver.connection_made(self)
        while self._missed and not self._is_over:
            receiver.message_received(self._missed.popleft())

    def say(self, message: bytes) -> None:
        """A message from Zoom."""
        if self._receiver is None:
            self._missed.append(message)
        elif not self._is_over:
            self._receiver.message_received(message)

    def lose(self, why: str, was_up: bool) -> None:
        """The connection is gone; see `Receiver.connection_lost`."""
        if self._closing is not None:
            self._closing.cancel()
        if not self._is_over:
            self._is_over = True
            if self._receiver is not None:
                self._receiver.connection_lost(why, was_up)

    # --- Transport ---

    def send(self, message: bytes) -> None:
        """See `Transport`. Nobody hears it."""

    def close(self) -> None:
        """See `Transport`."""
        if self._closing is None and not self._is_over:
            loop = asyncio.get_running_loop()
            self._closing = loop.call_later(CLOSE_WITHIN_S, self.lose, "closed by us with 1000 (OK)", True)

    def abort(self) -> None:
        """See `Transport`."""
        if not self._is_over:
            self._is_over = True
            if self._closing is not None:
                self._closing.cancel()
            if self._receiver is not None:
                why = "lost without a close frame"
                asyncio.get_running_loop().call_soon(self._receiver.connection_lost, why, False)

    def round_trip_s(self) -> float | None:
        """See `Transport`: a capture does not tell."""
        return None
