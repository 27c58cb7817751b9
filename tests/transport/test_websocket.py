"""The connectors of WebSockets against the server of the `websockets` library, on loopback: one contract for all."""

import asyncio
import contextlib
import gc
import socket
import ssl
import struct

import pytest
import trustme
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from rtms_engine.errors import ConnectFailed
from rtms_engine.transport.endpoint import Endpoint, EndpointPolicy
from rtms_engine.transport.picows import PicowsConnector
from rtms_engine.transport.tls import client_context
from rtms_engine.transport.websocket import MAX_MESSAGE_BYTES, WebSocketConnector
from tests.transport.contract import ConnectorContract, Hearing

LOOPBACK = EndpointPolicy(allow_insecure_loopback=True)
CONNECTORS = {"websockets": WebSocketConnector, "picows": PicowsConnector}


@pytest.fixture(autouse=True, params=CONNECTORS)
def connects_with(request, monkeypatch):
    """Every test of this module is one for each connector."""
    monkeypatch.setattr(Other, "connector_type", CONNECTORS[request.param])


def port_of(server):
    return server.sockets[0].getsockname()[1]


class Other:
    """A real server, as the contract wants it."""

    connector_type = None

    def __init__(self, server):
        self.connector = self.connector_type(client_context())
        self.endpoint = LOOPBACK.endpoint(f"ws://127.0.0.1:{port_of(server)}/x?y=z")
        self.accepted = asyncio.Queue()
        self._connection = None

    async def _its(self):
        if self._connection is None:
            self._connection = await self.accepted.get()
        return self._connection

    async def say(self, *messages):
        its = await self._its()
        for message in messages:
            its.protocol.send_text(message)
        its.send_data()

    async def hear(self):
        return await (await self._its()).recv(decode=False)

    async def close(self):
        await (await self._its()).close()

    async def gone(self):
        await (await self._its()).wait_closed()

    async def nobody(self):
        server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
        port = port_of(server)
        server.close()
        await server.wait_closed()
        return LOOPBACK.endpoint(f"ws://127.0.0.1:{port}")


@contextlib.asynccontextmanager
async def a_server(handler=None, **options):
    """A server whose connections stay open until they are closed."""
    accepted = asyncio.Queue()

    async def keep(connection):
        accepted.put_nowait(connection)
        await connection.wait_closed()

    async with serve(handler or keep, "127.0.0.1", 0, ping_interval=None, **options) as server:
        other = Other(server)
        other.accepted = accepted
        yield other


class TestWebSockets(ConnectorContract):
    @pytest.fixture
    async def other(self):
        async with a_server() as other:
            yield other


pytestmark = pytest.mark.virtual_clock


async def opened(other):
    receiver = Hearing()
    await other.connector.connect(other.endpoint, receiver)
    return receiver


async def connects(handler, **options):
    """Connect to a handler, and hear it to its end."""
    async with a_server(handler, **options) as other:
        receiver = await opened(other)
        await receiver.until(lambda: receiver.lost)
        return receiver


async def test_text_binary_and_fragments_are_the_same():
    """V1.md §3.1; empty messages and fragments included."""

    async def handler(connection):
        await connection.send("é")
        await connection.send(b"\xc3\xa9")
        await connection.send(["a", "b", "", "c"])
        await connection.send([b"1", b"", b"2"])
        await connection.send("")

    receiver = await connects(handler)
    assert receiver.messages == ["é".encode(), "é".encode(), b"abc", b"12", b""]
    assert receiver.lost == ["closed by the server with 1000 (OK)"]


async def test_we_send_text_and_the_url_unchanged():
    """With no compression, no subprotocol, no origin."""
    async with a_server() as other:
        receiver = await opened(other)
        its = await other.accepted.get()
        receiver.transport.send(b'{"a":1}')
        assert await its.recv() == '{"a":1}'
        assert its.request.path == "/x?y=z"
        assert not {"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Origin"} & set(its.request.headers)
        receiver.transport.close()
        await its.wait_closed()
        assert its.close_code == 1000


async def test_pings_are_answered_without_a_word():
    async with a_server() as other:
        receiver = await opened(other)
        its = await other.accepted.get()
        async with asyncio.timeout(5):
            await (await its.ping())
        assert receiver.calls == ["made"]
        receiver.transport.close()
        await receiver.until(lambda: receiver.lost)


