"""Messages on their way, over days of virtual time, to a real server."""

import asyncio
import itertools
import socket
import sqlite3

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from rtms_engine.outbound.deliverer import Deliverer, Receiver
from rtms_engine.outbound.queue import Message
from rtms_engine.outbound.signing import key_of, verify
from tests.outbound.support import OTHER_SECRET, SECRET, receiver

pytestmark = pytest.mark.virtual_clock

EPOCH_S = 1_790_000_000.0
KEYS = (key_of(SECRET), key_of(OTHER_SECRET))
MESSAGE = Message("msg_1", "s1", b'{"event": "transcript.data"}')


def unix_s():
    return EPOCH_S + asyncio.get_running_loop().time()


def deliverer(tmp_path, url, *, allow_private=True, most=10_000):
    return Deliverer(Receiver("test", url, KEYS, allow_private), tmp_path / "q.sqlite3", unix_s, most=most)


async def until(deliverer, count, **expected):
    """Wait until so much has happened."""
    while any(deliverer.statistics().counts.get(key, 0) < number for key, number in expected.items()):
        await asyncio.sleep(count)


async def test_a_message_arrives_once_and_signed(tmp_path):
    async with receiver(unix_s) as server, deliverer(tmp_path, server.url) as sender:
        await sender.send([MESSAGE])
        await until(sender, 0.1, delivered=1)
        await asyncio.sleep(1_000)
        [one] = server.received
    assert one.body == MESSAGE.body
    assert one.headers["webhook-id"] == "msg_1"
    assert one.headers["content-type"] == "application/json"
    for key in KEYS:
        assert verify([key], one.headers, one.body, one.at_s)


async def test_the_schedule_of_a_receiver_that_is_down(tmp_path):
    async with receiver(unix_s, 500) as server, deliverer(tmp_path, server.url) as sender:
        with capture_logs() as logs:
            await sender.send([MESSAGE])
            await until(sender, 600, given_up=1)
            await asyncio.sleep(100_000)
    times = [round(one.at_s - EPOCH_S) for one in server.received]
    waits = [b - a for a, b in itertools.pairwise(times)]
    assert waits == [pytest.approx(wait, abs=2) for wait in (5, 300, 1800, 7200, 18000, 36000, 36000)]
    assert {one.headers["webhook-id"] for one in server.received} == {"msg_1"}
    assert len({one.headers["webhook-signature"] for one in server.received}) == 8
    assert [log["event"] for log in logs] == ["NotificationFailed"] * 7 + ["NotificationLost"]
    assert "transcript.data" not in str(logs)


async def test_a_receiver_that_comes_back(tmp_path):
    async with receiver(unix_s, 503, 404, 200) as server, deliverer(tmp_path, server.url) as sender:
        await sender.send([MESSAGE])
        await until(sender, 10, delivered=1)
    assert [round(one.at_s - EPOCH_S) for one in server.received] == [0, 5, 305]


async def test_410_disables_the_receiver(tmp_path):
    async with receiver(unix_s, 410) as server, deliverer(tmp_path, server.url) as sender:
        with capture_logs() as logs:
            await sender.send([MESSAGE])
            await until(sender, 1, disabled=1)
            await asyncio.sleep(1)
            await sender.send([Message("msg_2", "s1", b"{}")])
            await asyncio.sleep(50_000)
        assert len(server.received) == 1
        assert sender.statistics().is_disabled
        assert sender.statistics().counts["refused"] == 1
    assert [log["event"] for log in logs] == ["ReceiverGone"]


async def test_what_waits_survives_a_restart(tmp_path):
    async with receiver(unix_s, 500, 200) as server:
        async with deliverer(tmp_path, server.url) as sender:
            await sender.send([MESSAGE])
            await until(sender, 0.1, again=1)
        assert len(server.received) == 1
        async with deliverer(tmp_path, server.url) as sender:
            await until(sender, 1, delivered=1)
    assert [one.headers["webhook-id"] for one in server.received] == ["msg_1"] * 2
    assert server.received[1].at_s - server.received[0].at_s == pytest.approx(5, abs=1)


