"""Values over a pair of sockets."""

import asyncio
import socket
from typing import Any

import pytest

from rtms_engine.model.reasons import StopReason
from rtms_engine.processes.channel import Channel

pytestmark = pytest.mark.virtual_clock


async def pair() -> tuple[Channel, Channel, "asyncio.Queue[Any]"]:
    heard: asyncio.Queue[Any] = asyncio.Queue()
    ours, theirs = socket.socketpair()
    return (
        await Channel.open(ours, heard.put_nowait, lambda: None),
        await Channel.open(theirs, heard.put_nowait, lambda: heard.put_nowait("gone")),
        heard,
    )


async def test_values_come_whole_and_in_order() -> None:
    """However large they are, and whether or not they are numbers that Zoom has yet to invent."""
    values = [b"\0" * 1_000_000, "x", StopReason(99), {"k": b"\1" * 70_000}, [None]]
    one, other, heard = await pair()
    for value in values:
        one.send(value)
    assert [await heard.get() for _ in values] == values
    one.close()
    assert await heard.get() == "gone"
    other.send("to nobody")


async def test_a_slow_listener_is_waited_for() -> None:
    one, other, heard = await pair()
    for _ in range(20):
        one.send(b"\0" * 1_000_000)
    waiting = asyncio.ensure_future(one.drained())
    await asyncio.sleep(0)
    assert not waiting.done()
    for _ in range(20):
        await heard.get()
    await waiting
    one.close()
    other.close()
