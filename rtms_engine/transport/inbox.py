"""Received messages of many connections, delivered together: TLS in one go, Python in the next.

A socket that is read, its TLS and a frame's way to the sinks fill the processor's caches with different code and
data each. In turns, for each message of hundreds of connections, they push one another out; some messages later
delivered at once, each finds its own still there. No message waits longer than until the loop has looked at the
sockets that had something.
"""

import asyncio
from typing import Protocol

MOST_MESSAGES = 64
"""More are not worth more, and what was received first is to be in the caches still."""
LARGE_BYTES = 16 * 1024
"""A message this large is delivered at once, with those before it."""


class Addressee(Protocol):
    """A connection that messages come from."""

    def deliver(self, message: bytes) -> None:
        """Hand a message on."""

    def abort(self) -> None:
        """Close at once."""


class Inbox:
    """Shared by the connections of one event loop."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Addressee, bytes]] = []

    def put(self, connection: Addressee, message: bytes) -> None:
        """Let a connection deliver this soon, after everything that was put before."""
        waiting = self._waiting
        waiting.append((connection, message))
        if len(waiting) >= MOST_MESSAGES or len(message) >= LARGE_BYTES:
            self.empty()
        elif len(waiting) == 1:
            asyncio.get_running_loop().call_soon(self.empty)

    def empty(self) -> None:
        """Deliver everything. A connection whose receiver raises, which none may, is aborted.

        Nothing is put while a message is delivered: that happens where sockets are read.
        """
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for connection, message in waiting:
            try:
                connection.deliver(message)
            except Exception as error:  # noqa: BLE001 - a wall: a defect ends this connection alone
                connection.abort()
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a message was not received", "exception": error}
                )
