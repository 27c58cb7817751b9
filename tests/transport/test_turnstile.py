"""Who may open a connection, and when."""

import asyncio
import itertools

import pytest

from rtms_engine.errors import ConnectFailed
from rtms_engine.transport.endpoint import Endpoint
from rtms_engine.transport.turnstile import OrderlyConnector, Turnstile

pytestmark = pytest.mark.virtual_clock

ENDPOINT = Endpoint("wss://zoom.us/", "zoom.us", 443, secure=True)


class Receiver:
    def __init__(self, name):
        self.name = name


class Slow:
    """A connector of which each connection takes a second, and which knows who began."""

    def __init__(self):
        self.began = []
        self.inside = 0
        self.most = 0

    async def connect(self, endpoint, receiver):
        self.began.append(receiver.name)
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await asyncio.sleep(1)
            if receiver.name == "refused":
                raise ConnectFailed(endpoint.url, "refused")
        finally:
            self.inside -= 1


async def connected(names, most):
    """All at once. Returns the connector, and how long they took."""
    slow = Slow()
    connector = OrderlyConnector(slow, Turnstile(most))
    began = asyncio.get_running_loop().time()
    await asyncio.gather(
        *(connector.connect(ENDPOINT, Receiver(name)) for name in names), return_exceptions=True
    )
    return slow, asyncio.get_running_loop().time() - began


async def test_so_many_at_a_time():
    slow, took_s = await connected(["audio"] * 10, most=5)
    assert slow.most == 5
    assert took_s == pytest.approx(2)


async def test_media_before_signaling():
    """What has begun to join is joined first; else in the order in which they came."""
    slow, _ = await connected(["signaling", "signaling", "audio", "transcript", "signaling"], most=1)
    assert slow.began == ["audio", "transcript", "signaling", "signaling", "signaling"]


async def test_one_with_each_turn_of_the_loop():
    """So that whatever else there is to do comes in between."""
    slow = Slow()
    connector = OrderlyConnector(slow, Turnstile())
    async with asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(connector.connect(ENDPOINT, Receiver("audio")))
        seen = []
        while len(slow.began) < 5:
            await asyncio.sleep(0)
            seen.append(len(slow.began))
    assert all(after - before <= 1 for before, after in itertools.pairwise(seen))


async def test_a_failure_makes_room():
    slow, took_s = await connected(["refused", "audio"], most=1)
    assert slow.began == ["refused", "audio"]
    assert took_s == pytest.approx(2)


async def test_who_gives_up_makes_room():
    """Waiting or inside: those behind come all the same, and the count is right."""
    turnstile = Turnstile(1)
    connector = OrderlyConnector(slow := Slow(), turnstile)
    async with asyncio.TaskGroup() as tasks:
        inside, waiting, last = (
            tasks.create_task(connector.connect(ENDPOINT, Receiver(name))) for name in ("a", "b", "c")
        )
        await asyncio.sleep(0.5)
        waiting.cancel()
        inside.cancel()
        await last
    assert slow.began == ["a", "c"]
    assert repr(turnstile) == "<Turnstile inside=0 waiting=0>"
