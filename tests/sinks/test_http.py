"""Batches to a real server."""

import asyncio
import gzip
import json

import msgspec
import pytest

from rtms_engine.errors import ConfigError, SinkError
from rtms_engine.sinks import registry
from rtms_engine.sinks.base import Ending
from rtms_engine.sinks.registry import SinkConfig
from tests.outbound.support import receiver
from tests.sinks.items import FINISHED, ITEMS, JOINED, REVOKED, STREAM, T0_MS

pytestmark = pytest.mark.virtual_clock


def clock():
    return asyncio.get_running_loop().time()


def made(url, /, **options):
    ready = registry.build(SinkConfig("http", options={"url": url, "allow_private": True, **options}))
    return ready.spec.factory(ready.config)


def lines(received):
    return [json.loads(line) for line in received.body.splitlines()]


async def test_a_batch_is_one_post_of_lines():
    async with receiver(clock) as server:
        sink = made(server.url)
        await sink.open(STREAM)
        await sink.write(ITEMS)
        await sink.close(FINISHED)
    first, batch, last = server.received
    assert [line["type"] for line in lines(first) + lines(batch) + lines(last)] == [
        "stream",
        "stream_state_changed",
        "participant_joined",
        "audio",
        "video",
        "share",
        "transcript",
        "chat",
        "ending",
    ]
    assert batch.headers["content-type"] == "application/x-ndjson"
    assert batch.headers["rtms-stream-id"] == STREAM.stream_id
    assert lines(batch)[2]["payload_bytes"] == 3200
    assert "authorization" not in batch.headers


async def test_media_gzip_and_token(tmp_path):
    (tmp_path / "token").write_text("s3cret\n")
    async with receiver(clock) as server:
        sink = made(server.url, media=True, gzip=True, token_file=str(tmp_path / "token"))
        await sink.open(STREAM)
        await sink.write(ITEMS)
        await sink.close(FINISHED)
    batch = server.received[1]
    # the server of these tests has unpacked it, as a receiver's would
    assert batch.headers["content-encoding"] == "gzip"
    body = batch.body if batch.body[:1] == b"{" else gzip.decompress(batch.body)
    assert json.loads(body.splitlines()[2])["payload"] == "A" * 4266 + "A="
    assert batch.headers["authorization"] == "Bearer s3cret"


async def test_a_batch_that_comes_again_has_the_same_key():
    async with receiver(clock, 200, 503, 200, 200, 200) as server:
        sink = made(server.url)
        await sink.open(STREAM)
        with pytest.raises(SinkError, match="the receiver of batches answered with 503"):
            await sink.write(ITEMS)
        await sink.write(ITEMS)
        await sink.write(ITEMS)
        await sink.close(FINISHED)
    keys = [one.headers["idempotency-key"] for one in server.received]
    assert keys[1] == keys[2]
    assert len(set(keys)) == 4


async def test_a_revoked_stream_says_so_and_a_released_one_says_nothing():
    async with receiver(clock) as server:
        for ending in (REVOKED, Ending(FINISHED.stop_reason, T0_MS, is_released=True)):
            sink = made(server.url)
            await sink.open(STREAM)
            await sink.close(ending)
    assert [lines(one)[0].get("outcome") for one in server.received] == [None, "erase", None]


async def test_a_receiver_that_is_not_there():
    sink = made("http://127.0.0.1:1")
    with pytest.raises(SinkError, match=r"cannot be reached: Connect call failed"):
        await sink.open(STREAM)


async def test_a_private_address_is_refused():
    async with receiver(clock) as server:
        sink = made(server.url.replace("http:", "https:"), allow_private=False)
        with pytest.raises(SinkError, match="the address is refused: it is private"):
            await sink.open(STREAM)
    assert server.received == []


async def test_an_id_that_no_header_may_hold():
    async with receiver(clock) as server:
        sink = made(server.url)
        await sink.open(msgspec.structs.replace(STREAM, stream_id="a\r\nb: ü"))
        await sink.write([JOINED])
        await sink.close(FINISHED)
    assert server.received[0].headers["rtms-stream-id"] == "a__b:__"
    assert lines(server.received[0])[0]["stream_id"] == "a\r\nb: ü"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"url": "http://example.com", "allow_private": False}, "must be an https:// URL"),
        ({"token": "a", "token_file": "b"}, "give either token or token_file"),
        ({"token": "two words"}, "token must be one word"),
        ({"token": ""}, "token is empty"),
        ({"token_file": "nowhere"}, "token_file cannot be read"),
    ],
)
def test_a_configuration_that_cannot_be_used(changes, why):
    with pytest.raises(ConfigError) as error:
        registry.build(SinkConfig("http", options={"url": "https://example.com"} | changes))
    assert why in str(error.value)
    assert "two words" not in str(error.value)
