"""Keep-alives, subscriptions, the ACK rule and queries (V1.md §4.4, §5)."""

import asyncio
import json
from typing import Any

import pytest

from rtms_engine.model.media import MediaKind
from rtms_engine.model.products import CONTACT_CENTER_VOICE
from rtms_engine.simulator import FakeZoom, synthetic_script
from tests.simulator.client import H264, L16_20_MS, client_of

pytestmark = pytest.mark.virtual_clock

MINUTE = synthetic_script(duration_ms=60_000)


async def test_keep_alives_on_both_sockets(zoom: FakeZoom) -> None:
    """One each 10 s on each socket, with a timestamp and a sequence; the answers are booked."""
    meeting = await zoom.start(MINUTE)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await asyncio.sleep(35)
        asked = client.signaling.of(12)
        assert [message["sequence"] for message in asked] == [1, 2, 3]
        assert asked[1]["timestamp"] - asked[0]["timestamp"] == 10_000
        assert len(client.media["audio"].of(12)) == 3
    assert meeting.ledger.keep_alives_sent == {"signaling": 3, "audio": 3}
    assert meeting.ledger.snapshot().keep_alives_answered == 6
    assert not meeting.ledger.client_errors


async def test_silence_on_signaling_interrupts_everything(zoom: FakeZoom, inbox: Any) -> None:
    """Asked at 10, 20 and 30 s; both sockets go at 40 s, *_interrupted, stopped 60 s later (24)."""
    loop = asyncio.get_running_loop()
    meeting = await zoom.start(synthetic_script(duration_ms=300_000), inbox.url)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        client.signaling.answers_keep_alives = False
        await client.media["audio"].closed.wait()
        assert loop.time() == pytest.approx(40)
        assert client.signaling.close_code == client.media["audio"].close_code == 1006
        assert await client.over() == 24
        assert loop.time() == pytest.approx(100)
    events = [body["event"] for body in inbox.bodies()]
    assert events == ["meeting.rtms_started", "meeting.rtms_interrupted", "meeting.rtms_stopped"]
    assert inbox.bodies()[-1]["payload"]["stop_reason"] == 24


async def test_silence_on_media_interrupts_only_that(zoom: FakeZoom) -> None:
    """Event 7 without subscription; 65 s to come back, then 24."""
    loop = asyncio.get_running_loop()
    meeting = await zoom.start(synthetic_script(duration_ms=300_000))
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS, transcript=None)
        client.media["audio"].answers_keep_alives = False
        await client.media["audio"].closed.wait()
        await client.signaling.hear(6)
        assert not client.media["transcript"].closed.is_set()
        assert await client.over() == 24
        assert client.signaling.events(7)[0]["media_type"] == 1
        assert loop.time() == pytest.approx(40 + 65)


async def test_a_wrong_answer_is_no_answer(zoom: FakeZoom) -> None:
    """timestamp and sequence must be repeated (V1.md §5.1)."""
    meeting = await zoom.start(MINUTE)
    async with client_of(zoom, meeting) as client:
        await client.signal()
        client.signaling.answers_keep_alives = False
        for _ in range(3):
            asked = await client.signaling.hear(12, sequence=len(client.signaling.of(12)) + 1)
            await client.said(
                {"msg_type": 13, "timestamp": asked["timestamp"] + 1, "sequence": asked["sequence"]}
            )
        await client.signaling.closed.wait()
    assert len(meeting.ledger.client_errors) == 3


async def test_no_media_before_the_ack(zoom: FakeZoom) -> None:
    """And none for a socket that joined after it, before another ACK (V1.md §4.4)."""
    meeting = await zoom.start(MINUTE)
    async with client_of(zoom, meeting) as client:
        await client.signal()
        await client.attach("audio", L16_20_MS)
        await asyncio.sleep(3)
        assert not client.media["audio"].of(14)
        await client.ready()
        await client.media["audio"].hear(14)
        await client.attach("transcript")
        await asyncio.sleep(3)
        assert not client.media["transcript"].of(17)
        await client.ready()
        await client.media["transcript"].hear(17)
        assert len(client.signaling.of(9)) == 1


