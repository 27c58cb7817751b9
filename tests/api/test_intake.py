"""Streams that are handed in, in Zoom's shape and in Recall's."""

import json
from pathlib import Path
from typing import Any

import pytest

from rtms_engine import AppConfig, SinkConfig
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import LiveMeeting, demo_script, synthetic_script
from rtms_engine.wire.signature import handshake_signature
from tests.api.support import answer, settle, zoom_and_api
from tests.e2e.support import APP, EPOCH_S, over, recording

pytestmark = pytest.mark.virtual_clock

SCRIPT = synthetic_script(speakers=2, duration_ms=4_000)
LONG = synthetic_script(speakers=2, duration_ms=60_000)
AUDIO = frozenset({MediaKind.AUDIO})
NO_SECRET = [AppConfig.of("client-id", "not-the-secret", APP.secret_token)]
URL = "/api/v1/streams"
DIRECT = "/api/v1/meeting_direct_connect/"


def started(meeting: LiveMeeting, **more: Any) -> dict[str, Any]:
    payload = {**meeting.facts.started(meeting.server_url), **more}
    return {"event": "meeting.rtms_started", "event_ts": int(EPOCH_S * 1000) + 1, "payload": payload}


def signature(meeting: LiveMeeting) -> str:
    return handshake_signature(
        APP.client_id, APP.client_secret, meeting.facts.entity_id, meeting.facts.stream_id
    )


def direct(meeting: LiveMeeting, **more: Any) -> dict[str, Any]:
    return {
        "zoom_rtms": {
            "meeting_uuid": meeting.facts.entity_id,
            "rtms_stream_id": meeting.stream_id,
            "server_urls": meeting.server_url,
            "signature": signature(meeting),
            **more,
        },
        "recording_config": {"transcript": {"provider": {"meeting_captions": {}}}},
        "something_new": True,
    }


async def test_a_webhook_that_came_elsewhere(tmp_path: Path) -> None:
    async with zoom_and_api(recording(tmp_path), folder=tmp_path) as (zoom, engine, client):
        meeting = await zoom.start(SCRIPT, granted=AUDIO)
        first = await answer(client.post(URL, json=started(meeting)), 202)
        assert first == {"id": meeting.stream_id, "url": f"{URL}/{meeting.stream_id}", "outcome": "accepted"}
        again = await answer(client.post(URL, json=started(meeting)), 202)
        assert again["outcome"] == "known"
        await answer(client.get(first["url"]))
        stats = await over(engine, meeting)
        assert stats.received[MediaKind.AUDIO] == meeting.ledger.frames[MediaKind.AUDIO] > 0


async def test_with_a_signature_no_secret_is_needed() -> None:
    async with zoom_and_api(SinkConfig("null"), apps=NO_SECRET) as (zoom, engine, client):
        meeting = await zoom.start(SCRIPT, granted=AUDIO)
        await answer(client.post(URL, json=started(meeting, signature=signature(meeting))), 202)
        stats = await over(engine, meeting)
        assert stats.received[MediaKind.AUDIO] > 0


async def test_its_end_is_handed_in_too() -> None:
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, client):
        meeting = await zoom.start(LONG, granted=AUDIO)
        await answer(client.post(URL, json=started(meeting)), 202)
        await settle(3)
        body = {
            "event": "meeting.rtms_stopped",
            "event_ts": int(EPOCH_S * 1000) + 3000,
            "payload": meeting.facts.stopped(6),
        }
        assert (await answer(client.post(URL, json=body), 202))["outcome"] == "accepted"
        await settle(3)
        assert not engine.live_streams()
        interrupted = {"event": "meeting.rtms_interrupted", "payload": meeting.facts.interrupted()}
        problem = await answer(client.post(URL, json=interrupted), 409)
        assert "no such stream" in problem["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"event": "meeting.started"}, "body.event"),
        ({"event": "endpoint.url_validation", "payload": {"plainToken": "Xyzzy"}}, "body.event"),
        ({"payload": {"meeting_uuid": "Xyzzy"}}, "body.payload"),
        ({"payload": []}, "body.payload"),
        ({"event": 1}, "body.event"),
        ({"event_ts": "soon"}, "body.event_ts"),
        ({"signature": "ö"}, "body.payload.signature"),
        ({"server_urls": "wss://Xyzzy.evil.example"}, "body.payload.server_urls"),
    ],
)
async def test_what_cannot_be_used(change: dict[str, Any], field: str) -> None:
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, client):
        meeting = await zoom.start(LONG)
        body = started(meeting)
        where = body["payload"] if change.keys() <= {"signature", "server_urls"} else body
        where.update(change)
        text = await (response := await client.post(URL, json=body)).text()
        assert response.status == 400, text
        assert json.loads(text)["field"] == field
        assert "Xyzzy" not in text
        assert not engine.live_streams()


