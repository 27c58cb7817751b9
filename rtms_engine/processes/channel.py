"""Values between two of our own processes, over a pair of sockets that nobody else has.

A value is pickled, behind its length: 4 bytes, big-endian. What is unpickled here comes from this
engine alone.
"""

import asyncio
import pickle
import socket
import struct
from collections.abc import Callable
from typing import Any, Self, cast

_LENGTH = struct.Struct(">I")


class Channel(asyncio.Protocol):
    """One end.

    Args:
        received: called with every value, in order.
        lost: called when the other end is gone, however that came.
    """

    def __init__(self, received: Callable[[Any], None], lost: Callable[[], None]) -> None:
        self._received = received
        self._lost = lost
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def open(
        cls, end: socket.socket, received: Callable[[Any], None], lost: Callable[[], None]
    ) -> Self:
        """Speak over one socket of a pair."""
        end.setblocking(False)
        _, channel = await asyncio.get_running_loop().create_unix_connection(
            lambda: cls(received, lost), sock=end
        )
        return channel

    def send(self, value: Any) -> None:
        """Say something; to nobody if the other end is gone."""
        if self._transport is not None and not self._transport.is_closing():
            content = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
            self._transport.write(_LENGTH.pack(len(content)) + content)

    async def drained(self) -> None:
        """Wait until the other end has taken most of what was said, or is gone."""
        await self._writable.wait()

    def close(self) -> None:
        """Close this end, once all is said."""
        if self._transport is not None:
            self._transport.close()

    # --- asyncio's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it

    def data_received(self, data: bytes) -> None:
        """Hand on every value that is whole."""
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._buffer, at)
            end = at + _LENGTH.size + size
            if len(self._buffer) < end:
                break
            value = pickle.loads(memoryview(self._buffer)[at + _LENGTH.size : end])  # noqa: S301 - our own
            at = end
            self._received(value)
        del self._buffer[:at]

    def pause_writing(self) -> None:
        """The other end is slow."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other end is gone, or ours is closed."""
        self._writable.set()
        self._lost()
