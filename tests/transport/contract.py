"""What every `Connector` must do (`rtms_engine.transport.base`), whatever it connects with.

A test module runs it for its own by subclassing `ConnectorContract` with an ``other`` fixture: the other
side, with ``endpoint``, ``connector``, ``await say(bytes)``, ``await hear() -> bytes``, ``await close()``,
``await gone()``.
"""

import asyncio

import pytest

from rtms_engine.errors import ConnectFailed


class Hearing:
    """A receiver that keeps what it hears, and says where it was called."""

    name = "audio"

    def __init__(self):
        self.transport = None
        self.messages = []
        self.lost = []
        self.was_up = None
        self.calls = []
        self.on_message = lambda message: None
        self._changed = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self._note("made")

    def message_received(self, message):
        self.messages.append(message)
        self._note("message")
        self.on_message(message)

    def connection_lost(self, why, was_up):
        self.lost.append(why)
        self.was_up = was_up
        self._note("lost")

    def _note(self, call):
        self.calls.append(call)
        self._changed.set()

    async def until(self, done):
        """Wait until ``done()``; fail after 20 s of virtual time."""
        async with asyncio.timeout(20):
            while not done():
                self._changed.clear()
                await self._changed.wait()


class ConnectorContract:
    """Subclasses give ``other``."""

    pytestmark = pytest.mark.virtual_clock

    @pytest.fixture
    async def other(self):
        raise NotImplementedError

    async def opened(self, other):
        receiver = Hearing()
        await other.connector.connect(other.endpoint, receiver)
        return receiver

    async def test_it_is_made_before_connect_returns(self, other):
        receiver = await self.opened(other)
        assert receiver.calls == ["made"]
        receiver.transport.close()
        await receiver.until(lambda: receiver.lost)

    async def test_both_sides_speak(self, other):
        receiver = await self.opened(other)
        receiver.transport.send(b'{"a": "\xc3\xa9"}')
        receiver.transport.send(b"2")
        assert [await other.hear(), await other.hear()] == [b'{"a": "\xc3\xa9"}', b"2"]
        await other.say(b'{"b": "\xc3\xa9"}')
        await other.say(b"4")
        await receiver.until(lambda: len(receiver.messages) == 2)
        assert receiver.messages == [b'{"b": "\xc3\xa9"}', b"4"]
        receiver.transport.close()
        await receiver.until(lambda: receiver.lost)
        assert receiver.calls == ["made", "message", "message", "lost"]
        await other.gone()

    async def test_an_answer_from_within_is_on_its_way_at_once(self, other):
        receiver = await self.opened(other)
        receiver.on_message = receiver.transport.send
        await other.say(b"1")
        await other.say(b"2")
        assert [await other.hear(), await other.hear()] == [b"1", b"2"]
        receiver.transport.close()
        await receiver.until(lambda: receiver.lost)

    async def test_closed_by_us(self, other):
        """Once, last, with the code; a second close and a late send do nothing."""
        receiver = await self.opened(other)
        receiver.transport.close()
        receiver.transport.close()
        receiver.transport.send(b"late")
        await receiver.until(lambda: receiver.lost)
        assert len(receiver.lost) == 1
        assert "1000" in receiver.lost[0]
        receiver.transport.abort()
        receiver.transport.send(b"later")
        await asyncio.sleep(10)
        assert receiver.calls == ["made", "lost"]
        await other.gone()

    async def test_what_was_sent_before_we_closed_is_delivered(self, other):
        receiver = await self.opened(other)
        await other.say(b"1")
        await other.say(b"2")
        receiver.transport.close()
        await receiver.until(lambda: receiver.lost)
        assert receiver.messages == [b"1", b"2"]

    async def test_closed_by_the_server(self, other):
        receiver = await self.opened(other)
        await other.say(b"1")
        await other.close()
        await receiver.until(lambda: receiver.lost)
        assert receiver.messages == [b"1"]
        assert receiver.lost == ["closed by the server with 1000 (OK)"]
        assert receiver.was_up is True

    async def test_aborted(self, other):
        """At once; no message before `connection_lost`."""
        receiver = await self.opened(other)
        await other.say(b"1")
        receiver.transport.abort()
        await receiver.until(lambda: receiver.lost)
        await asyncio.sleep(10)
        assert receiver.calls == ["made", "lost"]
        assert receiver.was_up is False
        await other.gone()

    async def test_aborted_from_within(self, other):
        """Also if the next message is here already."""
        receiver = await self.opened(other)
        receiver.on_message = lambda message: receiver.transport.abort()
        await other.say(b"1", b"2", b"3")
        await receiver.until(lambda: receiver.lost)
        await asyncio.sleep(10)
        assert receiver.calls == ["made", "message", "lost"]

    async def test_refused(self, other):
        receiver = Hearing()
        with pytest.raises(ConnectFailed):
            await other.connector.connect(await other.nobody(), receiver)
        assert receiver.calls == []
