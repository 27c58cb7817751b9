"""Watching a stream, over real sockets."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from rtms_engine import SinkConfig
from rtms_engine.api import live
from rtms_engine.api.access import Doorkeeper
from rtms_engine.api.links import Links
from rtms_engine.api.server import ApiServer
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import demo_script, synthetic_script
from tests.api.support import answer, settle, zoom_and_api
from tests.e2e.support import over, zoom_and_engine

pytestmark = pytest.mark.virtual_clock

AUDIO = frozenset({MediaKind.AUDIO})


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    """Server-sent events, until the server ends."""
    name = ""
    async for line in response.content:
        text = line.decode().rstrip("\n")
        if text.startswith("event: "):
            name = text.removeprefix("event: ")
        elif text.startswith("data: "):
            yield name, json.loads(text.removeprefix("data: "))


async def test_a_meeting_as_it_happens() -> None:
    """Texts, people, the story, levels and the end; and Zoom was asked for nothing more."""
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, client):
        meeting = await zoom.start(demo_script(), engine.webhook_url)
        await settle(1)
        heard: Counter[str] = Counter()
        loud: set[str] = set()
        async with client.get(f"/api/v1/streams/{meeting.stream_id}/events?levels=true") as response:
            assert response.content_type == "text/event-stream"
            async for name, data in events_of(response):
                heard[name] += 1
                if name == "levels":
                    loud |= {user for user, dbfs in data.items() if dbfs > -40}
                if name == "transcript":
                    assert data["text"]
                if name == "entry":
                    assert data["event"]
        stats = await over(engine, meeting)
    assert heard["transcript"] == 8
    assert heard["chat"] == 4
    assert heard["ending"] == 1
    assert heard["active_speaker_changed"] > 1
    assert heard["entry"] >= 1
    assert len(loud) == 2
    assert not {"audio", "video", "missed"} & set(heard)
    assert "watch" not in [sink.name for sink in stats.sinks]


async def test_watching_asks_zoom_for_nothing() -> None:
    """A transcript bills the whole session: nobody gets one by looking."""
    async with zoom_and_api(SinkConfig("null", kinds=AUDIO)) as (zoom, engine, client):
        meeting = await zoom.start(demo_script(), engine.webhook_url)
        await settle(1)
        async with client.get(f"/api/v1/streams/{meeting.stream_id}/events") as response:
            await settle(20)
            stream = await answer(client.get(f"/api/v1/streams/{meeting.stream_id}"))
            assert stream["requested"] == ["audio"]
            assert stream["received"]["transcript"] == 0
            response.close()


async def test_who_leaves_is_forgotten_and_who_is_too_late_is_told() -> None:
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, client):
        script = synthetic_script(speakers=1, duration_ms=60_000)
        meeting = await zoom.start(script, engine.webhook_url, granted=AUDIO)
        await settle(1)
        path = f"/api/v1/streams/{meeting.stream_id}"
        before = len(asyncio.all_tasks())
        for _ in range(5):
            response = await client.get(f"{path}/events?levels=true")
            await settle(1)
            response.close()
        await settle(20)
        assert len(asyncio.all_tasks()) <= before + 1
        await answer(client.get(f"{path}/events?level=true"), 400)
        await meeting.stop()
        await over(engine, meeting)
        await answer(client.get(f"{path}/events"), 404)
        await answer(client.get("/api/v1/streams/nothing/media"), 404)


async def test_media_of_every_participant() -> None:
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, client):
        script = synthetic_script(speakers=2, duration_ms=8_000)
        meeting = await zoom.start(script, engine.webhook_url, granted=AUDIO)
        await settle(0.5)
        voices: Counter[int] = Counter()
        async with client.ws_connect(
            f"/api/v1/streams/{meeting.stream_id}/media?kinds=audio,events"
        ) as socket:
            async for message in socket:
                said = json.loads(message.data)
                if said["event"] == "audio_separate_raw.data":
                    data = said["data"]["data"]
                    voices[data["participant"]["id"]] += len(base64.b64decode(data["buffer"]))
        await over(engine, meeting)
    assert len(voices) == 2
    assert min(voices.values()) > 32_000


async def test_media_mixed_and_steady() -> None:
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, client):
        script = synthetic_script(speakers=2, duration_ms=8_000)
        meeting = await zoom.start(script, engine.webhook_url, granted=AUDIO)
        await settle(0.5)
        events: Counter[str] = Counter()
        path = f"/api/v1/streams/{meeting.stream_id}/media?format=twilio&encoding=mulaw"
        async with client.ws_connect(path) as socket:
            async for message in socket:
                events[json.loads(message.data)["event"]] += 1
        await over(engine, meeting)
    assert events["connected"] == events["start"] == events["stop"] == 1
    assert events["media"] > 300, "20 ms each"


async def test_what_cannot_be_watched_is_said() -> None:
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, client):
        script = synthetic_script(speakers=1, duration_ms=8_000)
        meeting = await zoom.start(script, engine.webhook_url, granted=AUDIO)
        await settle(0.5)
        path = f"/api/v1/streams/{meeting.stream_id}/media"
        await answer(client.get(path), 426)
        assert (await answer(client.get(f"{path}?kinds=xyzzy"), 400))["field"] == "query.kinds"
        await answer(client.get(f"{path}?rate=9"), 400)
        await over(engine, meeting)


async def test_too_many_watch() -> None:
    async with zoom_and_engine(SinkConfig("null")) as (zoom, engine):
        script = synthetic_script(speakers=1, duration_ms=8_000)
        meeting = await zoom.start(script, engine.webhook_url, granted=AUDIO)
        await settle(0.5)
        door = Doorkeeper(lambda _: None, anonymous="loopback", hosts=frozenset(), requests_per_s=50.0)
        rows = live.Live(engine, most_watchers=1).operations()
        async with (
            ApiServer(
                rows, door, engine, Links(b"", lambda: 0.0), version="0", host="127.0.0.1", port=0
            ) as server,
            aiohttp.ClientSession(server.url) as client,
        ):
            path = f"/api/v1/streams/{meeting.stream_id}/events"
            async with client.get(path) as watching:
                refused = await client.get(path)
                assert refused.headers["Retry-After"] == "30"
                await answer(refused, 503)
                watching.close()
            await over(engine, meeting)


async def test_a_slow_reader_misses_something_and_is_told() -> None:
    feed = live.EventFeed(None)
    for n in range(live.MOST_WAITING + 5):
        feed.hear_entry(live.Entry(n, "info", "ConnectionLost", "lost"))
    first = await feed.next()
    assert first == b'event: missed\ndata: {"count":5}\n\n'
    second = await feed.next()
    assert second is not None
    assert b'"at_ms":5' in second
