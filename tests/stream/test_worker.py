"""One stream at work against a Zoom in memory, on the virtual clock."""

import asyncio

import pytest
from structlog.testing import capture_logs

from rtms_engine.errors import SinkError
from rtms_engine.model import events as ev
from rtms_engine.model.frames import AudioFrame, TranscriptSegment
from rtms_engine.model.media import MediaKind, MediaParams, VideoParams
from rtms_engine.model.products import CONTACT_CENTER_VOICE
from rtms_engine.model.reasons import StopReason
from rtms_engine.transport.memory import MemoryConnector
from tests.stream.items import KeepingSink, times
from tests.stream.zoom import START_MS, AStream, Zoom

pytestmark = pytest.mark.virtual_clock


def sounds(stream):
    return [frame.payload for frame in stream.events(AudioFrame)]


async def test_appendix_b():
    """The happy path: handshakes, ACK, events, sound, keep-alives on both sockets, the end."""
    zoom = Zoom()
    stream = AStream(zoom, "audio", "transcript")
    await stream.until(1)
    assert [m["msg_type"] for m in zoom.said("signaling")] == [1, 5, 7, 7]
    assert [m["media_type"] for m in zoom.said("audio", 3) + zoom.said("transcript", 3)] == [1, 8]
    zoom.say("signaling", msg_type=9, state=2, timestamp=START_MS + 1000, rtms_session_id="X")
    zoom.say("signaling", msg_type=8, state=1, timestamp=START_MS + 1001)
    zoom.say("signaling", msg_type=6, event={"event_type": 1, "timestamp": START_MS})
    john = {"user_id": 16778240, "user_name": "John Smith"}
    zoom.say(
        "signaling", msg_type=6, event={"event_type": 3, "timestamp": START_MS + 1010, "participants": [john]}
    )
    zoom.play(1)
    await stream.until(10)
    for name in ("signaling", "audio", "transcript"):
        zoom.say(name, msg_type=12, timestamp=START_MS + 10_000, sequence=1)
    zoom.say(
        "transcript",
        msg_type=17,
        content={"user_id": 16778240, "data": "Hello", "timestamp": START_MS + 9000},
    )
    await stream.until(11)
    for name in ("signaling", "audio", "transcript"):
        assert zoom.said(name, 13) == [{"msg_type": 13, "timestamp": START_MS + 10_000, "sequence": 1}]
        assert zoom.times(name, 13) == [10]
    zoom.say("signaling", msg_type=9, state=5, stop_reason=6, rtms_session_id="X")
    zoom.say("signaling", msg_type=8, state=4, reason=6)
    await stream.until(12)
    statistics = await stream.stops(6)
    assert statistics.ending.stop_reason is StopReason.MEETING_ENDED
    assert statistics.phase == "finished"
    assert statistics.keep_alives == 3
    assert statistics.received[MediaKind.AUDIO] == statistics.received[MediaKind.TRANSCRIPT] == 1
    assert statistics.noise == {}
    assert stream.sinks[0].ending == statistics.ending
    assert sounds(stream) == [b"   1"]
    (segment,) = stream.events(TranscriptSegment)
    assert (segment.text, segment.speaker.name) == ("Hello", "John Smith")
    assert [type(item).__name__ for item in stream.sinks[0].items if isinstance(item, ev.StreamEvent)] == [
        "MediaGranted",
        "MediaGranted",
        "SessionStateChanged",
        "StreamStateChanged",
        "FirstPacket",
        "ParticipantJoined",
        "SessionStateChanged",
        "StreamStateChanged",
    ]


async def test_media_over_signaling_are_media():
    """Every message may come on either socket; it is read as its own connection reads it (V1.md §3.6)."""
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(1)
    zoom.play(1)
    zoom.play(2, name="signaling")
    zoom.say("signaling", msg_type=14, content={"user_id": 1, "data": "", "timestamp": START_MS})
    await stream.until(2)
    zoom.close("audio", "lost without a close frame")
    await stream.until(3)
    zoom.play(3, name="signaling")  # nobody has agreed with Zoom upon what sound is like
    statistics = await stream.stops()
    assert sounds(stream) == [b"   1", b"   2"]
    assert statistics.noise == {"empty": 1, "unexpected": 1}
    first, second = stream.events(AudioFrame)
    assert (first.params, first.speaker) == (second.params, second.speaker)


