"""Draining, handing over, reloading and refusing, on the virtual clock."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rtms_engine import Config, ConfigError, Engine, LimitsConfig, ServerConfig, SinkConfig, StateConfig
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import FakeZoom, LiveMeeting, synthetic_script
from tests.e2e.support import APP, EPOCH_S, config, manifest_of, over, recording, zoom_and_engine

pytestmark = pytest.mark.virtual_clock

SCRIPT = synthetic_script(duration_ms=20_000)
AUDIO = frozenset({MediaKind.AUDIO, MediaKind.TRANSCRIPT})


def engine_of(made: Config) -> Engine:
    """An engine on the running loop's clock."""
    loop = asyncio.get_running_loop()
    return Engine(made, unix_s=lambda: EPOCH_S + loop.time(), random=lambda: 0.5)


async def status_of(url: str) -> int:
    """Of a GET."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


async def test_draining_waits_for_the_meetings(tmp_path: Path) -> None:
    """Running streams go on to their end; Zoom is told to announce new ones again."""
    async with zoom_and_engine(recording(tmp_path)) as (zoom, engine):
        ready = engine.webhook_url.replace("/webhook", "/readyz")
        meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        await asyncio.sleep(1)
        assert await status_of(ready) == 200
        async with asyncio.TaskGroup() as group:
            draining = group.create_task(engine.drain(), name="drain")
            await asyncio.sleep(1)
            assert await status_of(ready) == 503
            late = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
            assert late.deliveries[0].status == 503
            assert not draining.done()
            assert list(engine.live_streams()) == [meeting.stream_id]
        stats = await over(engine, meeting)
        assert stats.received[MediaKind.AUDIO] == meeting.ledger.frames[MediaKind.AUDIO] == 200
    assert manifest_of(tmp_path, meeting)[1]["stop_reason"]["name"] == "MEETING_ENDED"


async def test_the_next_engine_takes_over(tmp_path: Path) -> None:
    """Let go of after the drain time, without ending the stream; the recording goes on in its folder."""
    out, state = tmp_path / "out", StateConfig(directory=str(tmp_path / "state"))
    port = 0
    async with FakeZoom([APP], tls=False, epoch_s=EPOCH_S) as zoom:
        made = config(
            zoom,
            recording(out),
            state=state,
            server=ServerConfig(host="127.0.0.1", port=port, drain_timeout_s=2.0),
        )
        async with engine_of(made) as first:
            port = int(first.webhook_url.split(":")[2].split("/")[0])
            meeting = await zoom.start(SCRIPT, first.webhook_url, granted=AUDIO)
            await asyncio.sleep(3)
            await first.drain()
        assert meeting.stop_reason is None
        assert not meeting.ledger.client_errors
        again = config(zoom, recording(out), state=state, server=ServerConfig(host="127.0.0.1", port=port))
        async with engine_of(again) as second:
            assert list(second.live_streams()) == [meeting.stream_id]
            await over(second, meeting)
        _, manifest = manifest_of(out, meeting)
        assert manifest["state"] == "done"
        voices = [a for a in manifest["artefacts"] if a["kind"] == "audio"]
        sent = {(s.user_id, s.timestamp_ms) for s in meeting.ledger.of(MediaKind.AUDIO)}
        assert sum(voice["samples"] for voice in voices) == len(sent) * 1600
        async with engine_of(again) as third:
            assert not third.live_streams()


async def test_ending_the_streams_at_zoom(tmp_path: Path) -> None:
    """Asked for, the engine ends what still runs after the drain time with STREAM_CLOSE_REQ."""
    server = ServerConfig(host="127.0.0.1", port=0, drain_timeout_s=1.0)
    async with zoom_and_engine(recording(tmp_path), server=server) as (zoom, engine):
        meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        await asyncio.sleep(1)
        await engine.drain(end_streams=True)
        assert (await meeting.ended()).name == "RECEIVER_REQUEST_CLOSE"
    assert manifest_of(tmp_path, meeting)[1]["stop_reason"]["code"] == 20


async def test_a_second_engine_on_the_same_state_is_refused(tmp_path: Path) -> None:
    """And told whose it is."""
    state = StateConfig(directory=str(tmp_path))
    async with zoom_and_engine(SinkConfig("null"), state=state) as (zoom, _):
        with pytest.raises(ConfigError, match="pid"):
            async with engine_of(config(zoom, SinkConfig("null"), state=state)):
                pass


async def test_the_same_delivery_twice_is_one_stream(tmp_path: Path) -> None:
    """Also after a restart of the engine: the journal remembers."""
    state = StateConfig(directory=str(tmp_path))
    payload = {"meeting_uuid": "U", "rtms_stream_id": "S", "server_urls": "ws://127.0.0.1:9"}
    async with zoom_and_engine(SinkConfig("null"), state=state) as (zoom, engine):
        for _ in range(2):
            sender = zoom.webhooks(engine.webhook_url)
            assert (await sender.send("meeting.rtms_started", payload, 5_000_000_000_000)).status == 200
        assert engine.webhooks().accepted == 2
        assert len(engine.live_streams()) + len(engine.recent_streams()) == 1


@pytest.mark.parametrize(
    ("limits", "joined"),
    [
        (LimitsConfig(max_streams=1), 1),
        (LimitsConfig(one_stream_per_meeting="first"), 1),
        (LimitsConfig(), 2),
        (LimitsConfig(min_free_disk_mb=10**9), 0),
        (LimitsConfig(max_memory_mb=1), 0),
    ],
    ids=["max", "first", "all", "disk", "memory"],
)
async def test_limits(tmp_path: Path, limits: LimitsConfig, joined: int) -> None:
    """Beyond a limit a stream is acknowledged and refused; those that run go on."""
    async with zoom_and_engine(recording(tmp_path), limits=limits) as (zoom, engine):
        meetings: list[LiveMeeting] = []
        for _ in range(2):
            meeting = await zoom.start(SCRIPT, engine.webhook_url, meeting_uuid="one", granted=AUDIO)
            assert meeting.deliveries[0].status == 200
            meetings.append(meeting)
        await asyncio.sleep(1)
        assert len(engine.live_streams()) == joined
        for meeting in meetings:
            await meeting.stop()
    assert len(list(tmp_path.glob("*/*/*/manifest.json"))) == joined


async def test_a_full_disk_stops_new_recordings_only(tmp_path: Path) -> None:
    """The sinks that need no disk have the stream all the same, and its story says who has not."""
    sinks = (recording(tmp_path), SinkConfig("null", kinds=frozenset({MediaKind.AUDIO})))
    limits = LimitsConfig(min_free_disk_mb=10**9)
    async with zoom_and_engine(*sinks, limits=limits) as (zoom, engine):
        meeting = await zoom.start(SCRIPT, engine.webhook_url)
        await asyncio.sleep(1)
        await meeting.stop()
        stats = await over(engine, meeting)
    assert {sink.name: bool(sink.written) for sink in stats.sinks} == {"null": True}
    assert stats.info.kinds == {MediaKind.AUDIO}
    [told] = [entry for entry in engine.story(meeting.stream_id) if entry.event == "SinkLeftOut"]
    assert told.text.startswith("The sink recording does not get this stream: ")
    assert "min_free_disk_mb" in told.text
    assert list(tmp_path.iterdir()) == []


async def test_reloading_is_for_new_streams(tmp_path: Path) -> None:
    """A stream keeps its sinks; the next one has the new ones; what cannot change is said."""
    async with zoom_and_engine(SinkConfig("null")) as (zoom, engine):
        before = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        await asyncio.sleep(1)
        engine.reload(config(zoom, recording(tmp_path), limits=LimitsConfig(max_streams=2)))
        after = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        refused = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        await asyncio.sleep(1)
        sinks = {i: [sink.name for sink in stats.sinks] for i, stats in engine.live_streams().items()}
        assert sinks == {before.stream_id: ["null"], after.stream_id: ["recording"]}
        for meeting in (before, after, refused):
            await meeting.stop()


async def test_a_start_that_comes_late_is_tried_once(tmp_path: Path) -> None:
    """Zoom's retry after minutes carries dead URLs: one attempt, then it is expired (V1.md §1.5)."""
    endings: list[Any] = []
    state = StateConfig(directory=str(tmp_path))
    async with zoom_and_engine(SinkConfig("null"), state=state) as (zoom, engine):
        sender = zoom.webhooks(engine.webhook_url)
        payload = {"meeting_uuid": "U", "rtms_stream_id": "S", "server_urls": "ws://127.0.0.1:9"}
        await sender.send("meeting.rtms_started", payload, int((EPOCH_S - 300) * 1000))
        await asyncio.sleep(1)
        endings = [stats.ending for stats in engine.recent_streams()]
    assert len(endings) == 1
    assert "expired" in endings[0].detail
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite3")) as journal:
        assert any("expired" in str(row) for row in journal.execute("SELECT * FROM streams"))


