"""A stream from start to end, its windows, and what happens to its media in between (V1.md §6.9, §7, §8)."""

import asyncio
import base64
import math
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import FakeZoom, Stamp, demo_script, load_script, stamp_of, synthetic_script
from rtms_engine.simulator.script import Participant, ScriptEvent
from tests.simulator.client import APP, H264, L16_20_MS, Client, Socket, client_of
from tests.support.clock import VirtualClockLoop
from tests.support.media import MEDIA, needs_media

pytestmark = pytest.mark.virtual_clock

LONG = synthetic_script(duration_ms=200_000)


def stamps(socket: Socket) -> list[Stamp]:
    """Who and when, from the sound itself."""
    return [stamp_of(base64.b64decode(m["content"]["data"])) for m in socket.of(14)]


async def test_a_whole_meeting(zoom: FakeZoom, inbox: Any) -> None:
    """Everything of the packaged meeting arrives, is what the ledger says, and ends in order."""
    meeting = await zoom.start(demo_script(), inbox.url)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS, video=H264, deskshare=None, transcript=None, chat=None)
        assert await client.over() == 6
        for socket in (client.signaling, *client.media.values()):
            await socket.closed.wait()
            assert socket.close_code == 1000
        codes = {"audio": 14, "video": 15, "deskshare": 16, "transcript": 17, "chat": 18}
        heard = {key: [m["content"] for m in client.media[key].of(code)] for key, code in codes.items()}
        ending = client.signaling.heard[-4:]
    assert {key: len(contents) for key, contents in heard.items()} == {
        "audio": 1015, "video": 525, "deskshare": 14, "transcript": 8, "chat": 4,
    }  # fmt: skip
    for key, kind in (("audio", MediaKind.AUDIO), ("video", MediaKind.VIDEO), ("deskshare", MediaKind.SHARE)):
        got = [
            (c["user_id"], c["timestamp"], c["length"], zlib.crc32(base64.b64decode(c["data"])))
            for c in heard[key]
        ]
        assert got == [(s.user_id, s.timestamp_ms, s.size, s.digest) for s in meeting.ledger.of(kind)]
    assert [(m["msg_type"], m.get("state")) for m in ending] == [(6, None), (9, 5), (8, 3), (8, 4)]
    assert len(ending[0]["event"]["participants"]) == 2
    assert (ending[1]["stop_reason"], ending[3]["reason"]) == (6, 6)
    line, epoch_ms = heard["transcript"][0], meeting.timeline.epoch_ms
    assert line == {
        "user_id": 16778240,
        "user_name": "Ada Park",
        "language": 9,
        "data": "Morning, Ben. Are we recording?",
        "timestamp": epoch_ms + 400,
        "start_time": epoch_ms + 400,
        "end_time": epoch_ms + 2800,
    }
    assert heard["chat"][0]["sender"] == {"user_id": 16778240, "user_name": "Ada Park"}
    assert [body["event"] for body in inbox.bodies()] == ["meeting.rtms_started", "meeting.rtms_stopped"]
    assert not meeting.ledger.client_errors


async def test_speed_changes_the_pace_and_nothing_else(zoom: FakeZoom) -> None:
    """Ten times as fast, the same times on the wire."""
    meeting = await zoom.start(synthetic_script(duration_ms=20_000), speed=10.0)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await client.over()
        first, last = client.media["audio"].of(14)[0], client.media["audio"].of(14)[-1]
        assert last["content"]["timestamp"] - first["content"]["timestamp"] == 19_980
    assert asyncio.get_running_loop().time() == pytest.approx(2)


async def test_sound_since_the_start_comes_in_a_burst(zoom: FakeZoom) -> None:
    """At most the last 60 s of it, then live (V1.md §6.9); video begins with now, and a key frame."""
    loop = asyncio.get_running_loop()
    meeting = await zoom.start(synthetic_script(duration_ms=120_000, camera=True))
    await asyncio.sleep(30.5)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS, video=H264)
        video = await client.media["video"].hear(15)
        assert video["content"]["timestamp"] == meeting.timeline.epoch_ms + 31_000
        audio = client.media["audio"]
        burst = [m for m, at_s in zip(audio.heard, audio.times_s, strict=True) if at_s == 30.5][1:]
        assert len(burst) == 1525
        assert [at_ms for _, at_ms in stamps(audio)][:1525] == list(range(0, 30_500, 20))
        assert loop.time() == pytest.approx(31)


async def test_at_most_60_s_are_kept(zoom: FakeZoom) -> None:
    """What is older is gone."""
    meeting = await zoom.start(LONG)
    async with client_of(zoom, meeting) as client:
        await client.signal()
        await asyncio.sleep(70)
        await client.attach("audio", L16_20_MS)
        await client.ready()
        await asyncio.sleep(1)
        assert stamps(client.media["audio"])[0][1] == 10_000


