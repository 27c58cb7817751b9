"""A fake Zoom, and a receiver of its webhooks."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from rtms_engine.simulator import FakeZoom
from tests.simulator.client import APP


@pytest.fixture
async def zoom() -> AsyncIterator[FakeZoom]:
    """Without TLS, which has its own test."""
    async with FakeZoom([APP], tls=False, epoch_s=1_790_000_000) as zoom:
        yield zoom


class Inbox:
    """Remembers every delivery: headers, raw body; answers with ``status`` after ``delay_s``."""

    def __init__(self) -> None:
        self.url = ""
        self.deliveries: list[tuple[Any, bytes]] = []
        self.answer: Any = lambda body: web.Response()

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """Keep the request and answer it."""
        body = await request.read()
        self.deliveries.append((request.headers.copy(), body))
        response = self.answer(body)
        return await response if not isinstance(response, web.StreamResponse) else response

    def bodies(self) -> list[Any]:
        """Every body, parsed."""
        return [json.loads(body) for _, body in self.deliveries]


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    """An HTTP server on loopback."""
    inbox = Inbox()
    app = web.Application()
    app.router.add_post("/webhook", inbox.receive)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    inbox.url = f"http://{host}:{port}/webhook"
    yield inbox
    await runner.cleanup()
