"""The built-in sinks that speak to others, and those they speak to."""

import base64
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from rtms_engine import SinkConfig
from rtms_engine.testing import CHECKS, check_sink

SECRET = "whsec_" + base64.b64encode(b"0" * 32).decode()


@pytest.fixture
async def receiver() -> AsyncIterator[str]:
    """A server that takes everything."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    application = web.Application(client_max_size=2**30)
    application.router.add_post("/", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


def options(sink_type: str, place: str, url: str) -> dict[str, object]:
    match sink_type:
        case "webhook":
            return {"url": url, "secrets": [SECRET], "directory": place, "allow_private": True}
        case "http":
            return {"url": url, "allow_private": True}
        case "websocket":
            return {"tokens": ["a-token-of-some-length"], "port": 0}
        case _:
            return {"command": ["tee", "-a", "sound.raw"], "directory": place, "input": "mixed"}


@pytest.mark.parametrize("sink_type", ["webhook", "http", "websocket", "exec"])
async def test_the_sinks_that_speak_to_others_pass(sink_type, tmp_path, receiver) -> None:
    stored_in = tmp_path / "a" / "b"
    config = SinkConfig(sink_type, options=options(sink_type, str(stored_in), receiver))
    report = await check_sink(config, stored_in=stored_in)
    assert len(report.findings) == len(CHECKS)
