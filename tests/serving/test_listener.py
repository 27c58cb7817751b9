"""Connections of webhooks, on real sockets; on uvloop, since that is what needs it."""

import asyncio
import errno
import socket

import pytest
import structlog
import uvloop

from rtms_engine.serving import listener
from rtms_engine.serving.listener import Listener


class Counting(asyncio.Protocol):
    made = 0

    def connection_made(self, transport):
        type(self).made += 1
        transport.write(b"hello")
        transport.close()


@pytest.fixture
def counting():
    return type("Counting", (Counting,), {"made": 0})


def test_a_burst_waits_for_few_turns_of_the_loop(counting):
    """Of a loop whose turns take long because of other work: with one connection a turn they would be 50."""

    async def turns():
        async with Listener(counting, "127.0.0.1", 0) as listening:
            clients = [socket.create_connection(("127.0.0.1", listening.port)) for _ in range(50)]
            count = 0
            while counting.made < len(clients):
                count += 1
                await asyncio.sleep(0)
        said = [client.recv(5) for client in clients]
        for client in clients:
            client.close()
        return count, said

    count, said = uvloop.run(turns())
    assert count < 10
    assert said == [b"hello"] * 50


async def test_all_addresses_of_a_host_with_one_port(counting):
    async with Listener(counting, "localhost", 0) as listening:
        for family, *_, address in socket.getaddrinfo("localhost", listening.port, type=socket.SOCK_STREAM):
            with socket.socket(family) as client:
                await asyncio.to_thread(client.connect, address)
                assert await asyncio.to_thread(client.recv, 5) == b"hello"


async def test_an_address_in_use(counting):
    """Is said by the system's own error, and nothing is left open."""
    async with Listener(counting, "127.0.0.1", 0) as listening:
        with pytest.raises(OSError, match="in use"):
            await Listener(counting, "127.0.0.1", listening.port).__aenter__()
        port = listening.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_no_descriptor_left(counting, monkeypatch):
    """It says so, takes a rest instead of the whole processor, and then hears who waited."""

    class Exhausted(socket.socket):
        is_exhausted = True

        def accept(self):
            if self.is_exhausted:
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    create_server = socket.create_server

    def exhausted(address, **options):
        return Exhausted(fileno=create_server(address, **options).detach())

    monkeypatch.setattr(listener, "PAUSE_S", 0.02)
    monkeypatch.setattr(socket, "create_server", exhausted)
    with structlog.testing.capture_logs() as logs:
        async with Listener(counting, "127.0.0.1", 0) as listening:
            with socket.create_connection(("127.0.0.1", listening.port)):
                async with asyncio.timeout(5):
                    while not logs:
                        await asyncio.sleep(0)
                    Exhausted.is_exhausted = False
                    while not counting.made:
                        await asyncio.sleep(0)
    assert logs[0]["event"] == "ConnectionsNotTaken"
    assert len(logs) < 5
