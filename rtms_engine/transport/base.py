"""The border between the engine and a connection, in asyncio's own terms.

A `Connector` opens an `Endpoint` for a `Receiver` and the two talk through a `Transport`. Messages are
pushed, synchronously, in the order of arrival; so an answer that a receiver sends from within
`message_received` is on its way before the next message is looked at, and no consumer can delay a
keep-alive. `rtms_engine.transport.memory` is the twin without a network.
"""

from typing import Protocol

from .endpoint import Endpoint


class Transport(Protocol):
    """Our side of one connection."""

    def send(self, message: bytes) -> None:
        """Send one text message; does nothing on a connection that is closed or closing."""

    def close(self) -> None:
        """Close in an orderly way. What the other side sent before it learns of it is still delivered;
        then `Receiver.connection_lost` is called, after 5 s at the latest.
        """

    def abort(self) -> None:
        """Close at once; `Receiver.connection_lost` follows, and no message before it."""

    def round_trip_s(self) -> float | None:
        """How long a round trip takes, in seconds; None if nobody measures it."""


class Receiver(Protocol):
    """Who hears a connection. None of these may block or raise."""

    @property
    def name(self) -> str:
        """What the connection is for: ``signaling``, ``audio`` … as in logs."""

    def connection_made(self, transport: Transport) -> None:
        """The connection is open."""

    def message_received(self, message: bytes) -> None:
        """One whole message, from a text or a binary frame alike (V1.md §3.1)."""

    def connection_lost(self, why: str, was_up: bool) -> None:
        """The connection is gone, for whatever reason; called once, last, if `connection_made` was.

        ``was_up``: the other side closed it just now, and TCP has delivered everything that was sent
        before. False if it may have been dead for a while, or if we aborted it.
        """


class Connector(Protocol):
    """Opens connections."""

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> None:
        """Open ``endpoint``; ``receiver.connection_made`` is called before this returns.

        Raises ConnectFailed. Cancelling it is safe: nothing is left open.
        """
