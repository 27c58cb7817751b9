"""One accepted WebSocket: JSON objects in and out, in the variant that the stream's faults ask for.

Sending is synchronous, so that what is decided together is said together.
"""

import asyncio
import socket as sockets
import struct
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import msgspec
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from .faults import Faults

Fields = dict[str, Any]

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time."""


class Connection:
    """One WebSocket: JSON objects in, JSON objects out, in the variant that ``faults`` asks for."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._is_cut = False
        self.is_silent = False
        """Half-open: the client cannot hear it, and does not know."""
        self.faults = Faults()

    @property
    def is_open(self) -> bool:
        """Whether what is written now can arrive."""
        return not self._is_cut and self._socket.state is State.OPEN

    def send(self, message: Mapping[str, Any]) -> None:
        """Write a message; nothing happens if the socket is closed."""
        self.send_bytes(self.faults.reshaped(msgspec.json.encode(message)))

    def send_bytes(self, message: bytes) -> None:
        """Write a message that is JSON already, or is meant not to be; see `send`."""
        if not self.is_open:
            return
        as_text = not self.faults.binary_frames and _is_utf8(message)
        broadcast([self._socket], message.decode() if as_text else message)

    async def drained(self) -> None:
        """Return when the client has taken most of what was written."""
        await self._socket.drain()

    async def receive(self) -> Fields | None:
        """The next message, None if it is no JSON object. Raises ConnectionClosed."""
        data = await self._socket.recv()
        try:
            fields = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return fields if isinstance(fields, dict) else None

    async def messages(self) -> AsyncIterator[Fields | None]:
        """Every message until the socket closes, however it does."""
        while True:
            try:
                yield await self.receive()
            except ConnectionClosed:
                return

    def cut(self) -> None:
        """Cut the connection without a closing handshake; the client sees 1006.

        What the client has room for still arrives, so that a cut does not blur the ledger.
        """
        if self.is_silent:
            return
        self._is_cut = True
        transport = self._socket.transport
        if transport.get_write_buffer_size():
            transport.abort()
        else:
            transport.close()

    def reset(self) -> None:
        """Cut the connection by a TCP reset."""
        self.stop_dripping()
        self._is_cut = True
        transport = self._socket.transport
        if transport.is_closing():
            return
        transport.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()

    def fall_silent(self) -> None:
        """Become half-open: nothing is sent or read any more, and the client is not told."""
        self.stop_dripping()
        self._is_cut = self.is_silent = True
        self._socket.transport.pause_reading()

    def choke(self, size: int) -> None:
        """Write a message of so many bytes, and nothing after it."""
        self.send_bytes(b" " * size)
        self._is_cut = True

    def drip(self, piece_bytes: int, pause_s: float) -> None:
        """From now on write in pieces, with pauses between them."""
        self.stop_dripping()
        dripping = _Dripping(self._socket.transport, piece_bytes, pause_s)
        self._socket.transport = cast(asyncio.Transport, dripping)

    def stop_dripping(self) -> None:
        """Write what is held back, and all else at once again."""
        transport = self._socket.transport
        if isinstance(transport, _Dripping):
            transport.flush()
            self._socket.transport = transport.inner

    async def close(self, code: int = 1000) -> None:
        """Close with a closing handshake."""
        if not self.is_silent:
            await self._socket.close(code)


class _Dripping:
    """A transport that writes in small pieces, with pauses between them; else like the ``inner`` one."""

    def __init__(self, inner: asyncio.Transport, piece_bytes: int, pause_s: float) -> None:
        self.inner = inner
        self._piece_bytes = piece_bytes
        self._pause_s = pause_s
        self._held = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def write(self, data: bytes) -> None:
        """Keep it back; it flows from now on."""
        self._held += data
        if self._timer is None:
            self._flow()

    def flush(self) -> None:
        """Write all of it now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held:
            self.inner.write(bytes(self._held))
            self._held.clear()

    def write_eof(self) -> None:
        """After what is held back."""
        self.flush()
        self.inner.write_eof()

    def close(self) -> None:
        """After what is held back."""
        self.flush()
        self.inner.close()

    def _flow(self) -> None:
        self.inner.write(bytes(self._held[: self._piece_bytes]))
        del self._held[: self._piece_bytes]
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._pause_s, self._flow) if self._held else None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
