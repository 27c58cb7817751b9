"""Streams as the API shows them, from a real engine."""

import pytest

from rtms_engine import SinkConfig
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import synthetic_script
from tests.api.support import answer, settle, zoom_and_api
from tests.e2e.support import over

pytestmark = pytest.mark.virtual_clock

SCRIPT = synthetic_script(speakers=2, duration_ms=30_000)
AUDIO = frozenset({MediaKind.AUDIO})


async def test_a_live_stream_with_everything_that_is_known() -> None:
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, client):
        meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        await settle(5)
        (summary,) = (await answer(client.get("/api/v1/streams")))["streams"]
        assert summary["id"] == meeting.stream_id
        assert (summary["state"], summary["zoom_state"]) == ("live", "ACTIVE")
        assert summary["participants"] == 2
        assert summary["received"]["audio"] > 0
        stream = await answer(client.get(f"/api/v1/streams/{meeting.stream_id}"))
        assert {key: stream[key] for key in ("id", "meeting", "app")} == {
            "id": meeting.stream_id,
            "meeting": meeting.facts.entity_id,
            "app": "default",
        }
        legs = {leg["name"]: leg for leg in stream["legs"]}
        assert (legs["signaling"]["state"], legs["audio"]["state"]) == ("up", "up")
        assert legs["audio"]["messages"] >= summary["received"]["audio"]
        assert legs["audio"]["host"] == "127.0.0.1"
        assert legs["video"]["state"] == "given up"
        assert "scope" in stream["refused"]["video"], "why a stream has no video"
        assert stream["granted"]["audio"]["sample_rate"] == 16_000
        assert [sink["name"] for sink in stream["sinks"]] == ["null"]
        timeline = await answer(client.get(f"/api/v1/streams/{meeting.stream_id}/timeline"))
        texts = [entry["text"] for entry in timeline["entries"]]
        assert texts[0].startswith("A webhook announced the stream")
        assert any("There is no video" in text and "scope" in text for text in texts)


async def test_a_stream_that_is_stopped_and_what_remains() -> None:
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, client):
        meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        await settle(5)
        path = f"/api/v1/streams/{meeting.stream_id}"
        await answer(client.post(f"{path}/stop"), 202)
        await over(engine, meeting)
        stream = await answer(client.get(path))
        assert (stream["state"], stream["stop_reason"]) == ("finished", "RECEIVER_REQUEST_CLOSE")
        assert stream["stop_cause"]
        assert stream["ended_ms"] > stream["started_ms"]
        await answer(client.post(f"{path}/stop"), 409)
        timeline = await answer(client.get(f"{path}/timeline"))
        assert timeline["entries"][-1]["text"].startswith("The stream ended: 20 ")


async def test_filters_and_pages() -> None:
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, client):
        meetings = []
        for _ in range(5):
            meetings.append(await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO))
            await settle(1)
        await meetings[0].stop()
        await over(engine, meetings[0])

        async def ids(query: str) -> list[str]:
            page = await answer(client.get(f"/api/v1/streams?{query}"))
            return [stream["id"] for stream in page["streams"]]

        newest_first = [meeting.stream_id for meeting in reversed(meetings)]
        assert await ids("") == newest_first
        assert await ids("state=ended") == [meetings[0].stream_id]
        assert await ids("state=live") == newest_first[:-1]
        assert await ids("app=other") == await ids("product=webinar") == []
        async with client.get("/api/v1/streams", params={"meeting": meetings[2].facts.entity_id}) as got:
            assert [one["id"] for one in (await got.json())["streams"]] == [meetings[2].stream_id]
        seen: list[str] = []
        after = ""
        while True:
            page = await answer(client.get("/api/v1/streams", params={"limit": "2", "after": after}))
            seen += [stream["id"] for stream in page["streams"]]
            if not (after := page["next"]):
                break
        assert seen == newest_first
