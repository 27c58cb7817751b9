"""A connector whose servers are records."""

import asyncio

import pytest

from rtms_engine.capture.format import Kind
from rtms_engine.capture.player import Player
from rtms_engine.errors import ConnectFailed
from rtms_engine.transport.endpoint import EndpointPolicy
from tests.transport.contract import Hearing

from .support import record

pytestmark = pytest.mark.virtual_clock
ENDPOINT = EndpointPolicy().endpoint("wss://a.zoom.us")


@pytest.fixture
def player():
    return Player()


def play(player, *kinds, connection=1, leg="audio"):
    for kind, data in kinds:
        player.play(record(0, kind, leg, connection, data))


async def connecting(player):
    receiver = Hearing()
    task = asyncio.get_running_loop().create_task(player.connect(ENDPOINT, receiver), name="connect")
    await asyncio.sleep(0)
    return receiver, task


async def test_an_early_worker_waits_for_the_connection(player):
    receiver, task = await connecting(player)
    play(player, (Kind.CONNECTING, b"wss://a"), (Kind.CONNECTED, b""), (Kind.RECEIVED, b"1"))
    assert receiver.calls == ["made", "message"]
    await task
    play(player, (Kind.RECEIVED, b"2"), (Kind.LOST, b"why"), (Kind.RECEIVED, b"3"))
    assert (receiver.messages, receiver.lost) == ([b"1", b"2"], ["why"])


async def test_a_late_worker_hears_what_it_missed(player):
    play(player, (Kind.CONNECTED, b""), (Kind.RECEIVED, b"1"))
    receiver, task = await connecting(player)
    await task
    play(player, (Kind.RECEIVED, b"2"))
    assert receiver.messages == [b"1", b"2"]


@pytest.mark.parametrize(("kind", "was_up"), [(Kind.LOST, True), (Kind.BROKEN, False)])
async def test_it_is_lost_as_it_was(player, kind, was_up):
    receiver, task = await connecting(player)
    play(player, (Kind.CONNECTED, b""))
    await task
    play(player, (kind, b"why"))
    assert (receiver.lost, receiver.was_up) == (["why"], was_up)


async def test_a_connection_that_nobody_opened_is_forgotten_when_it_is_lost(player):
    play(player, (Kind.CONNECTED, b""), (Kind.LOST, b"why"))
    receiver, task = await connecting(player)
    play(player, (Kind.CONNECTED, b""), (Kind.RECEIVED, b"2"), connection=2)
    await task
    assert receiver.messages == [b"2"]


async def test_an_attempt_fails_as_it_did(player):
    receiver, task = await connecting(player)
    play(player, (Kind.FAILED, b"cancelled"))
    await asyncio.sleep(0)
    assert not task.done()
    play(player, (Kind.FAILED, b"connection refused"))
    with pytest.raises(ConnectFailed, match="connection refused"):
        await task
    assert receiver.calls == []


async def test_what_the_capture_does_not_have_fails_in_time(player):
    receiver, task = await connecting(player)
    play(player, (Kind.CONNECTED, b""), leg="video")
    with pytest.raises(ConnectFailed, match="no such connection"):
        await task
    assert asyncio.get_running_loop().time() == 10
    play(player, (Kind.CONNECTED, b""), connection=2)
    assert receiver.calls == []


async def test_closing_delivers_what_is_still_to_come(player):
    receiver, task = await connecting(player)
    play(player, (Kind.CONNECTED, b""))
    await task
    receiver.transport.send(b"heard by nobody")
    receiver.transport.close()
    play(player, (Kind.RECEIVED, b"1"), (Kind.LOST, b"closed by us with 1000 (OK)"))
    await asyncio.sleep(10)
    assert (receiver.messages, receiver.lost) == ([b"1"], ["closed by us with 1000 (OK)"])


async def test_closing_ends_even_if_the_capture_does_not(player):
    receiver, task = await connecting(player)
    play(player, (Kind.CONNECTED, b""))
    await task
    receiver.transport.close()
    await asyncio.sleep(6)
    assert receiver.lost == ["closed by us with 1000 (OK)"]
    play(player, (Kind.RECEIVED, b"1"), (Kind.LOST, b"why"))
    assert (receiver.messages, len(receiver.lost)) == ([], 1)


async def test_aborting_delivers_nothing_more(player):
    receiver, task = await connecting(player)
    play(player, (Kind.CONNECTED, b""))
    await task
    receiver.transport.abort()
    play(player, (Kind.RECEIVED, b"1"), (Kind.LOST, b"why"))
    await asyncio.sleep(1)
    assert (receiver.messages, receiver.lost) == ([], ["lost without a close frame"])
