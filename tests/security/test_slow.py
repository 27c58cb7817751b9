"""Who is slow on purpose (slow-loris), on real sockets and the virtual clock."""

import asyncio

import pytest

from rtms_engine import ApiConfig
from tests.e2e.support import zoom_and_engine

pytestmark = pytest.mark.virtual_clock

HEAD = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"


async def test_a_body_that_does_not_come():
    """503 within the second that Zoom leaves, and the connection is not kept for it."""
    async with zoom_and_engine() as (_, engine):
        port = int(engine.webhook_url.rpartition(":")[2].partition("/")[0])
        loop = asyncio.get_running_loop()
        began = loop.time()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD)
        assert b" 503 " in await reader.readline()
        assert loop.time() - began < 2.0
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("where", ["webhook", "api"])
async def test_many_slow_ones_do_not_keep_others_out(where):
    """Two hundred that send half a header each; one that sends a whole request is answered at once."""
    async with zoom_and_engine(api=ApiConfig(port=0)) as (_, engine):
        url = engine.webhook_url if where == "webhook" else engine.api_url
        port = int(url.split(":")[2].partition("/")[0])
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        for _, writer in slow:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: local")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(2):
            assert (await reader.readline()).startswith(b"HTTP/1.1 ")
        for _, one in [*slow, (reader, writer)]:
            one.close()