async def test_several_apps_want_a_name() -> None:
    apps = [*NO_SECRET, AppConfig.of(APP.client_id, APP.client_secret, "other-token", name="second")]
    async with zoom_and_api(SinkConfig("null"), apps=apps) as (zoom, engine, client):
        meeting = await zoom.start(SCRIPT, granted=AUDIO)
        for query in ("", "?app=third"):
            problem = await answer(client.post(URL + query, json=started(meeting)), 400)
            assert problem["field"] == "query.app"
        await answer(client.post(URL + "?app=second", json=started(meeting)), 202)
        assert (await over(engine, meeting)).info.app == "second"


async def test_recalls_shape(tmp_path: Path) -> None:
    """From the request to the bytes, with Recall's header, and the same request again."""
    token = {"Authorization": "Token whatever"}
    async with zoom_and_api(recording(tmp_path), folder=tmp_path, apps=NO_SECRET) as (zoom, engine, client):
        await answer(client.post(DIRECT, json={}, headers=token), 401)
        meeting = await zoom.start(demo_script())
        made = await answer(client.post(DIRECT, json=direct(meeting)), 201)
        assert (made["id"], made["status"]["code"]) == (meeting.stream_id, "processing")
        await settle(1)
        assert (await answer(client.post(DIRECT, json=direct(meeting)), 201))["id"] == meeting.stream_id
        assert engine.live_streams()[made["id"]].overview.losses == {}, "it was not moved"
        await over(engine, meeting)
        await answer(client.post(DIRECT.rstrip("/"), json=direct(meeting)), 201)
        assert not engine.live_streams(), "the same request starts nothing again"
        done = await answer(client.get(f"{DIRECT}{made['id']}/"))
        assert done["status"]["code"] == "done"
        assert done["zoom_rtms"]["meeting_uuid"] == meeting.facts.entity_id
        (recorded,) = done["recordings"]
        assert recorded["status"]["code"] == "done"
        assert recorded["started_at"].endswith("Z")
        shortcuts = recorded["media_shortcuts"]
        urls = [url for medium in shortcuts.values() if medium for url in medium["data"].values() if url]
        assert all(url.startswith(engine.api_url) for url in urls)
        assert shortcuts["audio_mixed"]["format"] == "wav"
        assert shortcuts["video_mixed"]["format"] == "mp4"
        for url in urls:
            async with client.get(url) as response:
                assert response.status == 200
                assert await response.read()
        words = await answer(client.get(shortcuts["transcript"]["data"]["download_url"]))
        assert {"participant", "words"} <= set(words[0])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"server_urls": []}, "body.zoom_rtms.server_urls"),
        ({"server_urls": "wss://evil.example"}, "body.zoom_rtms.server_urls"),
        ({"signature": "\n"}, "body.zoom_rtms.signature"),
        ({"meeting_uuid": ""}, "body.zoom_rtms.meeting_uuid"),
        ({"rtms_stream_id": 7}, "body.zoom_rtms.rtms_stream_id"),
    ],
)
async def test_recalls_shape_is_checked(change: dict[str, Any], field: str) -> None:
    async with zoom_and_api(SinkConfig("null")) as (zoom, _, client):
        meeting = await zoom.start(LONG)
        problem = await answer(client.post(DIRECT, json=direct(meeting, **change)), 400)
        assert problem["field"] == field
        await answer(client.get(f"{DIRECT}nothing"), 404)