async def test_wrong_acks(zoom: FakeZoom) -> None:
    """Status 41: too early, for another stream, or on a media socket."""
    meeting = await zoom.start(MINUTE)
    async with client_of(zoom, meeting) as client:
        await client.signal()
        await client.ready()
        assert (await client.signaling.hear(7))["status_code"] == 41
        await client.attach("audio", L16_20_MS)
        await client.said({"msg_type": 7, "rtms_stream_id": "another"})
        await client.media["audio"].say({"msg_type": 7, "rtms_stream_id": meeting.stream_id})
        assert (await client.media["audio"].hear(7))["status_code"] == 41
        await asyncio.sleep(1)
        assert len(client.signaling.of(7)) == 2
    assert [error.leg for error in meeting.ledger.client_errors] == ["signaling", "signaling", "audio"]


@pytest.mark.parametrize("ack_first", [False, True])
async def test_the_roster_comes_at_once(zoom: FakeZoom, ack_first: bool) -> None:
    """Samples subscribe right after message 2, the SDK after the ACK; both work (V1.md §5.2)."""
    meeting = await zoom.start(synthetic_script(duration_ms=9000, camera=True, slides=True))
    async with client_of(zoom, meeting) as client:
        await client.signal()
        await client.attach("audio", L16_20_MS)
        if ack_first:
            await client.ready()
            await client.signaling.hear(8)
        await client.subscribe(2, 3, 5, 8)
        await client.ready()
        await client.signaling.hear(8, state=1)
        await asyncio.sleep(0.1)
        session, stream = client.signaling.of(9)[0], client.signaling.of(8)[0]
        assert (session["state"], stream["state"]) == (2, 1)
        assert client.signaling.events(1) == [{"event_type": 1, "timestamp": meeting.timeline.epoch_ms}]
        roster = client.signaling.events(3)
        assert [who["user_name"] for who in roster[0]["participants"]] == ["Speaker 1", "Speaker 2"]
        assert [len(client.signaling.events(n)) for n in (2, 3, 5, 8)] == [1, 1, 1, 1]


async def test_only_what_was_subscribed_comes(zoom: FakeZoom) -> None:
    """Subscriptions add up and can be taken back."""
    meeting = await zoom.start(synthetic_script(duration_ms=9000))
    async with client_of(zoom, meeting) as client:
        await client.signal()
        await client.subscribe(2)
        await client.subscribe(4)
        await client.said({"msg_type": 5, "events": [{"event_type": 2, "subscribe": False}]})
        await client.attach("audio", L16_20_MS)
        await client.ready()
        await client.over()
        assert {m["event"]["event_type"] for m in client.signaling.of(6)} == {1, 4}


@pytest.mark.parametrize(
    ("events", "status"),
    [(None, 5), ({}, 5), ([{"event_type": 2}], 5), ([{"event_type": 99, "subscribe": True}], 6)],
)
async def test_bad_subscriptions(zoom: FakeZoom, events: Any, status: int) -> None:
    """Status 5 or 6; the connection goes on."""
    meeting = await zoom.start(MINUTE)
    async with client_of(zoom, meeting) as client:
        await client.signal()
        await client.said({"msg_type": 5, "events": events})
        assert (await client.signaling.hear(5))["status_code"] == status
        assert (await client.attach("audio"))["status_code"] == 0


async def test_subscribing_to_the_automatic_events_is_an_error_of_the_client(zoom: FakeZoom) -> None:
    """1 and 7 come unasked (V1.md §5.2)."""
    meeting = await zoom.start(MINUTE)
    async with client_of(zoom, meeting) as client:
        await client.signal()
        await client.subscribe(1, 7)
        await client.attach("audio")
    assert [error.what for error in meeting.ledger.client_errors] == [
        "subscribed to event 1",
        "subscribed to event 7",
    ]


