"""Who is slow on purpose (slow-loris), on real sockets and the virtual clock, on both ports."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
import structlog

from rtms_engine import ApiConfig
from rtms_engine.api.server import BODY_TIMEOUT_S
from rtms_engine.serving import server
from rtms_engine.serving.handler import LINGER_S
from rtms_engine.serving.lobby import Bounds
from tests.e2e.support import zoom_and_engine

pytestmark = pytest.mark.virtual_clock

BOTH = pytest.mark.parametrize("where", ["webhook", "api"])
HALF = b"GET /healthz HTTP/1.1\r\nHost: local"
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@asynccontextmanager
async def listening(where: str) -> AsyncIterator[int]:
    """The port of an engine."""
    async with zoom_and_engine(api=ApiConfig(port=0)) as (_, engine):
        url = engine.webhook_url if where == "webhook" else engine.api_url
        assert url is not None
        yield int(url.split(":")[2].partition("/")[0])


@asynccontextmanager
async def dialed(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def closed_after(reader: asyncio.StreamReader) -> float:
    """Seconds until the other side closes."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with suppress(ConnectionResetError):
        await reader.read()
    return loop.time() - began


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The first line of an answer, all of which is read."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return head.partition(b"\r\n")[0]


@BOTH
@pytest.mark.parametrize("said", [b"", HALF], ids=["nothing", "half a head"])
async def test_a_head_that_does_not_come(where: str, said: bytes) -> None:
    async with listening(where) as port, dialed(port) as (reader, writer):
        writer.write(said)
        assert await closed_after(reader) == pytest.approx(server.BOUNDS.head_s, abs=1)


@BOTH
async def test_a_head_that_comes_byte_by_byte(where: str) -> None:
    """A byte now and then gives no more time."""
    async with listening(where) as port, dialed(port) as (_, writer):
        began = asyncio.get_running_loop().time()
        with suppress(ConnectionError):
            for byte in HALF * 100:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.7)
        assert asyncio.get_running_loop().time() - began < 2 * server.BOUNDS.head_s


@BOTH
async def test_a_second_head_that_does_not_come(where: str) -> None:
    """After an answer, and much later the beginning of another request."""
    async with listening(where) as port, dialed(port) as (reader, writer):
        writer.write(WHOLE)
        assert await answer(reader)
        await asyncio.sleep(100)
        writer.write(HALF)
        assert await closed_after(reader) == pytest.approx(server.BOUNDS.head_s, abs=1)


@BOTH
async def test_a_connection_that_is_kept(where: str) -> None:
    """As long as proxies keep them, and not for ever."""
    async with listening(where) as port, dialed(port) as (reader, writer):
        for _ in range(3):
            writer.write(WHOLE)
            assert await answer(reader)
            await asyncio.sleep(120)
        assert await closed_after(reader) == pytest.approx(server.BOUNDS.idle_s - 120, abs=1)


@pytest.mark.parametrize(
    ("where", "path", "status", "within_s"),
    [
        ("webhook", "/webhook", b" 503 ", 0.8),
        ("webhook", "/elsewhere", b" 404 ", 0.1),
        ("api", "/api/v1/session", b" 408 ", BODY_TIMEOUT_S),
        ("api", "/elsewhere", b" 404 ", 0.1),
    ],
)
async def test_a_body_that_does_not_come(where: str, path: str, status: bytes, within_s: float) -> None:
    """An answer in time (Zoom leaves a second), and the connection is not kept for the rest."""
    async with listening(where) as port, dialed(port) as (reader, writer):
        began = asyncio.get_running_loop().time()
        writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{{".encode())
        assert status in await reader.readline()
        assert asyncio.get_running_loop().time() - began < within_s + 1
        assert await closed_after(reader) < LINGER_S + 1


@BOTH
async def test_many_slow_ones_do_not_keep_others_out(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than there are places: the one with a whole request is answered at once, and the rest is counted."""
    bounds = Bounds(connections=150, waiting_per_address=100)
    monkeypatch.setattr(server, "BOUNDS", bounds)
    with structlog.testing.capture_logs() as logs:
        async with listening(where) as port, AsyncExitStack() as stack:
            slow = [await stack.enter_async_context(dialed(port)) for _ in range(300)]
            for _, writer in slow:
                writer.write(HALF)
            async with dialed(port) as (reader, writer), asyncio.timeout(2):
                writer.write(WHOLE)
                assert (await answer(reader)).startswith(b"HTTP/1.1 ")
            await asyncio.sleep(bounds.head_s + 1)
            assert all([await closed_after(one) < 0.1 for one, _ in slow])
    said = [line for line in logs if line["event"] == "ConnectionsClosed"]
    assert sum(line["count"] for line in said) == 300
    assert len(said) < 20


@BOTH
@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET /?q=\xa2secretword HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"secretword\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nsecret word: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"secretword" * 2_000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: secretword\r\n\r\n", 400),
        (b"POST /webhook HTTP/1.1\r\nHost: localhost\r\nExpect: secretword\r\n\r\n", 417),
        (b"POST /secretword HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    ],
)
async def test_what_is_no_http_is_not_repeated(where: str, said: bytes, status: int) -> None:
    """Neither in the answer, which is a problem, nor in the log, which counts it."""
    with structlog.testing.capture_logs() as logs:
        async with listening(where) as port, dialed(port) as (reader, writer):
            writer.write(said)
            got = await reader.read(10_000)
    assert f" {status} ".encode() in got.partition(b"\r\n")[0]
    assert b"application/problem+json" in got
    assert b"secret" not in got
    assert "secret" not in str(logs)


async def test_a_body_that_is_not_what_it_says() -> None:
    """The parser gives up; the handler, which waits for more, is told after a while: no defect of the engine."""
    async with listening("api") as port, dialed(port) as (reader, writer):
        head = b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head)
        await asyncio.sleep(0.1)
        writer.write(b"zz\r\nsecretword\r\n")
        got = await reader.read(10_000)
        assert b" 408 " in got.partition(b"\r\n")[0]
        assert b"secret" not in got