async def test_a_lost_media_connection_comes_back():
    """After 3 s, alone, with an ACK on the open signaling (V1.md §8.4)."""
    zoom = Zoom()
    stream = AStream(zoom, "audio", "transcript")
    await stream.until(1)
    zoom.play(1)
    zoom.close("audio", "lost without a close frame")
    await stream.until(10)
    zoom.play(2)
    await stream.until(11)
    assert zoom.times("audio", 3) == [0, 4]
    assert zoom.times("transcript", 3) == [0]
    assert zoom.times("signaling", 1) == [0]
    assert zoom.times("signaling", 7) == [0, 0, 4]
    await stream.stops()
    assert sounds(stream) == [b"   1", b"   2"]
    assert [event.reason for event in stream.events(ev.ConnectionLost)] == ["lost without a close frame"]
    assert [event.leg for event in stream.events(ev.ConnectionRestored)] == ["audio"]


async def test_a_lost_signaling_connection_takes_media_along():
    """Both sides are set up again after 3 s, with events subscribed again (V1.md §8.3)."""
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(1)
    zoom.close("signaling", "lost without a close frame")
    stream.interrupted()
    await stream.until(10)
    assert zoom.left == ["audio"]
    assert zoom.times("signaling", 1) == zoom.times("signaling", 5) == [0, 4]
    assert zoom.times("audio", 3) == [0, 4]
    zoom.play(1)
    await stream.until(11)
    await stream.stops()
    assert sounds(stream) == [b"   1"]
    assert [event.leg for event in stream.events(ev.ConnectionRestored)] == ["signaling", "audio"]


async def test_failover():
    """New URLs: at once, from the start; what the old servers still say is heard, and acts no more (V1.md §8.2)."""
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(5)
    old = zoom.peers["signaling"]
    zoom.server_urls = {"audio": "wss://media2.zoom.us/audio"}
    stream.starts("wss://sig2.zoom.us:443")
    old.send(b'{"msg_type":8,"state":4,"reason":10}')
    await stream.until(6)
    assert zoom.times("signaling", 1) == [0, 5]
    assert zoom.times("audio", 3) == [0, 5]
    assert zoom.peers["audio"].endpoint.url == "wss://media2.zoom.us/audio"
    zoom.play(1)
    await stream.until(7)
    statistics = await stream.stops()
    assert sounds(stream) == [b"   1"]
    assert statistics.ending.stop_reason is StopReason.MEETING_ENDED


async def test_a_refused_kind_costs_no_other():
    """Said to the sinks, with a sentence that a person can act on."""
    zoom = Zoom()
    zoom.statuses["transcript"] = [12]
    stream = AStream(zoom, "audio", "transcript")
    await stream.until(1)
    zoom.play(1)
    await stream.until(100)
    await stream.stops()
    assert zoom.times("transcript", 3) == [0]
    (refused,) = stream.events(ev.MediaRefused)
    assert refused.kind is MediaKind.TRANSCRIPT
    assert "meeting_transcript" in refused.reason
    assert sounds(stream) == [b"   1"]


async def test_a_refused_unified_connection_is_split():
    zoom = Zoom()
    zoom.statuses["all"] = [13]
    zoom.statuses["chat"] = [13]
    stream = AStream(zoom, "audio", "chat", unified=True)
    await stream.until(1)
    assert [
        (m["media_type"]) for m in zoom.said("all", 3) + zoom.said("audio", 3) + zoom.said("chat", 3)
    ] == [32, 1, 16]
    zoom.play(1)
    await stream.until(2)
    await stream.stops()
    assert sounds(stream) == [b"   1"]


async def test_parameters_that_zoom_does_not_take():
    """Asked for once more without any; what is granted then describes the frames."""
    zoom = Zoom()
    zoom.statuses["audio"] = [24]
    stream = AStream(zoom, "audio")
    await stream.until(1)
    first, second = zoom.said("audio", 3)
    assert "media_params" in first
    assert "media_params" not in second
    zoom.play(1)
    await stream.until(2)
    await stream.stops()
    (frame,) = stream.events(AudioFrame)
    assert frame.params.mode == "mixed"