@pytest.mark.parametrize("size", [2**20 + 1, MAX_MESSAGE_BYTES])
async def test_large_messages(size):
    """A key frame exceeds the usual limit of 1 MiB."""

    async def handler(connection):
        await connection.send(b"x" * size)

    receiver = await connects(handler)
    assert [len(message) for message in receiver.messages] == [size]


@pytest.mark.parametrize("fragmented", [False, True])
async def test_too_large_a_message(fragmented):
    """Closed with 1009, which is what the log then says, and the loop has nothing to add."""
    closed = []

    async def handler(connection):
        half = b"x" * (MAX_MESSAGE_BYTES // 2 + 1)
        with contextlib.suppress(ConnectionClosed):
            await connection.send([half, half] if fragmented else half + half)
        await connection.wait_closed()
        closed.append(connection.close_code)

    receiver = await connects(handler)
    assert receiver.messages == []
    assert "1009" in receiver.lost[0]
    assert closed == [1009]
    await asyncio.sleep(1)
    futures = [one for one in gc.get_objects() if type(one).__name__ == "Future"]
    assert not [one for one in futures if one._log_traceback]


@pytest.mark.parametrize(
    ("code", "reason", "why"),
    [(1000, "", "1000 (OK)"), (1011, "oops", "1011 (internal error) oops"), (4001, "x", "4001")],
)
async def test_the_close_code_is_the_only_hint(code, reason, why):
    """V1.md §12, Q24."""

    async def handler(connection):
        await connection.close(code, reason)

    receiver = await connects(handler)
    assert receiver.lost[0].startswith("closed by the server with ")
    assert why in receiver.lost[0]


async def test_lost_without_a_close_frame():
    async def handler(connection):
        connection.transport.abort()

    receiver = await connects(handler)
    assert receiver.lost[0].startswith("lost without a close frame")


async def test_reset_by_the_server():
    """It follows the last byte in order (RFC 5961 §3.2), so the connection was up until then."""

    async def handler(connection):
        linger = struct.pack("ii", 1, 0)
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.transport.abort()

    receiver = await connects(handler)
    assert receiver.was_up is True


async def test_a_server_that_does_not_answer_our_close():
    """After 5 s it is aborted."""

    async def handler(connection):
        connection.transport.pause_reading()
        await asyncio.sleep(60)

    async with a_server(handler, close_timeout=0.1) as other:
        receiver = await opened(other)
        await asyncio.sleep(1)
        receiver.transport.close()
        before = asyncio.get_running_loop().time()
        await receiver.until(lambda: receiver.lost)
        assert asyncio.get_running_loop().time() - before == pytest.approx(5)
        assert receiver.was_up is False


async def test_messages_right_behind_the_handshake():
    """In the same piece of TCP: none is lost."""
    handshake, gone = asyncio.Event(), asyncio.Event()

    async def server(reader, writer):
        core = ServerProtocol()
        while not handshake.is_set():
            core.receive_data(await reader.read(4096))
            for event in core.events_received():
                if isinstance(event, Request):
                    core.send_response(core.accept(event))
                    handshake.set()
        writer.write(b"".join(core.data_to_send()) + Frame(Opcode.TEXT, b"first").serialize(mask=False))
        await reader.read()
        writer.close()
        gone.set()

    tcp = await asyncio.start_server(server, "127.0.0.1", 0)
    async with tcp:
        receiver = Hearing()
        await Other.connector_type(client_context()).connect(
            LOOPBACK.endpoint(f"ws://127.0.0.1:{port_of(tcp)}"), receiver
        )
        await receiver.until(lambda: receiver.messages)
        assert receiver.messages == [b"first"]
        receiver.transport.abort()
        await receiver.until(lambda: receiver.lost)
        await gone.wait()


# --- what goes wrong before it is open ---


@contextlib.asynccontextmanager
async def a_tcp_server(answer):
    """Answers every connection with these bytes and closes; None: says nothing."""
    writers = []

    async def server(reader, writer):
        writers.append(writer)
        await reader.read(4096)
        if answer is not None:
            writer.write(answer)
            writer.close()

    tcp = await asyncio.start_server(server, "127.0.0.1", 0)
    try:
        yield LOOPBACK.endpoint(f"ws://127.0.0.1:{port_of(tcp)}")
    finally:
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        tcp.close()
        await tcp.wait_closed()


async def fails(endpoint, connector=None):
    receiver = Hearing()
    with pytest.raises(ConnectFailed) as failed:
        await (connector or Other.connector_type(client_context())).connect(endpoint, receiver)
    assert receiver.calls == []
    assert failed.value.url == endpoint.url
    return str(failed.value)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "HTTP 403"),
        (b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1\r\nContent-Length: 0\r\n\r\n", "HTTP 302"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nabc", "HTTP 500"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP 200"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n",
            "Sec-WebSocket-Accept",
        ),
        (b"SSH-2.0-OpenSSH\r\n\r\n", ""),
        (b"\x00\xff" * 50, ""),
        (b"", ""),
    ],
)
async def test_no_websocket(answer, why):
    """HTTP errors, redirects (not followed), other protocols, nothing at all."""
    async with a_tcp_server(answer) as endpoint:
        assert why.lower() in (await fails(endpoint)).lower()


