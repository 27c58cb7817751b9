"""Messages of many connections, delivered together."""

import asyncio

import pytest

from rtms_engine.transport.inbox import LARGE_BYTES, MOST_MESSAGES, Inbox

pytestmark = pytest.mark.virtual_clock


class Connection:
    """Notes in ``said`` what it delivers, with its name, and then does what ``does`` says."""

    def __init__(self, name, said, does=lambda: None):
        self.name = name
        self.said = said
        self._does = does

    def deliver(self, message):
        self.said.append((self.name, message))
        self._does()

    def abort(self):
        self.said.append((self.name, "aborted"))


async def test_in_order_across_connections_at_the_end_of_the_turn():
    said, inbox = [], Inbox()
    a, b = Connection("a", said), Connection("b", said)
    for connection, message in ((a, b"1"), (b, b"2"), (a, b"3")):
        inbox.put(connection, message)
    assert said == []
    await asyncio.sleep(0)
    assert said == [("a", b"1"), ("b", b"2"), ("a", b"3")]


async def test_many_are_delivered_before_the_end_of_the_turn():
    said, inbox = [], Inbox()
    a = Connection("a", said)
    for _ in range(MOST_MESSAGES + 1):
        inbox.put(a, b"x")
    assert len(said) == MOST_MESSAGES
    await asyncio.sleep(0)
    assert len(said) == MOST_MESSAGES + 1


async def test_a_large_one_is_delivered_at_once_with_those_before_it():
    said, inbox = [], Inbox()
    a = Connection("a", said)
    inbox.put(a, b"1")
    inbox.put(a, b"2" * LARGE_BYTES)
    assert [len(message) for _, message in said] == [1, LARGE_BYTES]


async def test_emptied_from_within_the_order_holds():
    """As it is when what a receiver does ends another connection."""
    said, inbox = [], Inbox()
    a, b = Connection("a", said, inbox.empty), Connection("b", said)
    for connection, message in ((a, b"1"), (b, b"2"), (a, b"3")):
        inbox.put(connection, message)
    inbox.empty()
    assert said == [("a", b"1"), ("b", b"2"), ("a", b"3")]


async def test_a_receiver_that_raises_costs_its_connection_and_no_other():
    said, inbox, told = [], Inbox(), []
    asyncio.get_running_loop().set_exception_handler(lambda loop, what: told.append(what["exception"]))
    inbox.put(Connection("a", said, lambda: 1 / 0), b"1")
    inbox.put(Connection("b", said), b"2")
    await asyncio.sleep(0)
    assert said == [("a", b"1"), ("a", "aborted"), ("b", b"2")]
    assert [type(error) for error in told] == [ZeroDivisionError]