async def test_a_refused_signaling_ends_the_stream():
    """With the cause and the remedy in the ending."""
    zoom = Zoom()
    zoom.statuses["signaling"] = [3]
    stream = AStream(zoom, "audio")
    statistics = await stream.ends()
    assert statistics.ending.stop_reason is StopReason.UNDEFINED
    assert "client_secret" in statistics.ending.detail
    assert stream.sinks[0].ending == statistics.ending


async def test_a_media_url_off_the_list_is_not_connected_to():
    zoom = Zoom()
    zoom.server_urls["audio"] = "wss://evil.example/audio"
    stream = AStream(zoom, "audio", "transcript")
    await stream.until(50)
    assert [name for _, name in zoom.attempts] == ["signaling", "transcript"]
    await stream.stops()
    (refused,) = stream.events(ev.MediaRefused)
    assert "evil.example" in refused.reason


async def test_a_signaling_url_off_the_list_ends_the_stream():
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    stream.starts("wss://evil.example")
    statistics = await stream.ends()
    assert "evil.example" in statistics.ending.detail


GARBAGE = [
    b"",
    b"\x00\x01\x02",
    b"not json",
    b"[]",
    b'{"msg_type":99}',
    b'{"msg_type":"--1"}',
    b'{"msg_type":14,"content":"A"}',
    b'{"msg_type":14,"content":{"user_id":[],"data":{}}}',
    b'{"msg_type":8,"state":{}}',
    b'{"msg_type":6,"event":{"event_type":[],"participants":{"a":1}}}',
    b'{"msg_type":18,"content":{"data":{"n":100000000000000000000000},"chat_session":7}}',
    b"[" * 20_000,
]


async def test_garbage_on_both_sockets_is_counted_and_nothing_else():
    """One malformed frame never kills the reader (V1.md §11, trap 29), and the log does not flood."""
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(1)
    with capture_logs() as logs:
        for name in ("signaling", "audio"):
            for data in GARBAGE:
                zoom.say_bytes(name, data)
        zoom.play(1)
        await stream.until(3)
        zoom.say_bytes("audio", b"not JSON")
        zoom.say_bytes("audio", b"not JSON")
        zoom.say("audio", msg_type=12, timestamp=5)
        await stream.until(3.5)
        statistics = await stream.stops()
    assert zoom.said("audio", 13) == [{"msg_type": 13, "timestamp": 5}]
    assert sounds(stream) == [b"   1"]
    came = sum(statistics.noise.values())
    assert came >= 2 * (len(GARBAGE) - 1)
    said = [log["count"] for log in logs if log["event"] == "MessagesNotUsed"]
    assert said == [1, came - 3, 1, 1]  # at once, and the rest within a second or at the end


async def test_a_silent_signaling_is_replaced():
    """65 s without any frame: a new one, and all media anew (V1.md §7.1)."""
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(80)
    assert zoom.times("signaling", 1) == [0, 65 + 3]
    await stream.stops()


async def test_keep_alives_keep_a_stream_without_media_alive():
    """Muted for ten minutes: nothing is reconnected (V1.md §11, trap 30)."""
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    for n in range(1, 60):
        await stream.until(10 * n)
        zoom.say("signaling", msg_type=12, timestamp=n)
        zoom.say("audio", msg_type=12, timestamp=n)
    await stream.until(600)
    assert [name for _, name in zoom.attempts] == ["signaling", "audio"]
    assert (await stream.stops()).keep_alives == 118


async def test_a_media_socket_that_falls_silent_after_keep_alives():
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(5)
    zoom.say("audio", msg_type=12, timestamp=1)
    for n in range(1, 8):
        await stream.until(10 * n)
        zoom.say("signaling", msg_type=12, timestamp=n)
    await stream.until(75)
    assert zoom.times("audio", 3) == [0, 5 + 65 + 3]
    assert zoom.times("signaling", 1) == [0]
    await stream.stops()


async def test_a_handshake_without_an_answer_is_tried_again():
    """10 s, then with backoff; keep-alives are no answer."""
    zoom = Zoom()
    zoom.mute.add("signaling")
    stream = AStream(zoom, "audio")
    await stream.until(5)
    zoom.say("signaling", msg_type=12, timestamp=1)
    await stream.until(11)
    zoom.mute.clear()
    await stream.until(20)
    assert zoom.times("signaling", 1) == [0, 13]
    assert zoom.times("audio", 3) == [13]
    await stream.stops()