async def test_buffer_data_false_drops_the_initial_backlog(zoom: FakeZoom) -> None:
    """Sound begins when signaling is established; event 1 says so."""
    meeting = await zoom.start(LONG)
    await asyncio.sleep(10)
    async with client_of(zoom, meeting) as client:
        await client.signal(buffer_data=False)
        await asyncio.sleep(5)
        await client.attach("audio", L16_20_MS)
        await client.ready()
        await asyncio.sleep(1)
        assert stamps(client.media["audio"])[0][1] == 10_000
        assert client.signaling.events(1)[0]["timestamp"] == meeting.timeline.epoch_ms + 10_000


async def test_a_lost_media_socket_comes_back_without_a_gap(zoom: FakeZoom) -> None:
    """Event 7; the sound of the interruption follows the new ACK; nothing twice (V1.md §8.4)."""
    meeting = await zoom.start(synthetic_script(duration_ms=60_000, camera=True))
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS, video=H264, transcript=None)
        await asyncio.sleep(5)
        meeting.drop_media(MediaKind.AUDIO)
        lost = client.media["audio"]
        await lost.closed.wait()
        assert client.signaling.events(7)[0]["media_type"] == 1
        await asyncio.sleep(30)
        await client.attach("audio", L16_20_MS)
        await client.ready()
        await client.over()
        assert stamps(lost) + stamps(client.media["audio"]) == [
            (16778240 + 1024 * (at_ms // 2000 % 2), at_ms) for at_ms in range(0, 60_000, 20)
        ]
        assert len(client.signaling.of(9)) == 2
        assert meeting.stop_reason == 6


async def test_a_client_that_closes_media_has_65_s(zoom: FakeZoom) -> None:
    """Then the stream ends with 16."""
    meeting = await zoom.start(LONG)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await client.media["audio"].socket.close()
        assert await client.over() == 16
    assert asyncio.get_running_loop().time() == pytest.approx(65)


async def test_a_lost_signaling_socket_takes_everything_along(zoom: FakeZoom, inbox: Any) -> None:
    """Back within 60 s: roster and clock again, sound without a gap (V1.md §8.3)."""
    meeting = await zoom.start(synthetic_script(duration_ms=80_000), inbox.url)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await asyncio.sleep(5)
        before = client.media["audio"]
        meeting.drop_signaling(1011)
        await client.signaling.closed.wait()
        assert client.signaling.close_code == 1011
        await before.closed.wait()
        await asyncio.sleep(50)
        await client.stream(audio=L16_20_MS)
        await client.over()
        assert len(stamps(before) + stamps(client.media["audio"])) == 4000
        assert len(client.signaling.events(1)) == len(client.signaling.events(3)) == 1
    assert [body["event"].partition("_")[2] for body in inbox.bodies()] == [
        "started",
        "interrupted",
        "stopped",
    ]


async def test_a_client_that_closes_signaling_and_stays_away(zoom: FakeZoom) -> None:
    """13 after 60 s."""
    meeting = await zoom.start(LONG)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await client.signaling.socket.close()
        assert await client.over() == 13
    assert asyncio.get_running_loop().time() == pytest.approx(60)


async def test_nobody_comes(zoom: FakeZoom) -> None:
    """11 after 60 s; the stream is unknown afterwards."""
    meeting = await zoom.start(LONG)
    assert await meeting.ended() == 11
    async with client_of(zoom, meeting) as client:
        assert (await client.signal())["status_code"] == 2


async def test_failover(zoom: FakeZoom, inbox: Any) -> None:
    """A newer *_started with another URL; the old one does not answer (V1.md §8.2)."""
    meeting = await zoom.start(LONG, inbox.url)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        old_url = meeting.server_url
        await asyncio.sleep(3)
        await meeting.failover()
        await client.signaling.closed.wait()
        first, second = inbox.bodies()
        assert second["event_ts"] == first["event_ts"] + 3000
        assert (first["payload"]["server_urls"], second["payload"]["server_urls"]) == (
            old_url,
            meeting.server_url,
        )
        assert old_url != meeting.server_url
        socket = await client.open(old_url)
        await socket.say({"msg_type": 1, **client.ids, "signature": "any"})
        await socket.closed.wait()
        assert not socket.heard
        before = client.media["audio"]
        await client.stream(audio=L16_20_MS)
        await asyncio.sleep(1.01)
        assert [at for _, at in stamps(before) + stamps(client.media["audio"])] == list(range(0, 4000, 20))


async def test_pause_and_resume(zoom: FakeZoom) -> None:
    """States 3/5 and 4/6, nothing in between, a gap in the sound, a key frame first (V1.md §7.4)."""
    script = msgspec.structs.replace(
        synthetic_script(duration_ms=10_000, camera=True),
        events=(ScriptEvent(2010, "pause"), ScriptEvent(5010, "resume")),
    )
    meeting = await zoom.start(script)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS, video=H264)
        await asyncio.sleep(3)
        assert client.signaling.of(9)[-1]["state"] == 3
        assert client.signaling.of(8)[-1]["state"] == 5
        await client.said({"msg_type": 19, "rtms_stream_id": meeting.stream_id})
        assert (await client.signaling.hear(20))["state"] == 5
        await client.over()
        epoch_ms = meeting.timeline.epoch_ms
        sound = [m["content"]["timestamp"] - epoch_ms for m in client.media["audio"].of(14)]
        assert sound == [*range(0, 2000, 20), *range(5000, 10_000, 20)]
        video = [m["content"]["timestamp"] - epoch_ms for m in client.media["video"].of(15)]
        assert video == [*range(0, 2010, 40), *range(6000, 10_000, 40)]
        assert [m["state"] for m in client.signaling.of(8)] == [1, 5, 6, 3, 4]


async def test_people_come_and_go(zoom: FakeZoom) -> None:
    """Events 3 and 4 in the meeting, raw events as the script has them."""
    script = msgspec.structs.replace(
        synthetic_script(duration_ms=5000),
        participants=(Participant(1, "A"), Participant(2, "B", join_ms=1000, leave_ms=3000)),
        events=(ScriptEvent(2000, "event", {"event_type": 10, "chat_groups": [{}]}),),
    )
    meeting = await zoom.start(script)
    async with client_of(zoom, meeting) as client:
        await client.signal()
        await client.subscribe(3, 4, 10)
        await client.attach("audio")
        await client.ready()
        await client.over()
        assert [e["participants"] for e in client.signaling.events(3)] == [
            [{"user_id": 1, "user_name": "A"}],
            [{"user_id": 2, "user_name": "B"}],
        ]
        gone = [[who["user_id"] for who in e["participants"]] for e in client.signaling.events(4)]
        assert gone == [[2], [1]]
        assert client.signaling.events(10)[0]["chat_groups"] == [{}]


async def test_the_choice_of_a_camera_ends_with_it(zoom: FakeZoom) -> None:
    """After event 9 it must be chosen again (V1.md §5.9)."""
    demo = synthetic_script(duration_ms=9000, camera=True)
    camera = msgspec.structs.replace(demo.video[0], end_ms=2000)
    script = msgspec.structs.replace(
        demo, video=(camera, msgspec.structs.replace(camera, start_ms=4000, end_ms=9000))
    )
    meeting = await zoom.start(script)
    async with client_of(zoom, meeting) as client:
        await client.stream(video={**H264, "data_opt": 4})
        choice = {"msg_type": 28, "user_id": camera.user_id, "subscribe": True, "timestamp": 0}
        await client.said(choice)
        await asyncio.sleep(6)
        assert len(client.signaling.events(8)) == 2
        assert len(client.media["video"].of(15)) in (25, 50)
        await client.said(choice)
        await client.over()
        assert client.media["video"].of(15)[-1]["content"]["timestamp"] == meeting.timeline.epoch_ms + 8960


@needs_media
async def test_the_shared_script_of_the_project() -> None:
    """A script of a user's own, with TLS, as fast as the clock allows."""
    script = load_script(MEDIA / "meeting.json")
    async with FakeZoom([APP]) as zoom:
        meeting = await zoom.start(script, speed=4.0)
        async with client_of(zoom, meeting) as client:
            await client.stream(audio=None, transcript=None)
            await client.over()
            assert len(client.media["audio"].of(14)) == 37_100 // 20
            assert len(client.media["transcript"].of(17)) == len(script.utterances)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    drops=st.lists(st.integers(1, 5000), max_size=4, unique=True),
    away_ms=st.integers(0, 400),
    send_rate=st.sampled_from([20, 60, 100, 1000]),
)
def test_nothing_is_lost_or_sent_twice(drops: list[int], away_ms: int, send_rate: int) -> None:
    """Whenever the audio socket is lost, every packet of the script is on the wire once."""

    async def scenario() -> None:
        async with FakeZoom([APP], tls=False) as zoom:
            meeting = await zoom.start(synthetic_script(speakers=4, duration_ms=6000, overlap=True))
            params = {**L16_20_MS, "send_rate": send_rate}
            async with Client(zoom, meeting) as client:
                await client.stream(audio=params)
                for at_ms in sorted(drops):
                    await meeting.timeline.reach(at_ms)
                    meeting.drop_media(MediaKind.AUDIO)
                    await asyncio.sleep(away_ms / 1000)
                    await client.attach("audio", params)
                    await client.ready()
                await client.over()
            sent = [(s.user_id, s.timestamp_ms) for s in meeting.ledger.of(MediaKind.AUDIO)]
            assert len(sent) == len(set(sent)) == 3 * 3 * math.ceil(2000 / send_rate)

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(scenario())
