"""Sending, receiving and cutting one socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from rtms_engine.simulator.connection import Connection

pytestmark = pytest.mark.virtual_clock


@asynccontextmanager
async def joined() -> AsyncIterator[tuple[Connection, ClientConnection]]:
    """The two ends of a socket."""
    accepted: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()

    async def accept(socket: ServerConnection) -> None:
        accepted.set_result(Connection(socket))
        await socket.wait_closed()

    async with serve(accept, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", proxy=None) as client:
            yield await accepted, client


async def test_what_is_no_json_object_is_none() -> None:
    """Text or binary."""
    async with joined() as (connection, client):
        for data in ('{"msg_type":1}', b'{"msg_type":2}', "[]", "{", b"\xff"):
            await client.send(data)
        await client.close()
        assert [message async for message in connection.messages()] == [
            {"msg_type": 1},
            {"msg_type": 2},
            None,
            None,
            None,
        ]


async def test_what_is_no_text_goes_as_binary() -> None:
    """JSON goes as text."""
    async with joined() as (connection, client):
        connection.send({"text": "ö"})
        connection.send_bytes(b"\xff")
        assert [await client.recv(), await client.recv()] == ['{"text":"ö"}', b"\xff"]


async def test_what_was_written_before_a_cut_arrives() -> None:
    """Then 1006; what is written afterwards does not count."""
    async with joined() as (connection, client):
        connection.send({"n": 1})
        connection.cut()
        assert not connection.is_open
        connection.send({"n": 2})
        assert await client.recv() == '{"n":1}'
        with pytest.raises(ConnectionClosedError):
            await client.recv()


async def test_a_client_that_does_not_read_is_cut_off_all_the_same() -> None:
    """What it had no room for is lost."""
    async with joined() as (connection, client):
        client.transport.pause_reading()
        connection.send({"much": "x" * 30_000_000})
        connection.cut()
        client.transport.resume_reading()
        with pytest.raises(ConnectionClosed):
            await client.recv()


async def test_a_close_with_a_code() -> None:
    """The client sees it."""
    async with joined() as (connection, client):
        await asyncio.gather(connection.close(1011), client.wait_closed())
        assert client.close_code == 1011