async def test_a_server_that_cannot_be_reached():
    """3, 9, 21, 45 s; then the stream is over."""
    zoom = Zoom()
    zoom.unreachable.add("signaling")
    stream = AStream(zoom, "audio")
    statistics = await stream.ends()
    assert [when for when, _ in zoom.attempts] == [0, 3, 9, 21, 45]
    assert statistics.ending.stop_reason is StopReason.AWAIT_RECONNECTION_TIMEOUT


async def test_media_that_cannot_be_reached():
    """The stream goes on without it."""
    zoom = Zoom()
    zoom.unreachable.add("audio")
    stream = AStream(zoom, "audio", "transcript")
    for n in range(1, 8):
        await stream.until(10 * n)
        zoom.say("signaling", msg_type=12, timestamp=n)
    assert [when for when, name in zoom.attempts if name == "audio"] == [0, 3, 9, 21, 45]
    await stream.stops()
    assert [event.kind for event in stream.events(ev.MediaRefused)] == [MediaKind.AUDIO]


async def test_a_defect_in_the_connector_is_a_lost_connection():
    """A wall: the sinks finish, the log has the traceback."""

    class Defective(MemoryConnector):
        async def connect(self, endpoint, receiver):
            raise ZeroDivisionError

    with capture_logs() as logs:
        stream = AStream(Zoom(), "audio", connector=Defective(Zoom()))
        await stream.until(1)
        await stream.stops()
    assert [log["reason"] for log in logs if log["event"] == "ConnectionFailed"] == ["defect in the engine"]
    assert stream.sinks[0].ending.stop_reason is StopReason.MEETING_ENDED


@pytest.mark.parametrize("verb", ["open", "write", "close"])
async def test_a_failing_sink_beside_a_good_one(verb):
    """The good one gets everything."""
    zoom = Zoom()
    bad, good = KeepingSink(fails_in=[verb], error=SinkError("disk full")), KeepingSink()
    stream = AStream(zoom, "audio", sinks=[bad, good])
    await stream.until(1)
    for n in range(1, 6):
        zoom.play(n)
        await stream.until(1 + n)
    statistics = await stream.stops()
    assert [sink.state for sink in statistics.sinks] == ["detached", "closed"]
    assert times([item for item in good.items if isinstance(item, AudioFrame)]) == [
        START_MS + 1000 * n for n in range(1, 6)
    ]
    assert good.ending.stop_reason is StopReason.MEETING_ENDED


async def test_a_hanging_sink_delays_no_keep_alive():
    """The reader never waits for its readers."""
    zoom = Zoom()
    sink = KeepingSink()
    sink.hangs_in = "write"
    stream = AStream(zoom, "audio", sinks=[sink])
    await stream.until(1)
    for n in range(100):
        zoom.play(n)
    zoom.say("audio", msg_type=12, timestamp=7)
    await stream.until(2)
    assert zoom.times("audio", 13) == [1]
    sink.go_on.set()
    await stream.stops()
    assert len(stream.events(AudioFrame)) == 100


async def test_what_is_on_its_way_when_the_stream_stops_is_still_delivered():
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(1)
    zoom.play(1)
    await stream.stops()
    assert sounds(stream) == [b"   1"]


async def test_release():
    """Without a word to Zoom: no STREAM_CLOSE_REQ, just closed."""
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(1)
    stream.worker.release()
    await stream.ends()
    assert zoom.said("signaling", 21) == []
    assert sorted(zoom.left) == ["audio", "signaling"]


async def test_request_end():
    """21, its answer, reason 20 (V1.md §5.8)."""
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(1)
    stream.worker.request_end()
    await stream.until(1.5)
    assert zoom.said("signaling", 21) == [{"msg_type": 21, "rtms_stream_id": "S"}]
    zoom.say("signaling", msg_type=22, rtms_stream_id="S", status_code=0, reason="OK")
    statistics = await stream.ends()
    assert statistics.ending.stop_reason is StopReason.RECEIVER_REQUEST_CLOSE
    assert stream.loop.time() == 4.5


