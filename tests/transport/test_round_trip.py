"""The round trip as the kernel measures it."""

import asyncio
import sys

import pytest

from rtms_engine.transport.round_trip import round_trip_s


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
async def test_of_a_real_connection() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"ping\n")
        assert await reader.readline() == b"ping\n"
        took_s = round_trip_s(writer.transport)
        assert took_s is not None
        assert 0 < took_s < 1
        writer.close()
        await writer.wait_closed()
        assert round_trip_s(writer.transport) is None


def test_where_nobody_tells() -> None:
    assert round_trip_s(None) is None
    assert round_trip_s(asyncio.BaseTransport()) is None
