"""What waits for a receiver goes with whatever else is stored of its stream."""

import asyncio
import stat

import msgspec
import pytest

from rtms_engine.model.ids import StreamId
from rtms_engine.model.retention import Retention
from rtms_engine.model.signals import AppDeauthorized
from rtms_engine.outbound.queue import Queue
from rtms_engine.retention.keeper import Keeper
from rtms_engine.sinks.outbox import OutboxStore
from rtms_engine.sinks.services import Services
from tests.outbound.support import receiver
from tests.sinks.items import FINISHED, ITEMS, STREAM
from tests.sinks.test_webhook import ready, unix_s

pytestmark = pytest.mark.virtual_clock

DAY_S = 86_400.0


def keeper_of(sink, **policies):
    return Keeper({"webhook": sink.spec.store(sink.config)}, policies, None, lambda: round(unix_s() * 1000))


async def told(services, sink, stream_id, **changes):
    """One stream, of which nothing can be delivered."""
    made = sink.spec.factory(services.argument(sink))
    await made.open(msgspec.structs.replace(STREAM, stream_id=StreamId(stream_id), **changes))
    await made.write(ITEMS)
    await made.close(FINISHED)


def content(tmp_path):
    return b"".join(path.read_bytes() for path in (tmp_path / "q").iterdir())


async def test_it_waits_no_longer_than_its_app_may_store(tmp_path):
    """Of one app; the other's goes on being tried, and nothing is left in the file or in its log."""
    async with receiver(unix_s, 500) as server:
        sink = ready(server.url, tmp_path)
        async with Services([sink], unix_s) as services:
            await told(services, sink, "s1", app="strict")
            await told(services, sink, "s2", app="lax")
            keeper = keeper_of(sink, strict=Retention(1))
            assert keeper.sweep() == []
            await asyncio.sleep(DAY_S / 2)
            assert keeper.sweep(dry_run=True) == keeper.sweep() == []
            await asyncio.sleep(DAY_S / 2 + 1)
            [would] = keeper.sweep(dry_run=True)
            [removal] = keeper.sweep()
            assert would.kept == removal.kept
            assert (removal.kept.stream_id, removal.files, removal.bytes > 500) == ("s1", 6, True)
            assert keeper.sweep() == []
            before = len(server.received)
            await asyncio.sleep(DAY_S)
            later = server.received[before:]
    assert later
    assert all(b'"s2"' in one.body for one in later)
    assert b'"s1"' not in content(tmp_path)


async def test_an_account_takes_what_waits_along(tmp_path):
    async with receiver(unix_s, 503) as server:
        sink = ready(server.url, tmp_path)
        async with Services([sink], unix_s) as services:
            await told(services, sink, "mine", account_id="acc")
            await told(services, sink, "theirs", account_id="other")
            await told(services, sink, "live", account_id="acc")
            signal = AppDeauthorized(STREAM.app, STREAM.started_ms + 1, "acc")
            assert keeper_of(sink).deauthorize(signal, {StreamId("live")})
    store = sink.spec.store(sink.config)
    assert {kept.stream_id for kept in store.kept()} == {"theirs", "live"}
    assert b'"mine"' not in content(tmp_path)
    [removal], is_all = keeper_of(sink).delete_stream(StreamId("theirs"), "somebody")
    assert (removal.kept.stream_id, is_all) == ("theirs", True)


def test_a_look_makes_no_file(tmp_path):
    store = OutboxStore(tmp_path / "none.sqlite3")
    assert list(store.kept()) == []
    assert store.settle() == 0
    assert store.proof(STREAM) == {}
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_queue_is_an_error_of_the_disk(tmp_path):
    path = tmp_path / "bad.sqlite3"
    path.write_bytes(b"not a database, and long enough to be read as one" * 100)
    with pytest.raises(OSError, match="cannot be used as a queue"):
        list(OutboxStore(path).kept())


def test_it_stays_for_its_owner_alone(tmp_path):
    path = tmp_path / "one.sqlite3"
    Queue(path, 5).close()
    list(OutboxStore(path).kept())
    assert all(stat.S_IMODE(one.stat().st_mode) == 0o600 for one in tmp_path.iterdir())
