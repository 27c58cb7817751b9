"""An HTTP server, or a clear word on why there is none."""

import os
import resource
import sys
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from ..errors import ConfigError
from .handler import Reception
from .listener import Listener
from .lobby import Bounds

BOUNDS = Bounds()


class HttpServer:
    """Serves an application while its ``async with`` block runs. Used once.

    Args:
        name: the section of the configuration that it is told in.
        application: what answers.
        host: the address to listen on.
        port: 0 for any.
        shutdown_s: how long requests may take that are not answered when it stops.
        auto_decompress: whether the application gets bodies as they were before they were sent compressed.
        bounds: of its connections; None: `BOUNDS`.
    """

    def __init__(
        self,
        name: str,
        application: web.Application,
        host: str,
        port: int,
        *,
        shutdown_s: float,
        auto_decompress: bool = True,
        bounds: Bounds | None = None,
    ) -> None:
        self._name = name
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=shutdown_s)
        self._auto_decompress = auto_decompress
        self._bounds = bounds or BOUNDS
        self._host = host
        self.port = port
        """Where it listens; known when it is entered."""
        self._running = AsyncExitStack()

    def __repr__(self) -> str:
        return f"<HttpServer {self._name} {self.url}>"

    @property
    def url(self) -> str:
        """Where it is, as seen from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104 - from all to one
        return f"http://{host}:{self.port}"

    async def __aenter__(self) -> Self:
        """Listen. Raises ConfigError if the address cannot be used."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._runner.cleanup)
            await self._runner.setup()
            reception = self._reception()
            stack.callback(reception.close)
            listener = Listener(reception, self._host, self.port, lambda: reception.has_room)
            try:
                await stack.enter_async_context(listener)
            except OSError as error:
                why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
                where = f"{self._host}:{self.port}"
                raise ConfigError([f"{self._name}: cannot listen on {where}: {why}"]) from error
            self.port = listener.port
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._running.aclose()

    def _reception(self) -> Reception:
        if self._runner.server is None:
            raise RuntimeError("the runner is not set up")
        bounds = msgspec.structs.replace(
            self._bounds, connections=min(self._bounds.connections, _most_connections())
        )
        return Reception(self._runner.server, bounds, auto_decompress=self._auto_decompress)


def _most_connections() -> int:
    """Half of the files that the process may open: the other half is for streams and what they write."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(soft // 2, 16)
