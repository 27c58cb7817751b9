"""The twin without a network keeps the contract of connectors."""

import asyncio

import pytest

from rtms_engine.errors import ConnectFailed
from rtms_engine.transport.endpoint import EndpointPolicy
from rtms_engine.transport.memory import MemoryConnector, Script
from tests.transport.contract import ConnectorContract, Hearing


class Other(Script):
    """The other side, as the contract wants it."""

    def __init__(self):
        self.connector = MemoryConnector(self)
        self.endpoint = EndpointPolicy().endpoint("wss://a.zoom.us")
        self._heard = asyncio.Queue()
        self._gone = asyncio.Event()
        self._peer = None

    async def connecting(self, endpoint):
        if endpoint.host == "nobody.zoom.us":
            raise ConnectFailed(endpoint.url, "connection refused")
        if endpoint.host == "slow.zoom.us":
            await asyncio.sleep(60)

    def connected(self, peer):
        self._peer = peer

    def received(self, peer, message):
        self._heard.put_nowait(message)

    def disconnected(self, peer):
        self._gone.set()

    async def say(self, *messages):
        await asyncio.sleep(0)
        for message in messages:
            self._peer.send(message)

    async def hear(self):
        return await self._heard.get()

    async def close(self):
        self._peer.close()

    async def gone(self):
        await self._gone.wait()

    async def nobody(self):
        return EndpointPolicy().endpoint("wss://nobody.zoom.us")


class TestMemoryConnector(ConnectorContract):
    @pytest.fixture
    async def other(self):
        return Other()


@pytest.mark.virtual_clock
async def test_a_slow_server_is_given_up():
    receiver = Hearing()
    with pytest.raises(ConnectFailed, match="no answer within 10 s"):
        await MemoryConnector(Other()).connect(EndpointPolicy().endpoint("wss://slow.zoom.us"), receiver)
    assert receiver.calls == []
    assert asyncio.get_running_loop().time() == 10


@pytest.mark.virtual_clock
async def test_a_script_that_does_nothing():
    receiver = Hearing()
    await MemoryConnector(Script()).connect(EndpointPolicy().endpoint("wss://a.zoom.us"), receiver)
    receiver.transport.send(b"x")
    receiver.transport.close()
    await receiver.until(lambda: receiver.lost)