async def test_a_stream_that_is_over_can_be_revoked(tmp_path: Path) -> None:
    """Minutes after its end: everything is deleted all the same (V1.md §8.8)."""
    async with zoom_and_engine(recording(tmp_path)) as (zoom, engine):
        meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        await asyncio.sleep(3)
        await meeting.stop()
        await over(engine, meeting)
        assert manifest_of(tmp_path, meeting)[1]["state"] == "done"
        payload = {
            "meeting_uuid": meeting.facts.entity_id,
            "rtms_stream_id": meeting.stream_id,
            "stop_reason": 8,
        }
        await asyncio.sleep(600)
        now_ms = int((EPOCH_S + asyncio.get_running_loop().time()) * 1000)
        await zoom.webhooks(engine.webhook_url).send("meeting.rtms_stopped", payload, now_ms)
        await asyncio.sleep(10)
        folder, manifest = manifest_of(tmp_path, meeting)
        assert manifest["state"] == "deleted"
        assert [path.name for path in folder.iterdir()] == ["manifest.json"]
        assert not engine.live_streams()


async def test_an_interruption_of_an_unknown_stream_is_joined_if_it_says_where() -> None:
    """V1.md §8.3: state is built from the event."""
    async with zoom_and_engine(SinkConfig("null")) as (zoom, engine):
        meeting = await zoom.start(SCRIPT, None, granted=AUDIO)
        sender = zoom.webhooks(engine.webhook_url)
        ids = {"meeting_uuid": meeting.facts.entity_id, "rtms_stream_id": meeting.stream_id}
        now_ms = int(EPOCH_S * 1000)
        await sender.send("meeting.rtms_interrupted", ids, now_ms)
        await asyncio.sleep(1)
        assert not engine.live_streams()
        await sender.send("meeting.rtms_interrupted", {**ids, "server_urls": meeting.server_url}, now_ms + 1)
        await asyncio.sleep(1)
        assert engine.live_streams()[meeting.stream_id].received[MediaKind.AUDIO] > 0
        await meeting.stop()
