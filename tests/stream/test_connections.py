"""The connections of one stream: the current one of each leg, and those that are closing."""

import asyncio

import pytest

from rtms_engine.model.media import MediaKind, MediaParams
from rtms_engine.protocol.events import SIGNALING, LegId, Silent
from rtms_engine.protocol.media import MediaProtocol
from rtms_engine.protocol.signaling import SignalingProtocol
from rtms_engine.stream.connections import Connections
from rtms_engine.stream.leg_driver import LegDriver
from rtms_engine.transport.endpoint import EndpointPolicy
from rtms_engine.transport.memory import MemoryConnector
from tests.protocol.speaking import Names, identity, unix_ms
from tests.stream.zoom import MEDIA, Zoom
from tests.stream.zoom import SIGNALING as SIGNALING_URL

pytestmark = pytest.mark.virtual_clock

AUDIO = LegId(frozenset({MediaKind.AUDIO}))


class Book:
    """Connections, and what their drivers tell."""

    def __init__(self, zoom):
        self.connections = Connections()
        self.connector = MemoryConnector(zoom)
        self.frames, self.told, self.lost = [], [], []

    def add(self, leg, generation=1):
        """A driver whose connection is being opened."""
        if leg == SIGNALING:
            protocol = SignalingProtocol(identity(), events=(), unix_ms=unix_ms)
        else:
            protocol = MediaProtocol(identity(), leg, MediaParams(), Names(), unix_ms=unix_ms)
        driver = LegDriver(
            leg, generation, protocol, publish=self.frames.append, tell=self._tell, lost=self._lost
        )
        endpoint = EndpointPolicy().endpoint(SIGNALING_URL if leg == SIGNALING else MEDIA["audio"])
        opening = asyncio.get_running_loop().create_task(self.connector.connect(endpoint, driver))
        self.connections.add(driver, opening)
        return driver

    def _tell(self, driver, event):
        self.told.append((driver.leg.name, driver.generation, event))

    def _lost(self, driver, why):
        self.lost.append((driver.leg.name, driver.generation))
        self.connections.forget(driver)


async def test_open_close_forget():
    book = Book(Zoom())
    signaling, audio = book.add(SIGNALING), book.add(AUDIO)
    assert book.connections.signaling is signaling
    assert not book.connections.of(MediaKind.AUDIO)
    await asyncio.sleep(1)
    assert book.connections.of(MediaKind.AUDIO)
    assert not book.connections.of(MediaKind.CHAT)
    book.connections.close(AUDIO, 1)
    assert not book.connections.is_current(audio)
    assert audio.is_open
    await book.connections.all_closed(8.0)
    assert not audio.is_open
    assert book.lost == [("audio", 1)]
    book.connections.abort()
    await asyncio.sleep(1)
    assert book.connections.signaling is None


async def test_closing_one_that_was_replaced_changes_nothing():
    book = Book(Zoom())
    book.add(AUDIO)
    await asyncio.sleep(1)
    second = book.add(AUDIO, 2)
    book.connections.close(AUDIO, 1)
    await asyncio.sleep(1)
    assert book.connections.is_current(second)
    assert book.lost == [("audio", 1)]
    book.connections.abort()
    await asyncio.sleep(1)


async def test_closing_one_that_is_still_opening_cancels_it():
    class Slow(Zoom):
        async def connecting(self, endpoint):
            await asyncio.sleep(5)

    book = Book(Slow())
    book.add(AUDIO)
    await asyncio.sleep(1)
    book.connections.close(AUDIO, 1)
    await asyncio.sleep(10)
    assert book.lost == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_all_closed_waits_no_longer_than_it_may():
    """A transport that breaks its promise holds nobody up."""

    class Deaf:
        async def connect(self, endpoint, receiver):
            receiver.connection_made(self)

        def send(self, message):
            pass

        def close(self):
            pass

    book = Book(Zoom())
    book.connector = Deaf()
    book.add(AUDIO)
    await asyncio.sleep(1)
    book.connections.close(AUDIO, 1)
    await book.connections.all_closed(8.0)
    assert asyncio.get_running_loop().time() == 9


async def test_keep_alives_are_counted_beyond_the_end_of_a_connection():
    zoom = Zoom()
    book = Book(zoom)
    book.add(SIGNALING)
    book.add(AUDIO)
    await asyncio.sleep(1)
    for name in ("signaling", "audio", "audio"):
        zoom.say(name, msg_type=12, timestamp=1)
    await asyncio.sleep(1)
    assert book.connections.keep_alives == 3
    zoom.close("audio")
    book.connections.close(SIGNALING, 1)
    await asyncio.sleep(1)
    assert book.connections.keep_alives == 3


async def test_a_silent_connection_is_aborted_and_told():
    """The driver rings by itself; a late alarm of a closed one says nothing."""
    zoom = Zoom()
    zoom.mute.add("signaling")
    book = Book(zoom)
    driver = book.add(SIGNALING)
    await asyncio.sleep(20)
    assert book.told == [("signaling", 1, Silent("no answer to the handshake for 10 s"))]
    assert book.lost == [("signaling", 1)]
    assert zoom.left == ["signaling"]
    assert repr(driver) == "<LegDriver signaling generation=1 <SignalingProtocol failed>>"
