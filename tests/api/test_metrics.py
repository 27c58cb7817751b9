"""What Prometheus reads."""

import asyncio
import re
from pathlib import Path

import aiohttp
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rtms_engine import Engine, ServerConfig, SinkConfig, StopReason
from rtms_engine.api.metrics import COUNTERS, Totals
from rtms_engine.model.causes import Cause
from rtms_engine.model.events import GapNoted
from rtms_engine.model.media import MediaKind
from rtms_engine.model.products import MEETING
from rtms_engine.simulator import FakeZoom, synthetic_script
from rtms_engine.sinks.base import Ending, StreamInfo
from rtms_engine.stream.overview import Overview
from rtms_engine.stream.worker import StreamStatistics
from tests.api.support import API, settle, zoom_and_api
from tests.e2e.support import APP, EPOCH_S, config, over, recording
from tests.e2e.test_restart import engine_of, with_credentials

INFO = StreamInfo("stream", "app", MEETING, "meeting", 0)
AUDIO = frozenset({MediaKind.AUDIO})


def test_what_streams_add() -> None:
    overview = Overview(
        gaps=(GapNoted(9, MediaKind.AUDIO, 1_000, 3_500, "closed by the server with 1006"),),
        losses={Cause.CLOSED: 2},
        refused={MediaKind.VIDEO: "scope"},
    )
    stream = StreamStatistics(
        INFO,
        "finished",
        {MediaKind.AUDIO: 7},
        overview=overview,
        ending=Ending(StopReason.MEETING_ENDED, 0),
        joined_after_s=0.2,
    )
    totals = Totals([stream, stream])
    assert totals.counts["rtms_frames_received"] == {("audio",): 14}
    assert totals.counts["rtms_gap_seconds"] == {("audio", "closed"): 5.0}
    assert totals.counts["rtms_connections_lost"] == {("closed",): 4}
    assert totals.counts["rtms_media_refused"] == {("video",): 2}
    assert totals.ended == {("MEETING_ENDED",): 2}
    assert totals.latencies["rtms_join_seconds"].buckets()[-1] == ("+Inf", 2.0)
    assert totals.latencies["rtms_first_media_seconds"].buckets()[-1] == ("+Inf", 0.0)


