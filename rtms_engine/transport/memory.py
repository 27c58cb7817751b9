"""The twin of `base` without a network: the other side is a script in the same loop.

::

    class Echo(Script):
        def received(self, peer: Peer, message: bytes) -> None:
            peer.send(message)

    connector = MemoryConnector(Echo())

Both directions go through the loop, one call per message, so the order is that of a socket and nobody is
called from within his own call.
"""

import asyncio
from collections.abc import Callable

from ..errors import ConnectFailed
from .base import Receiver
from .endpoint import Endpoint


class Script:
    """What the other side does. Subclasses override what they need."""

    async def connecting(self, endpoint: Endpoint) -> None:
        """Somebody connects. Raise ConnectFailed to refuse; wait to be slow."""

    def connected(self, peer: "Peer") -> None:
        """The connection is open."""

    def received(self, peer: "Peer", message: bytes) -> None:
        """A message came."""

    def disconnected(self, peer: "Peer") -> None:
        """Our side closed or aborted it."""


class Peer:
    """The other side of one connection; `MemoryTransport` is ours."""

    def __init__(self, endpoint: Endpoint, receiver: Receiver, script: Script) -> None:
        self.endpoint = endpoint
        self.is_open = True
        self._receiver = receiver
        self._script = script
        self._loop = asyncio.get_running_loop()
        self._is_heard = True

    def __repr__(self) -> str:
        return f"<Peer {self.endpoint.url} {'open' if self.is_open else 'closed'}>"

    def send(self, message: bytes) -> None:
        """Say something, unless the connection is closed."""
        if self.is_open:
            self._loop.call_soon(self._deliver, message)

    def close(self, why: str = "closed by the server with 1000 (OK)") -> None:
        """Close; what was sent before is delivered before."""
        self._end(why)

    def connected(self) -> None:
        """Both sides may speak."""
        self._loop.call_soon(self._script.connected, self)
        self._receiver.connection_made(MemoryTransport(self._hear, self._leave))

    def _deliver(self, message: bytes) -> None:
        if self._is_heard:
            self._receiver.message_received(message)

    def _hear(self, message: bytes) -> None:
        if self.is_open:
            self._loop.call_soon(self._script.received, self, message)

    def _leave(self, why: str, *, at_once: bool) -> None:
        self._is_heard = self._is_heard and not at_once
        if self.is_open:
            self._loop.call_soon(self._script.disconnected, self)
            self._end(why, was_up=not at_once)

    def _end(self, why: str, *, was_up: bool = True) -> None:
        if self.is_open:
            self.is_open = False
            self._loop.call_soon(self._receiver.connection_lost, why, was_up)


class MemoryTransport:
    """Our side: see `rtms_engine.transport.base.Transport`."""

    def __init__(self, hear: Callable[[bytes], None], leave: Callable[..., None]) -> None:
        self._hear = hear
        self._leave = leave

    def send(self, message: bytes) -> None:
        """See `Transport`."""
        self._hear(message)

    def close(self) -> None:
        """See `Transport`."""
        self._leave("closed by us with 1000 (OK)", at_once=False)

    def abort(self) -> None:
        """See `Transport`."""
        self._leave("lost without a close frame", at_once=True)

    def round_trip_s(self) -> float | None:
        """See `Transport`: there is no network."""
        return None


class MemoryConnector:
    """See `rtms_engine.transport.base.Connector`."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> None:
        """See `Connector`. Raises ConnectFailed, as the script wants, and after 10 s."""
        try:
            async with asyncio.timeout(10):
                await self._script.connecting(endpoint)
        except TimeoutError:
            raise ConnectFailed(endpoint.url, "no answer within 10 s") from None
        Peer(endpoint, receiver, self._script).connected()
