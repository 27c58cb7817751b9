"""Somebody is excluded while a stream runs: nothing of theirs is delivered or recorded from then on."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rtms_engine import Engine, RtmsConfig, SinkConfig, StateConfig
from rtms_engine.audit.log import AuditLog
from rtms_engine.config import ConsentConfig
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import FakeZoom, synthetic_script
from tests.api.support import API, answer, settle, zoom_and_api
from tests.e2e.support import APP, EPOCH_S, config, manifest_of, over, recording

pytestmark = pytest.mark.virtual_clock

SCRIPT = synthetic_script(speakers=2, duration_ms=20_000)
AUDIO = frozenset({MediaKind.AUDIO})


async def people(client: aiohttp.ClientSession, stream_id: str) -> list[dict[str, Any]]:
    """Of a stream."""
    stream = await answer(client.get(f"/api/v1/streams/{stream_id}"))
    return [one for one in stream["people"] if one["left_ms"] is None]


async def test_from_then_on_nothing_of_theirs(tmp_path: Path) -> None:
    """Delivered or recorded; until it is taken back. Told as an event, in the story and in the audit log."""
    heard: list[tuple[int, int]] = []

    def hear(_stream: Any, item: Any) -> None:
        if hasattr(item, "speaker"):
            heard.append((item.speaker.user_id, item.timestamp_ms))

    async with zoom_and_api(recording(tmp_path), folder=tmp_path, callback=hear) as (zoom, engine, client):
        meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        await settle(5)
        url = f"/api/v1/streams/{meeting.stream_id}"
        them, other = [one["user_id"] for one in await people(client, meeting.stream_id)]
        assert {user_id for user_id, _ in heard} == {them, other}
        await answer(client.post(f"{url}/exclude", json={"user_id": them}), 202)
        begins = max(at_ms for _, at_ms in heard)
        assert [one["excluded"] for one in await people(client, meeting.stream_id)] == ["request", ""]
        await settle(5)
        ends = max(at_ms for _, at_ms in heard)
        between = {user_id for user_id, at_ms in heard if begins < at_ms <= ends}
        assert between == {other}
        await answer(client.post(f"{url}/include", json={"user_id": them}), 202)
        await settle(5)
        assert {user_id for user_id, at_ms in heard if at_ms > ends + 1_000} == {them, other}
        await over(engine, meeting)
        story = [entry.event for entry in engine.story(meeting.stream_id)]
    assert [event for event in story if event.startswith("Participant")] == [
        "ParticipantExcluded",
        "ParticipantIncluded",
    ]
    folder, _ = manifest_of(tmp_path, meeting)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]
    told = [event for event in events if event["type"] in ("participant_excluded", "participant_included")]
    assert [(event["user_id"], event.get("by")) for event in told] == [(them, "request"), (them, None)]
    used = [entry.about for entry in AuditLog(tmp_path / "state").entries() if entry.action == "api_used"]
    assert [about["operation"] for about in used] == ["excludeParticipant", "includeParticipant"]
    assert not list((tmp_path / "state" / "exclusions").glob("*.json")), "what is over is forgotten"


async def test_the_next_engine_goes_on_so(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    heard: list[int] = []

    def hear(_stream: Any, item: Any) -> None:
        if hasattr(item, "speaker"):
            heard.append(item.speaker.user_id)

    async with FakeZoom([APP], tls=False, epoch_s=EPOCH_S) as zoom:
        made = config(zoom, SinkConfig("null"), state=StateConfig(directory=str(tmp_path / "state")), api=API)
        async with (
            Engine(made, unix_s=lambda: EPOCH_S + loop.time()) as engine,
            aiohttp.ClientSession(engine.api_url) as client,
        ):
            meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
            await settle(3)
            them, other = [one["user_id"] for one in await people(client, meeting.stream_id)]
            await answer(
                client.post(f"/api/v1/streams/{meeting.stream_id}/exclude", json={"user_id": them}), 202
            )
        async with Engine(made, callback=hear, unix_s=lambda: EPOCH_S + loop.time()) as engine:
            await settle(5)
            assert set(heard) == {other}
            assert engine.live_streams()[StreamId(meeting.stream_id)].overview.participants
            await meeting.stop()
            await over(engine, meeting)


async def test_what_cannot_be() -> None:
    consent = ConsentConfig(exclude=("16778240",))
    async with zoom_and_api(SinkConfig("null"), consent=consent) as (zoom, engine, client):
        meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        await settle(3)
        url = f"/api/v1/streams/{meeting.stream_id}"
        assert (await answer(client.post(f"{url}/exclude", json={"user_id": 5}), 409))[
            "field"
        ] == "body.user_id"
        await answer(client.post(f"{url}/exclude", json={"user_id": "x"}), 400)
        await answer(client.post("/api/v1/streams/none/exclude", json={"user_id": 5}), 404)
        ruled = [
            one["user_id"] for one in await people(client, meeting.stream_id) if one["excluded"] == "rule"
        ]
        assert len(ruled) == 1
        problem = await answer(client.post(f"{url}/include", json={"user_id": ruled[0]}), 409)
        assert "consent" in problem["remedy"]
        await meeting.stop()
        await over(engine, meeting)
        await answer(client.post(f"{url}/exclude", json={"user_id": ruled[0]}), 409)


async def test_a_capture_would_keep_them_all_the_same(tmp_path: Path) -> None:
    async with FakeZoom([APP], tls=False, epoch_s=EPOCH_S) as zoom:
        loop = asyncio.get_running_loop()
        rtms = RtmsConfig(
            allowed_hosts=("127.0.0.1",),
            allow_insecure_loopback=True,
            capture=True,
            capture_directory=str(tmp_path),
        )
        made = config(zoom, SinkConfig("null"), rtms=rtms, api=API)
        async with (
            Engine(made, unix_s=lambda: EPOCH_S + loop.time()) as engine,
            aiohttp.ClientSession(engine.api_url) as client,
        ):
            meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
            await settle(3)
            user_id = (await people(client, meeting.stream_id))[0]["user_id"]
            url = f"/api/v1/streams/{meeting.stream_id}/exclude"
            assert "capture" in (await answer(client.post(url, json={"user_id": user_id}), 409))["remedy"]
            await meeting.stop()
            await over(engine, meeting)
