"""Takes connections off the socket as they come, however many come at once."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Self

import structlog

BACKLOG = 2048
"""Connections that may wait to be accepted: a burst of starts must not wait for retransmissions."""
AT_ONCE = 64
"""So many are taken before the loop does anything else."""
PAUSE_S = 1.0
"""How long to take none when there is no file descriptor left."""
FULL_S = 0.05
"""How long to take none while all places are taken by requests that are being served."""

_log = structlog.get_logger()


class Listener:
    """Listens while its ``async with`` block runs; connections that it took live on.

    A loop's own server would do, but for bursts: uvloop (libuv, since 1.45) accepts one connection in a
    turn. While hundreds of streams are joined a turn takes long, and webhooks would wait unheard.

    Args:
        protocol: makes the protocol of a connection.
        host: as in `asyncio.loop.create_server`.
        port: 0 for any.
        has_room: whether one more connection may be taken; those that may not wait unaccepted.
    """

    def __init__(
        self,
        protocol: Callable[[], asyncio.BaseProtocol],
        host: str,
        port: int,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._protocol = protocol
        self._has_room = has_room
        self._host = host
        self._port = port
        self._sockets: list[socket.socket] = []
        self._beginning: set[asyncio.Task[None]] = set()
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}

    def __repr__(self) -> str:
        return f"<Listener {self._host}:{self.port}>"

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._sockets[0].getsockname()[1]) if self._sockets else self._port

    async def __aenter__(self) -> Self:
        """Listen. Raises OSError if the address cannot be used."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        try:
            for family, address in dict.fromkeys((family, address) for family, *_, address in found):
                listening = socket.create_server((address[0], self.port), family=family, backlog=BACKLOG)
                listening.setblocking(False)
                self._sockets.append(listening)
        except OSError:
            self._close_sockets()
            raise
        for listening in self._sockets:
            self._listen(listening)
        return self

    async def __aexit__(self, *_: object) -> None:
        for listening in self._sockets:
            asyncio.get_running_loop().remove_reader(listening)
        for pause in self._pauses.values():
            pause.cancel()
        self._close_sockets()
        if self._beginning:
            await asyncio.wait(self._beginning)

    def _close_sockets(self) -> None:
        for listening in self._sockets:
            listening.close()

    def _listen(self, listening: socket.socket) -> None:
        self._pauses.pop(listening, None)
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(AT_ONCE):
            if not self._has_room():
                self._pause(listening, FULL_S)
                return
            try:
                connection, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _log.error("ConnectionsNotTaken", reason=error.strerror, again_in_s=PAUSE_S)
                self._pause(listening, PAUSE_S)
                return
            connection.setblocking(False)
            task = loop.create_task(self._begin(connection), name=f"connection:{self.port}")
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)

    def _pause(self, listening: socket.socket, pause_s: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        self._pauses[listening] = loop.call_later(pause_s, self._listen, listening)

    async def _begin(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it has gone
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