@pytest.mark.parametrize("when", [0, 2, 4, 5, 8])
async def test_stopped_at_any_moment_of_a_reconnect(when):
    """Waiting, connecting, shaking hands: nothing is left behind."""
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(1)
    zoom.mute.add("signaling")
    zoom.close("signaling")
    await stream.until(1 + when)
    await stream.stops()
    await asyncio.sleep(100)
    assert len(zoom.times("signaling", 1)) <= 2


async def test_stopped_while_a_server_does_not_answer():
    """The attempt is cancelled."""

    class Slow(Zoom):
        async def connecting(self, endpoint):
            await super().connecting(endpoint)
            await asyncio.sleep(9)

    stream = AStream(Slow(), "audio")
    await stream.until(5)
    await stream.stops()
    assert stream.loop.time() == 5


async def test_cancelled():
    """The connections are aborted, the sinks abandoned, no task remains."""
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(1)
    stream.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stream.task
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert sorted(zoom.left) == ["audio", "signaling"]


async def test_event_7_on_a_stream():
    """One reconnect, although the socket closes too and state 2 says it once more (V1.md §8.4)."""
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(1)
    zoom.say("signaling", msg_type=6, event={"event_type": 7, "timestamp": START_MS, "media_type": 1})
    zoom.say("signaling", msg_type=8, state=2, reason=14)
    zoom.close("audio")
    await stream.until(20)
    assert zoom.times("audio", 3) == [0, 4]
    await stream.stops()
    assert [event.kinds for event in stream.events(ev.MediaConnectionInterrupted)] == [(MediaKind.AUDIO,)]


async def test_the_state_is_asked_for_if_zoom_does_not_say():
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(15)
    assert zoom.times("signaling", 19) == [10]
    await stream.stops()


async def test_contact_center_subscribes_to_nothing():
    zoom = Zoom()
    stream = AStream(zoom, "audio", product=CONTACT_CENTER_VOICE)
    await stream.until(1)
    zoom.say(
        "signaling",
        msg_type=6,
        event={"event_type": 8, "event_ts": START_MS, "participant_info": {"channel_id": "c"}},
    )
    await stream.until(2)
    assert zoom.said("signaling", 5) == []
    (hello,) = zoom.said("signaling", 1)
    assert hello["engagement_id"] == hello["meeting_uuid"] == "U=="
    await stream.stops()
    assert [event.name for event in stream.events(ev.ContactCenterEvent)] == ["consumer_answered"]


async def test_single_participant_video():
    """Subscribed when a camera goes on, and again after a reconnect (V1.md §5.9)."""
    zoom = Zoom()
    stream = AStream(zoom, "video", params=MediaParams(video=VideoParams(mode="single_participant")))
    await stream.until(1)
    (subscription,) = zoom.said("signaling", 5)
    assert [row["event_type"] for row in subscription["events"]] == [2, 3, 4, 8, 9]
    zoom.say(
        "signaling",
        msg_type=6,
        event={"event_type": 8, "timestamp": START_MS, "participants": [{"user_id": 7}]},
    )
    await stream.until(2)
    zoom.close("video")
    await stream.until(10)
    assert [(m["user_id"], m["subscribe"]) for m in zoom.said("signaling", 28)] == [(7, True), (7, True)]
    assert zoom.times("signaling", 28) == [1, 5]
    await stream.stops()


async def test_no_sink_at_all():
    zoom = Zoom()
    stream = AStream(zoom, sinks=[])
    await stream.until(1)
    assert [name for _, name in zoom.attempts] == ["signaling"]
    await stream.stops()


async def test_the_worker_shows_its_face():
    zoom = Zoom()
    stream = AStream(zoom, "audio")
    await stream.until(1)
    assert repr(stream.worker) == "<StreamWorker S <StreamLifecycle live: signaling up, audio up>>"
    await stream.stops()


async def test_a_call_without_a_server_for_text_has_it_where_its_sound_is():
    """V1.md §3.2, of Contact Center: audio before all."""
    zoom = Zoom()
    del zoom.server_urls["transcript"]
    stream = AStream(zoom, "audio", "transcript", product=CONTACT_CENTER_VOICE)
    await stream.until(1)
    assert sorted(name for _, name in zoom.attempts) == ["audio", "audio", "signaling"]
    await stream.stops()