async def test_queries(zoom: FakeZoom) -> None:
    """10/11 and 19/20 with their errors (V1.md §5.7); 20 tells seconds, as published."""
    meeting = await zoom.start(MINUTE)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        session_id = (await client.signaling.hear(9))["rtms_session_id"]
        await client.said({"msg_type": 10, "rtms_session_id": session_id})
        assert (await client.signaling.hear(11))["state"] == 2
        await client.said({"msg_type": 19, "rtms_stream_id": meeting.stream_id})
        answer = await client.signaling.hear(20)
        assert (answer["state"], answer["timestamp"]) == (1, meeting.timeline.epoch_ms // 1000)
        await client.said({"msg_type": 10, "rtms_session_id": "no"})
        assert (await client.signaling.hear(10))["status_code"] == 40
        await client.said({"msg_type": 19, "rtms_stream_id": "no"})
        assert (await client.signaling.hear(19))["status_code"] == 2


async def test_the_client_may_end_the_stream(zoom: FakeZoom) -> None:
    """21, 22, then the end with reason 20 (V1.md §5.8)."""
    meeting = await zoom.start(MINUTE)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await client.said({"msg_type": 21, "rtms_stream_id": "no"})
        assert (await client.signaling.hear(22))["status_code"] == 2
        await client.said({"msg_type": 21, "rtms_stream_id": meeting.stream_id})
        assert (await client.signaling.hear(22, status_code=0))["reason"] == "OK"
        assert await client.over() == 20
        assert (await client.signaling.hear(8, state=4))["reason"] == 20


async def test_video_of_one_participant(zoom: FakeZoom) -> None:
    """Nothing before message 28; then from a key frame on; 44 for the same again (V1.md §5.9)."""
    meeting = await zoom.start(synthetic_script(duration_ms=9000, camera=True))
    user_id = meeting.media.script.video[0].user_id
    async with client_of(zoom, meeting) as client:
        await client.stream(video={**H264, "data_opt": 4})
        video = client.media["video"]
        await asyncio.sleep(1.5)
        assert not video.of(15)
        for expected in (0, 44):
            request = {"msg_type": 28, "user_id": user_id, "subscribe": True, "timestamp": 5}
            await client.said(request)
            assert (await client.signaling.hear(29, status_code=expected))["user_id"] == user_id
        first = await video.hear(15)
        assert first["content"]["timestamp"] == meeting.timeline.epoch_ms + 2000
        await client.said({"msg_type": 28, "user_id": user_id, "subscribe": False, "timestamp": 5})
        await asyncio.sleep(0.1)
        seen = len(video.of(15))
        await asyncio.sleep(2)
        assert len(video.of(15)) == seen
        await client.said({"msg_type": 28, "user_id": 1, "subscribe": True, "timestamp": 5})
        await client.signaling.hear(29, user_id=1)
        await client.said({"msg_type": 28, "user_id": "x", "subscribe": True})
        assert (await client.signaling.hear(29, user_id="x"))["status_code"] == 4
    assert ["no camera" in error.what for error in meeting.ledger.client_errors] == [True]


async def test_what_is_no_message_is_an_error_of_the_client(zoom: FakeZoom) -> None:
    """Garbage is noted, an unknown type is answered with status 1; the sockets live on."""
    meeting = await zoom.start(MINUTE)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await client.signaling.socket.send("{no json")
        await client.signaling.socket.send(b"[1]")
        await client.said({"msg_type": 99})
        assert (await client.signaling.hear(99))["status_code"] == 1
        await client.media["audio"].say({"msg_type": 5, "events": []})
        assert (await client.media["audio"].hear(5))["status_code"] == 1
    assert len(meeting.ledger.client_errors) == 4


async def test_contact_center(zoom: FakeZoom) -> None:
    """Its own events, unasked, with event_ts; channels beside users (V1.md §5.4, §6.1)."""
    script = synthetic_script(duration_ms=3000)
    meeting = await zoom.start(script, product=CONTACT_CENTER_VOICE)
    async with client_of(zoom, meeting, id_field="engagement_id") as client:
        await client.signal()
        await client.attach("audio", L16_20_MS)
        await client.ready()
        packet = await client.media["audio"].hear(14)
        assert packet["content"]["channel_id"] == "1"
    assert not meeting.ledger.client_errors
    assert json.dumps(meeting.ledger.frames[MediaKind.AUDIO])