async def scraped(client: aiohttp.ClientSession) -> dict[str, float]:
    """The samples by name and labels."""
    async with client.get("/metrics") as response:
        assert response.status == 200
        text = await response.text()
    return {
        sample.name + "".join(sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.virtual_clock
async def test_streams_that_are_started_again_are_counted(tmp_path: Path) -> None:
    """Two that Zoom was asked for; the one that people ended is none."""
    async with FakeZoom([APP], tls=False, epoch_s=EPOCH_S) as zoom:
        made = msgspec.structs.replace(with_credentials(zoom, tmp_path), api=API)
        async with engine_of(made) as engine, aiohttp.ClientSession(engine.api_url) as client:
            meeting = await zoom.start(
                synthetic_script(speakers=1, duration_ms=60_000), engine.webhook_url, granted=AUDIO
            )
            for reason in (StopReason.EXIT_SIGNAL, StopReason.INTERNAL_EXCEPTION, StopReason.MEETING_ENDED):
                await settle(3)
                await meeting.stop(reason)
                await settle(5)
                meeting = list(zoom.meetings.values())[-1]
            found = await scraped(client)
    assert found["rtms_restarts_total"] == 2
    assert found["rtms_streams_ended_totalEXIT_SIGNAL"] == 1


async def test_a_scrape_of_an_engine_of_several_processes(tmp_path: Path) -> None:
    """What the streams' processes know is in it: connections, handshakes, round trips, their loops."""
    made_by = ServerConfig(host="127.0.0.1", port=0, workers=2, worker_timeout_s=30.0)
    async with FakeZoom([APP], tls=False) as zoom:
        made = config(zoom, recording(tmp_path), server=made_by, api=API)
        async with Engine(made) as engine, aiohttp.ClientSession(engine.api_url) as client:
            script = synthetic_script(speakers=1, duration_ms=60_000)
            meeting = await zoom.start(script, engine.webhook_url, granted=AUDIO, speed=4.0)
            async with asyncio.timeout(20):
                while not (await scraped(client)).get("rtms_frames_received_totalaudio"):
                    await asyncio.sleep(0.05)
            live = await scraped(client)
            await meeting.stop()
            await over(engine, meeting)
            async with asyncio.timeout(20):  # what follows from an end is done a moment after it
                while (ended := await scraped(client))["rtms_intake_streams"]:
                    await asyncio.sleep(0.05)
    assert {"rtms_loop_lag_secondsengine", "rtms_loop_lag_seconds1", "rtms_loop_lag_seconds2"} <= set(live)
    assert (live["rtms_streamslive"], live["rtms_intake_streams"]) == (1, 1)
    assert live["rtms_handshake_seconds_countsignaling"] == 1
    assert live["rtms_connection_rtt_secondsmax"] > 0
    assert live["rtms_restarts_total"] == 0
    assert ended["rtms_handshake_seconds_countaudio"] == ended["rtms_first_media_seconds_count"] == 1
    assert ended["rtms_sink_items_written_totalaudiorecording"] > 0


@pytest.mark.virtual_clock
async def test_a_scrape_of_an_engine_at_work() -> None:
    """Counters go on when streams end; and nothing names a stream or a meeting."""
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, client):

        async def scrape() -> dict[str, float]:
            async with client.get("/metrics") as response:
                assert response.status == 200
                text = await response.text()
            assert meeting.stream_id not in text
            return {
                sample.name + "".join(sorted(sample.labels.values())): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }

        script = synthetic_script(speakers=1, duration_ms=60_000)
        meeting = await zoom.start(script, engine.webhook_url, granted=AUDIO)
        await settle(10)
        live = await scrape()
        assert live["rtms_streamslive"] == 1
        assert live["rtms_frames_received_totalaudio"] > 50
        assert live["rtms_received_bytes_totalaudio"] > 100_000
        assert live["rtms_media_refused_totalvideo"] == 1
        assert live["rtms_sink_items_written_totalaudionull"] > 50
        assert live["rtms_webhooks_totalaccepted"] == 1
        assert live["rtms_webhook_seconds_count"] == 1
        assert live["rtms_join_seconds_count"] == live["rtms_first_media_seconds_count"] == 1
        assert "rtms_loop_lag_secondsengine" in live
        assert live["rtms_intake_streams"] == 1
        assert live["rtms_restarts_total"] == 0
        assert live["rtms_handshake_seconds_countsignaling"] == live["rtms_handshake_seconds_countaudio"] == 1
        assert 0 < live["rtms_connection_rtt_secondsmean"] <= live["rtms_connection_rtt_secondsmax"] < 1
        await meeting.stop()
        await over(engine, meeting)
        ended = await scrape()
        assert "rtms_streamslive" not in ended
        assert ended["rtms_streams_ended_totalMEETING_ENDED"] == 1
        assert ended["rtms_intake_streams"] == 0
        assert "rtms_connection_rtt_secondsmean" not in ended
        assert ended["rtms_handshake_seconds_countaudio"] == 1
        for name in ("rtms_frames_received_totalaudio", "rtms_received_bytes_totalaudio"):
            assert ended[name] >= live[name]


def test_names_are_prometheus_names() -> None:
    for row in COUNTERS:
        assert re.fullmatch(r"rtms_[a-z_]+", row.name)
        assert not row.name.endswith("_total"), "the library adds it"
        assert row.help.endswith(".")


@pytest.mark.virtual_clock
async def test_reconnects_are_counted_by_what_was_lost() -> None:
    """The three scenarios of Zoom's, one after the other."""
    async with zoom_and_api(SinkConfig("null")) as (zoom, engine, _):
        meeting = await zoom.start(synthetic_script(speakers=1, duration_ms=200_000), engine.webhook_url)
        await settle(10)
        meeting.drop_media(MediaKind.AUDIO)
        await settle(30)
        meeting.drop_signaling()
        await settle(30)
        await meeting.failover()
        await settle(30)
        (live,) = engine.live_streams().values()
        assert live.overview.reconnects == {"media": 1, "signaling": 1, "server": 1}
