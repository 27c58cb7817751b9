"""A stream's picture over real sockets, or why there is none."""

import asyncio
from io import BytesIO
from pathlib import Path

import aiohttp
import av

from rtms_engine import ApiConfig, SinkConfig
from rtms_engine.api.picture import TIME_HEADER
from rtms_engine.api.tokens import Scope, TokenFile
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import demo_script, synthetic_script
from tests.api.support import answer, zoom_and_api
from tests.e2e.support import recording


async def picture(client: aiohttp.ClientSession, stream_id: str, kind: str) -> tuple[bytes, int]:
    """The picture as soon as there is one."""
    while True:
        async with client.get(f"/api/v1/streams/{stream_id}/picture?kind={kind}") as response:
            if response.status == 200:
                assert response.content_type == "image/jpeg"
                return await response.read(), int(response.headers[TIME_HEADER])
            assert response.content_type == "application/problem+json"
        await asyncio.sleep(0.1)


async def test_the_camera_of_a_meeting(tmp_path: Path) -> None:
    async with zoom_and_api(recording(tmp_path)) as (zoom, engine, client):
        meeting = await zoom.start(demo_script(), engine.webhook_url)
        async with asyncio.timeout(20):
            jpeg, at_ms = await picture(client, meeting.stream_id, "video")
            with av.open(BytesIO(jpeg)) as image:
                assert 0 < next(image.decode(video=0)).width <= 640
            assert at_ms >= engine.live_streams()[meeting.stream_id].info.started_ms
            same = [picture(client, meeting.stream_id, "video") for _ in range(5)]
            assert len({jpeg for jpeg, _ in await asyncio.gather(*same)}) <= 2, "one look a second"
        await meeting.stop()


async def why(client: aiohttp.ClientSession, stream_id: str, kind: str) -> str:
    """The problem in words."""
    problem = await answer(client.get(f"/api/v1/streams/{stream_id}/picture?kind={kind}"), 404)
    return str(problem["detail"])


async def test_why_there_is_none(tmp_path: Path) -> None:
    script = synthetic_script(speakers=1, duration_ms=60_000)
    few = frozenset({MediaKind.AUDIO, MediaKind.VIDEO})
    async with zoom_and_api(SinkConfig("null", kinds=few)) as (zoom, engine, client):
        meeting = await zoom.start(script, engine.webhook_url)
        while not engine.live_streams()[meeting.stream_id].received.get(MediaKind.AUDIO):
            await asyncio.sleep(0.05)
        assert await why(client, meeting.stream_id, "share") == "Nobody asked Zoom for share."
        assert await why(client, meeting.stream_id, "video") == "The stream is not recorded."
        assert await why(client, "nothing", "video") == "There is no stream of this id."
        await answer(client.get(f"/api/v1/streams/{meeting.stream_id}/picture?kind=audio"), 400)
        await meeting.stop()


async def test_what_zoom_refuses_is_said(tmp_path: Path) -> None:
    script = synthetic_script(speakers=1, duration_ms=60_000)
    audio = frozenset({MediaKind.AUDIO})
    async with zoom_and_api(recording(tmp_path)) as (zoom, engine, client):
        meeting = await zoom.start(script, engine.webhook_url, granted=audio)
        while not engine.live_streams()[meeting.stream_id].overview.refused.get(MediaKind.VIDEO):
            await asyncio.sleep(0.05)
        assert (await why(client, meeting.stream_id, "video")).startswith("Zoom does not give video: ")
        await meeting.stop()


async def test_it_needs_the_scope_of_media(tmp_path: Path) -> None:
    token = TokenFile(tmp_path / "state").new("reader", [Scope.READ], 0)
    headers = {"Authorization": f"Bearer {token}"}
    async with zoom_and_api(folder=tmp_path, api=ApiConfig(port=0, anonymous="never")) as (_, _, client):
        await answer(client.get("/api/v1/streams/x/picture", headers=headers), 403)