async def test_what_is_forgotten_is_not_sent_any_more(tmp_path):
    arrived = asyncio.Event()

    async def never(_request):
        arrived.set()
        await asyncio.sleep(1_000)
        return web.Response()

    async with receiver(unix_s, never, 200) as server, deliverer(tmp_path, server.url) as sender:
        await sender.send([MESSAGE])
        await arrived.wait()
        await sender.send([Message("msg_2", "s2", b"another stream")])
        await sender.forget("s1")
        await until(sender, 1, delivered=1)
        await asyncio.sleep(50_000)
    assert [one.headers["webhook-id"] for one in server.received] == ["msg_1", "msg_2"]


async def test_a_receiver_that_does_not_answer_has_15_seconds(tmp_path):
    async def slow(_request):
        await asyncio.sleep(14 if len(server.received) > 1 else 100)
        return web.Response()

    async with receiver(unix_s, slow) as server, deliverer(tmp_path, server.url) as sender:
        await sender.send([MESSAGE])
        await until(sender, 1, delivered=1)
    assert [round(one.at_s - EPOCH_S) for one in server.received] == [0, 20]


async def test_a_slow_receiver_does_not_make_messages_wait_for_each_other(tmp_path):
    async def slow(_request):
        await asyncio.sleep(10)
        return web.Response()

    async with receiver(unix_s, slow) as server, deliverer(tmp_path, server.url) as sender:
        await sender.send([Message(f"msg_{n}", "s1", b"{}") for n in range(16)])
        await until(sender, 1, delivered=16)
        assert asyncio.get_running_loop().time() < 25
    assert len(server.received) == 16


async def test_a_redirect_is_not_followed(tmp_path):
    async def elsewhere(request):
        return web.Response(status=302, headers={"location": f"http://{request.host}/elsewhere"})

    async with receiver(unix_s, elsewhere) as server, deliverer(tmp_path, server.url) as sender:
        await sender.send([MESSAGE])
        await until(sender, 0.5, again=1)
        assert len(server.received) == 1


async def test_an_endless_answer_is_left(tmp_path):
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100_000):
            await response.write(bytes(65_536))
        return response

    async with receiver(unix_s, endless) as server, deliverer(tmp_path, server.url) as sender:
        await sender.send([MESSAGE])
        await until(sender, 0.1, delivered=1)
        assert asyncio.get_running_loop().time() < 15


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "rebinding.example"])
async def test_private_addresses_are_refused_at_the_connection(tmp_path, host, monkeypatch):
    """Whatever a name resolved to before: it is the socket that is refused."""
    real = socket.getaddrinfo

    def resolve(name, *args, **options):
        return real("127.0.0.1" if name == "rebinding.example" else name, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with receiver(unix_s) as server:
        port = server.url.rpartition(":")[2]
        async with deliverer(tmp_path, f"https://{host}:{port}", allow_private=False) as sender:
            with capture_logs() as logs:
                await sender.send([MESSAGE])
                await until(sender, 0.1, again=1)
    assert server.received == []
    assert "address is refused: it is private" in logs[0]["why"]


async def test_beyond_the_bound_the_oldest_are_lost_and_said_so(tmp_path):
    async with receiver(unix_s, 500) as server, deliverer(tmp_path, server.url, most=2) as sender:
        with capture_logs() as logs:
            await sender.send([Message(f"msg_{n}", "s1", b"{}") for n in range(5)])
        assert sender.statistics().counts["overflowed"] == 3
    assert [log["count"] for log in logs if log["event"] == "NotificationsLost"] == [3]


async def test_a_disk_that_fails_for_a_while_is_waited_for(tmp_path):
    async with receiver(unix_s) as server, deliverer(tmp_path, server.url) as sender:
        await asyncio.sleep(1)
        lock = sqlite3.connect(tmp_path / "q.sqlite3", isolation_level=None)
        lock.execute("ALTER TABLE messages RENAME TO gone")
        sender._wake.set()
        with capture_logs() as logs:
            await asyncio.sleep(1)
        lock.execute("ALTER TABLE gone RENAME TO messages")
        lock.close()
        await sender.send([MESSAGE])
        await until(sender, 1, delivered=1)
    assert logs[0]["event"] == "NotificationsHeldUp"


async def test_its_face(tmp_path):
    async with receiver(unix_s) as server, deliverer(tmp_path, server.url) as sender:
        assert repr(sender) == "<Deliverer test {}>"
