"""The virtual clock: time jumps, sockets hold it back, and a dead end is an error."""

import asyncio
import time

import pytest

from tests.support.clock import EveryTaskWaits, VirtualClockLoop

pytestmark = pytest.mark.virtual_clock


async def test_an_hour_costs_nothing() -> None:
    """Sleeping moves the loop's clock, not the wall's."""
    loop, started = asyncio.get_running_loop(), time.monotonic()
    await asyncio.sleep(3600)
    assert loop.time() == 3600
    assert time.monotonic() - started < 1


async def test_data_between_two_sockets_takes_no_time() -> None:
    """1000 round trips between sockets finish before a timer that is 10 s away."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        async with asyncio.timeout(10):
            for number in range(1000):
                writer.write(b"%4d" % number)
                assert await reader.readexactly(4) == b"%4d" % number
        writer.close()
        await writer.wait_closed()
    assert loop.time() == 0


async def test_a_function_for_another_thread_runs_at_once() -> None:
    """Its result and its error are there when the future is made."""
    assert await asyncio.to_thread(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 // 0)


def test_a_dead_end_is_an_error() -> None:
    """If no timer is set and no data comes, the loop says so."""
    loop = VirtualClockLoop(patience_s=0.01)
    forever = loop.create_task(asyncio.Event().wait())
    with pytest.raises(EveryTaskWaits, match="every task waits"):
        loop.run_until_complete(forever)
    forever.cancel()
    loop.run_until_complete(asyncio.gather(forever, return_exceptions=True))
    loop.close()
