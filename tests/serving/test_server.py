"""An application at an address, on real sockets."""

import gzip
import socket

import aiohttp
import pytest
from aiohttp import web

from rtms_engine import ConfigError
from rtms_engine.serving.server import HttpServer


def echo():
    async def answer(request):
        return web.Response(body=await request.read())

    application = web.Application()
    application.router.add_post("/", answer)
    return application


@pytest.mark.parametrize(
    ("auto_decompress", "got"), [(True, b"body"), (False, gzip.compress(b"body", mtime=0))]
)
async def test_it_answers_while_the_block_runs(auto_decompress, got):
    server = HttpServer("api", echo(), "127.0.0.1", 0, shutdown_s=1.0, auto_decompress=auto_decompress)
    body, headers = gzip.compress(b"body", mtime=0), {"Content-Encoding": "gzip"}
    async with aiohttp.ClientSession() as client:
        async with server, client.post(server.url, data=body, headers=headers) as response:
            assert await response.read() == got
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.post(server.url)


async def test_an_address_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as mine:
        port = mine.getsockname()[1]
        with pytest.raises(
            ConfigError, match=f"^api: cannot listen on 127.0.0.1:{port}: Address already in use$"
        ):
            await HttpServer("api", echo(), "127.0.0.1", port, shutdown_s=1.0).__aenter__()


async def test_an_address_that_is_none():
    with pytest.raises(
        ConfigError, match=r"^server: cannot listen on a\.invalid:1: .*(known|resolution|address)"
    ):
        await HttpServer("server", echo(), "a.invalid", 1, shutdown_s=1.0).__aenter__()


@pytest.mark.parametrize(
    ("host", "seen"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("10.1.1.1", "10.1.1.1")]
)
def test_where_it_is_as_seen_from_here(host, seen):
    assert HttpServer("api", echo(), host, 1, shutdown_s=1.0).url == f"http://{seen}:1"
