"""A receiver of webhooks on this machine that answers as a test says."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class Received(NamedTuple):
    at_s: float
    headers: dict[str, str]
    body: bytes


class ReceiverServer:
    """Answers with one status after the other, then with the last for ever."""

    def __init__(self, clock: Callable[[], float], statuses: Iterable[Any]) -> None:
        self.received: list[Received] = []
        self.url = ""
        self.statuses = list(statuses)
        self._clock = clock

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(self._clock(), headers, body))
        answer = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return await answer(request) if callable(answer) else web.Response(status=answer)


@asynccontextmanager
async def receiver(clock: Callable[[], float], *statuses: Any) -> AsyncIterator[ReceiverServer]:
    """Runs one on a free port."""
    server = ReceiverServer(clock, statuses or [204])
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_route("*", "/{tail:.*}", server.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield server
    finally:
        await runner.cleanup()


__all__ = ["OTHER_SECRET", "SECRET", "Received", "ReceiverServer", "receiver"]