async def test_no_answer():
    """Given up after 10 s."""
    async with a_tcp_server(None) as endpoint:
        assert "no answer within 10 s" in await fails(endpoint)
        assert asyncio.get_running_loop().time() == pytest.approx(10)


async def test_cancelled_it_leaves_nothing_open():
    """The socket is closed, the receiver hears nothing."""
    gone = asyncio.Event()

    async def server(reader, writer):
        await reader.read(4096)
        while await reader.read(4096):
            pass
        gone.set()
        writer.close()

    tcp = await asyncio.start_server(server, "127.0.0.1", 0)
    async with tcp:
        receiver = Hearing()
        endpoint = LOOPBACK.endpoint(f"ws://127.0.0.1:{port_of(tcp)}")
        task = asyncio.get_running_loop().create_task(
            Other.connector_type(client_context()).connect(endpoint, receiver)
        )
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(1):
            with contextlib.suppress(ConnectionError):
                await gone.wait()
        assert receiver.calls == []


@pytest.mark.parametrize(
    "url", ["wss://a..b", "wss://" + "a" * 300 + ".zoom.us", "ws://127.0.0.1:1/#fragment"]
)
async def test_a_url_that_cannot_be_one(url):
    host = url.removeprefix("wss://").removeprefix("ws://").partition(":")[0]
    await fails(Endpoint(url, host, 1, url.startswith("wss")))


# --- TLS ---


@pytest.fixture(scope="module")
def ca():
    return trustme.CA()


@pytest.fixture
def ca_file(ca, tmp_path):
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return path


@contextlib.asynccontextmanager
async def a_tls_server(ca, name="127.0.0.1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name).configure_cert(context)
    async with a_server(ssl=context) as other:
        yield LOOPBACK.endpoint(other.endpoint.url.replace("ws:", "wss:")), other


async def test_tls_is_verified_with_the_ca_file(ca, ca_file):
    async with a_tls_server(ca) as (endpoint, other):
        receiver = Hearing()
        await Other.connector_type(client_context(ca_file)).connect(endpoint, receiver)
        its = await other.accepted.get()
        assert its.transport.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
        await its.send("x")
        await receiver.until(lambda: receiver.messages)
        receiver.transport.close()
        await receiver.until(lambda: receiver.lost)


async def test_another_authority_is_refused(ca):
    async with a_tls_server(ca) as (endpoint, _):
        assert "CERTIFICATE_VERIFY_FAILED" in await fails(endpoint, Other.connector_type(client_context()))


async def test_another_name_is_refused(ca, ca_file):
    async with a_tls_server(ca, "rtms.zoom.us") as (endpoint, _):
        assert "CERTIFICATE_VERIFY_FAILED" in await fails(
            endpoint, Other.connector_type(client_context(ca_file))
        )


async def test_a_server_without_tls(ca_file):
    async with a_server() as other:
        endpoint = LOOPBACK.endpoint(other.endpoint.url.replace("ws:", "wss:"))
        await fails(endpoint, Other.connector_type(client_context(ca_file)))
