"""The API of a real engine, or of one that only shows something."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from rtms_engine import ApiConfig, SinkConfig, StateConfig
from rtms_engine.engine import Engine
from rtms_engine.simulator import FakeZoom
from tests.e2e.support import zoom_and_engine

API = ApiConfig(port=0)


@asynccontextmanager
async def zoom_and_api(
    *sinks: SinkConfig, folder: Path | None = None, api: ApiConfig = API, **changes: Any
) -> AsyncIterator[tuple[FakeZoom, Engine, aiohttp.ClientSession]]:
    """A simulated Zoom, an engine with an API, and somebody who asks it."""
    state = StateConfig(directory=str(folder / "state") if folder else "")
    async with zoom_and_engine(*sinks, api=api, state=state, **changes) as (zoom, engine):
        assert engine.api_url is not None
        async with aiohttp.ClientSession(engine.api_url) as client:
            yield zoom, engine, client


async def answer(response: Any, status: int = 200) -> Any:
    """The JSON of a response with this status."""
    async with response as got:
        assert got.status == status, await got.text()
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        return await got.json() if await got.read() else None


async def settle(seconds: float = 1.0) -> None:
    """Let some (virtual) time pass."""
    await asyncio.sleep(seconds)
