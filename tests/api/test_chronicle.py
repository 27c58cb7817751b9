"""Stories outlive streams and engines."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from rtms_engine import AppConfig, Engine, SinkConfig, StateConfig, StopReason
from rtms_engine.api.chronicle import PLACE, kept_stories
from rtms_engine.coordination.shelf import Shelf
from rtms_engine.model.media import MediaKind
from rtms_engine.model.retention import Retention
from rtms_engine.simulator import synthetic_script
from tests.api.support import API, answer, settle, zoom_and_api
from tests.e2e.support import APP, EPOCH_S, config, over

pytestmark = pytest.mark.virtual_clock
AUDIO = frozenset({MediaKind.AUDIO})


def shelf(folder: Path) -> Shelf:
    return Shelf(folder / "state" / PLACE)


async def kept_within(folder: Path, seconds: float = 5.0) -> list[str]:
    """The names of the stories on disk, when there are some; threads write them, and own no clock."""
    await settle(seconds)
    async with asyncio.timeout(600):
        while not (names := [path.stem for path in (folder / "state" / PLACE).glob("*.json")]):
            await settle(0.5)
    return names


async def test_why_there_is_no_video_now_later_and_in_the_next_engine(tmp_path: Path) -> None:
    """By the whole id, its beginning, and as the last one."""
    async with zoom_and_api(SinkConfig("null"), folder=tmp_path) as (zoom, engine, client):
        script = synthetic_script(speakers=1, duration_ms=20_000)
        meeting = await zoom.start(script, engine.webhook_url, granted=AUDIO)
        await settle(5)
        for text in (meeting.stream_id, meeting.stream_id[:6], ""):
            why = await answer(client.get("/api/v1/why", params={"stream": text}))
            assert why["id"] == meeting.stream_id
            by_about = {one["about"]: one for one in why["findings"]}
            assert by_about["audio"]["level"] == "ok"
            assert by_about["video"]["level"] == "error"
            assert "scope meeting:read:meeting_video" in by_about["video"]["text"]
        assert meeting.stream_id in await kept_within(tmp_path)
        await over(engine, meeting)
    kept = kept_stories(shelf(tmp_path), meeting.stream_id[:6])[meeting.stream_id]
    assert kept.stream is not None
    assert kept.stream.stop_reason == "MEETING_ENDED"
    assert kept.entries[0].event == "StreamStarted"
    assert kept.entries[-1].event == "StreamEnded"
    async with zoom_and_api(SinkConfig("null"), folder=tmp_path) as (_, _, client):
        again = await answer(client.get("/api/v1/why", params={"stream": meeting.stream_id[:6]}))
        assert again["entries"] == json.loads(json.dumps(again["entries"]))
        assert [one["event"] for one in again["entries"]] == [one.event for one in kept.entries]
        await answer(client.get("/api/v1/why", params={"stream": "nobody"}), 404)


async def test_two_streams_that_begin_alike(tmp_path: Path) -> None:
    """Are a conflict, unless one is named in full."""
    async with zoom_and_api(SinkConfig("null"), folder=tmp_path) as (_zoom, _engine, client):
        shelf(tmp_path).put("ab1", b'{"id":"ab1","stream":null,"findings":[],"entries":[]}')
        shelf(tmp_path).put("ab2", b'{"id":"ab2","stream":null,"findings":[],"entries":[]}')
        shelf(tmp_path).put("ab3", b"of another version")
        problem = await answer(client.get("/api/v1/why", params={"stream": "ab"}), 409)
        assert problem["detail"].startswith("2 streams")
        assert (await answer(client.get("/api/v1/why", params={"stream": "ab2"})))["id"] == "ab2"


async def test_a_revoked_stream_leaves_no_story(tmp_path: Path) -> None:
    async with zoom_and_api(SinkConfig("null"), folder=tmp_path) as (zoom, engine, _):
        meeting = await zoom.start(synthetic_script(speakers=1, duration_ms=60_000), engine.webhook_url)
        assert await kept_within(tmp_path)
        await meeting.stop(StopReason.STREAM_REVOKED)
        await over(engine, meeting)
    assert shelf(tmp_path).get(meeting.stream_id) is None


async def test_an_app_that_may_store_nothing_has_no_stories(tmp_path: Path) -> None:
    app = AppConfig.of(APP.client_id, APP.client_secret, APP.secret_token, retention=Retention(0))
    async with zoom_and_api(SinkConfig("null"), folder=tmp_path, apps=[app]) as (zoom, engine, client):
        meeting = await zoom.start(synthetic_script(speakers=1, duration_ms=3_000), engine.webhook_url)
        await over(engine, meeting)
        assert (await answer(client.get("/api/v1/why")))["id"] == meeting.stream_id
    assert not list((tmp_path / "state").glob(f"{PLACE}/*"))


async def test_a_story_goes_on_where_an_earlier_engine_left_it(tmp_path: Path) -> None:
    async with zoom_and_api(SinkConfig("null"), folder=tmp_path) as (zoom, engine, _):
        script = synthetic_script(speakers=1, duration_ms=60_000)
        meeting = await zoom.start(script, engine.webhook_url)
        await settle(5)
        await engine.__aexit__(None, None, None)
        loop = asyncio.get_running_loop()
        changes: dict[str, Any] = {"api": API, "state": StateConfig(directory=str(tmp_path / "state"))}
        async with Engine(
            config(zoom, SinkConfig("null"), **changes), unix_s=lambda: EPOCH_S + loop.time()
        ) as second:
            await settle(3)
            events = [entry.event for entry in second.story(meeting.stream_id)]
            assert events[0] == "StreamStarted"
            assert "StreamResumed" in events
