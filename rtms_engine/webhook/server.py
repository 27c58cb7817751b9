"""The HTTP server of the webhooks."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from aiohttp import web

from ..errors import ConfigError
from .listener import Listener
from .receiver import WebhookReceiver


class WebhookServer:
    """Serves a receiver while its ``async with`` block runs.

    Args:
        receiver: who answers.
        host: the address to listen on.
        port: 0 for any.
    """

    def __init__(self, receiver: WebhookReceiver, host: str, port: int) -> None:
        self._receiver = receiver
        self._host = host
        self._port = port
        self._running = AsyncExitStack()

    @property
    def url(self) -> str:
        """Where webhooks are taken, as seen from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104 - from all to one
        return f"http://{host}:{self._port}{self._receiver.path}"

    async def __aenter__(self) -> Self:
        """Listen. Raises ConfigError if the address cannot be used."""
        runner = web.AppRunner(
            self._receiver.application(), auto_decompress=False, access_log=None, shutdown_timeout=3.0
        )
        async with AsyncExitStack() as stack:
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            try:
                listener = await stack.enter_async_context(
                    Listener(_protocol(runner), self._host, self._port)
                )
            except OSError as error:
                why = os.strerror(error.errno or 0)
                raise ConfigError([f"server: cannot listen on {self._host}:{self._port}: {why}"]) from error
            self._port = listener.port
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._running.aclose()


def _protocol(runner: web.AppRunner) -> Callable[[], asyncio.BaseProtocol]:
    if runner.server is None:
        raise RuntimeError("the runner is not set up")
    return runner.server
