"""Zoom's REST API on this machine, a meeting that is being streamed, and our client of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rtms_engine.config import AppConfig
from rtms_engine.simulator import App, FakeZoom
from rtms_engine.zoom_api.client import ZoomApi
from tests.support.ports import free_port

EPOCH_S = 1_790_000_000
RTMS = App("rtms-client-id", "rtms-client-secret", "secret-token")


def app_with(**changes: Any) -> AppConfig:
    """An app with the credentials of the simulated account."""
    given = {
        "account_id": "AAAAAABBBB",
        "api_client_id": "s2s-client-id",
        "api_client_secret": "s2s-client-secret",
    }
    return AppConfig.of(RTMS.client_id, RTMS.client_secret, RTMS.secret_token, **(given | changes))


@pytest.fixture
def app() -> AppConfig:
    return app_with()


@pytest.fixture
async def zoom() -> AsyncIterator[FakeZoom]:
    async with FakeZoom([RTMS], tls=False, epoch_s=EPOCH_S) as zoom:
        yield zoom


@pytest.fixture
def client() -> Callable[..., Any]:
    """Makes a client of some addresses; its backoff is not shortened."""

    @asynccontextmanager
    async def make(api_url: str, oauth_url: str, random: float = 0.0) -> AsyncIterator[ZoomApi]:
        loop = asyncio.get_running_loop()
        api = ZoomApi(
            api_url=api_url,
            oauth_url=oauth_url,
            unix_s=lambda: EPOCH_S + loop.time(),
            random=lambda: random,
        )
        async with api:
            yield api

    return make


@pytest.fixture
async def api(zoom: FakeZoom, client: Callable[..., Any]) -> AsyncIterator[ZoomApi]:
    async with client(zoom.api_url, zoom.oauth_url) as api:
        yield api


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    return f"http://127.0.0.1:{free_port()}"
