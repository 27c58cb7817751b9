"""Pause, resume and another camera, of a real engine and a simulated Zoom with its REST API."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from rtms_engine import Engine, SinkConfig
from rtms_engine.config import ZoomConfig
from rtms_engine.model.media import MediaKind, MediaParams, VideoParams
from rtms_engine.simulator import FakeZoom, demo_script, synthetic_script
from tests.api.support import API, answer, settle, zoom_and_api
from tests.e2e.support import APP, EPOCH_S, config, over
from tests.e2e.test_restart import with_credentials

pytestmark = pytest.mark.virtual_clock

SCRIPT = synthetic_script(speakers=2, duration_ms=60_000)
AUDIO = frozenset({MediaKind.AUDIO})


async def test_zoom_pauses_and_goes_on(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with FakeZoom([APP], tls=False, epoch_s=EPOCH_S) as zoom:
        made = with_credentials(zoom, tmp_path)
        made = config(zoom, SinkConfig("null"), apps=made.apps, zoom=made.zoom, api=API)
        async with (
            Engine(made, unix_s=lambda: EPOCH_S + loop.time()) as engine,
            aiohttp.ClientSession(engine.api_url) as client,
        ):
            meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
            await settle(3)
            url = f"/api/v1/streams/{meeting.stream_id}"
            await answer(client.post(f"{url}/pause"), 202)
            await settle(1)
            assert meeting.is_paused
            assert (await answer(client.get(url)))["zoom_state"] == "PAUSED"
            await answer(client.post(f"{url}/resume"), 202)
            await settle(1)
            assert not meeting.is_paused
            await meeting.stop()
            await over(engine, meeting)
            problem = await answer(client.post(f"{url}/pause"), 409)
            assert "ended" in problem["detail"]


async def test_without_credentials_it_says_what_is_missing() -> None:
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, client):
        meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        await settle(1)
        problem = await answer(client.post(f"/api/v1/streams/{meeting.stream_id}/pause"), 409)
        for key in ("api_client_id", "api_client_secret", "account_id"):
            assert f"apps.default.{key}" in problem["remedy"]
        await answer(client.post("/api/v1/streams/nothing/resume"), 404)


async def test_zooms_refusal_is_told(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with FakeZoom([APP], tls=False, epoch_s=EPOCH_S) as zoom:
        apps = with_credentials(zoom, tmp_path).apps
        api = ZoomConfig(api_url=zoom.api_url + "/nowhere", oauth_url=zoom.oauth_url)
        made = config(zoom, SinkConfig("null"), apps=apps, zoom=api, api=API)
        async with (
            Engine(made, unix_s=lambda: EPOCH_S + loop.time(), random=lambda: 0.5) as engine,
            aiohttp.ClientSession(engine.api_url) as client,
        ):
            meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
            await settle(1)
            problem = await answer(client.post(f"/api/v1/streams/{meeting.stream_id}/pause"), 502)
            assert problem["remedy"]


async def test_another_camera_is_chosen() -> None:
    media = MediaParams(video=VideoParams(mode="single_participant"))
    async with zoom_and_api(SinkConfig("null"), media=media) as (zoom, engine, client):
        meeting = await zoom.start(demo_script(), engine.webhook_url)
        await settle(8)
        url = f"/api/v1/streams/{meeting.stream_id}"
        people = (await answer(client.get(url)))["people"]
        cameras = [one["user_id"] for one in people if one["camera"]]
        assert cameras
        meeting.video_user = None
        await answer(client.post(f"{url}/video", json={"user_id": None}), 202)
        await settle(1)
        assert meeting.video_user is None, "the camera that is shown need not be asked for again"
        others = [one["user_id"] for one in people if one["user_id"] not in cameras]
        for user_id in (*others[:1], cameras[-1]):
            await answer(client.post(f"{url}/video", json={"user_id": user_id}), 202)
        problem = await answer(client.post(f"{url}/video", json={"user_id": 999}), 409)
        assert problem["field"] == "body.user_id"
        for body in ({}, {"user_id": "me"}, {"user_id": 0}, {"user_id": 1, "more": 1}):
            assert (await answer(client.post(f"{url}/video", json=body), 400))["field"].startswith("body")


async def test_only_one_camera_can_be_chosen() -> None:
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, client):
        meeting = await zoom.start(SCRIPT, engine.webhook_url)
        await settle(1)
        problem = await answer(
            client.post(f"/api/v1/streams/{meeting.stream_id}/video", json={"user_id": 1}), 409
        )
        assert "single_participant" in problem["remedy"]
