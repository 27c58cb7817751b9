"""One signaling connection as a script (V1.md §3, §5)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.model import events as ev
from rtms_engine.model.media import MediaKind
from rtms_engine.model.products import CONTACT_CENTER_VOICE, MEETING, SESSION, WEBINAR
from rtms_engine.model.reasons import EventType, SessionState, StatusCode, StopReason, StreamState
from rtms_engine.protocol.connection import State
from rtms_engine.protocol.events import (
    CloseAnswered,
    HandshakeAccepted,
    HandshakeRefused,
    Heard,
    MediaElsewhere,
    MediaInterrupted,
    Noise,
    NoiseKind,
    SessionStateHeard,
    Silent,
    StatusHeard,
    StreamStateHeard,
)
from rtms_engine.protocol.signaling import SignalingProtocol, events_for
from tests.protocol.speaking import UNIX_MS, identity, said, unix_ms, zoom_says
from tests.wire.strategies import MESSAGE, few

EVENTS = (EventType(2), EventType(3), EventType(4))
URLS = {"audio": "wss://m:443", "transcript": "wss://m:443", "all": "wss://m:443"}
ACCEPTED = {
    "msg_type": 2,
    "protocol_version": 1,
    "sequence": 0,
    "status_code": 0,
    "reason": "",
    "media_server": {"server_urls": URLS},
}


def connecting(product=MEETING, **options):
    return SignalingProtocol(
        identity(product), events=options.pop("events", EVENTS), unix_ms=unix_ms, **options
    )


def shaking_hands(**options):
    signaling = connecting(**options)
    signaling.connected(0.0)
    signaling.data_to_send()
    return signaling


def ready(**options):
    signaling = shaking_hands(**options)
    zoom_says(signaling, **ACCEPTED)
    signaling.data_to_send()
    return signaling


# --- the handshake ---


def test_appendix_b():
    """The first message, the answer, the subscription, as in the happy-path trace."""
    signaling = connecting()
    assert said(signaling) == []
    signaling.connected(0.0)
    assert said(signaling) == [
        {
            "msg_type": 1,
            "protocol_version": 1,
            "sequence": 1,
            "meeting_uuid": "U==",
            "rtms_stream_id": "S",
            "signature": "…",
        }
    ]
    assert zoom_says(signaling, **ACCEPTED) == [HandshakeAccepted(URLS)]
    assert said(signaling) == [
        {
            "msg_type": 5,
            "events": [
                {"event_type": 2, "subscribe": True},
                {"event_type": 3, "subscribe": True},
                {"event_type": 4, "subscribe": True},
            ],
        }
    ]
    signaling.acknowledge_ready(0.0)
    assert said(signaling) == [{"msg_type": 7, "rtms_stream_id": "S"}]


@pytest.mark.parametrize(
    ("product", "variant", "ids"),
    [
        (MEETING, 0, {"meeting_uuid": "U=="}),
        (WEBINAR, 0, {"meeting_uuid": "U==", "webinar_uuid": "U=="}),
        (SESSION, 0, {"meeting_uuid": "U==", "session_id": "U=="}),
        (CONTACT_CENTER_VOICE, 0, {"meeting_uuid": "U==", "engagement_id": "U=="}),
        (SESSION, 1, {"meeting_uuid": "U=="}),
        (SESSION, 2, {"session_id": "U=="}),
    ],
)
def test_the_id_under_its_keys(product, variant, ids):
    """``meeting_uuid`` always, the product's own besides; one of the two if Zoom wants that (V1.md §0.4)."""
    signaling = connecting(product, id_fields=variant)
    signaling.connected(0.0)
    (hello,) = said(signaling)
    assert {key: value for key, value in hello.items() if value == "U=="} == ids


@pytest.mark.parametrize(("buffer_data", "sent"), [(True, None), (False, False)])
def test_the_backlog_is_only_spoken_of_to_decline_it(buffer_data, sent):
    signaling = connecting(buffer_data=buffer_data)
    signaling.connected(0.0)
    (hello,) = said(signaling)
    assert hello.get("buffer_data") is sent


@pytest.mark.parametrize("status", [*range(1, 48), 99])
def test_a_refusal(status):
    """Every status ends the handshake; nothing is said on that connection any more."""
    signaling = shaking_hands()
    assert zoom_says(signaling, msg_type=2, status_code=status, reason="why not") == [
        HandshakeRefused(StatusCode(status), "why not")
    ]
    assert signaling.state is State.FAILED
    assert signaling.deadline() is None
    signaling.acknowledge_ready(0.0)
    assert said(signaling) == []


@pytest.mark.parametrize(
    ("status", "reason", "means"),
    [
        (17, "DUPLICATE_SIGNAL_REQUEST", 8),
        (17, "Duplicate signal request", 8),
        (17, "duplicate signal request.", 8),
        (17, "Handshake failed: duplicate signal request, try again later", 8),
        (15, "INVALID_SIGNATURE", 3),
        (15, "STATUS_INVALID_SIGNATURE", 3),
        (3, "", 3),
        (3, "OK", 3),
        (9, "INVALID_EVENT_TYPE in INVALID_EVENTS", 6),
        (3, "token is broken", 3),
        (9, "something else", 9),
    ],
)
def test_the_text_outdoes_the_number(status, reason, means):
    """There are two incompatible tables in the field (V1.md §9.4, §3.4)."""
    assert StatusCode.said(status, reason) == means


def test_an_answer_that_comes_twice():
    """The second one changes nothing, whatever it says."""
    signaling = ready()
    assert zoom_says(signaling, **ACCEPTED) == []
    assert zoom_says(signaling, msg_type=2, status_code=8) == []
    assert said(signaling) == []
    assert signaling.state is State.READY


def test_an_answer_without_addresses():
    signaling = shaking_hands()
    assert zoom_says(signaling, msg_type=2, status_code=0) == [HandshakeAccepted(None)]


def test_nothing_is_said_before_the_handshake_is_done():
    signaling = shaking_hands()
    signaling.acknowledge_ready(0.0)
    signaling.request_close()
    signaling.subscribe_video(5)
    signaling.query_stream()
    signaling.query_session("X")
    assert said(signaling) == []


# --- subscriptions ---


@pytest.mark.parametrize("single_participant_video", [True, False])
@pytest.mark.parametrize("kinds", [set(), {MediaKind.AUDIO}, set(MediaKind)])
def test_events_1_and_7_are_never_subscribed(kinds, single_participant_video):
    """They come unasked, and subscribing to them may break things (V1.md §5.2)."""
    events = events_for(kinds, single_participant_video=single_participant_video)
    assert not {1, 7} & set(events)
    assert events[:3] == (2, 3, 4)
    assert len(set(events)) == len(events)


@pytest.mark.parametrize(
    ("kinds", "single", "events"),
    [
        ([], False, [2, 3, 4]),
        ([MediaKind.VIDEO], False, [2, 3, 4]),
        ([MediaKind.VIDEO], True, [2, 3, 4, 8, 9]),
        ([MediaKind.AUDIO], True, [2, 3, 4]),
        ([MediaKind.SHARE], False, [2, 3, 4, 5, 6]),
        ([MediaKind.CHAT], False, [2, 3, 4, 10, 11, 12, 13, 14]),
    ],
)
def test_what_is_subscribed(kinds, single, events):
    """8 and 9 only for single-participant video, 5 and 6 for share, 10 to 14 for chat."""
    got = events_for(kinds, single_participant_video=single or False)
    if single and MediaKind.VIDEO not in kinds:
        got = events_for(kinds, single_participant_video=False)
    assert sorted(got) == events


def test_contact_center_subscribes_to_nothing():
    signaling = shaking_hands(product=CONTACT_CENTER_VOICE, events=())
    zoom_says(signaling, **ACCEPTED)
    assert said(signaling) == []


@pytest.mark.parametrize("status", [5, 6, 42])
def test_a_refused_subscription_is_repeated_with_less(status):
    """Once, for the events that every app may have; then we go on without."""
    signaling = ready(events=(*EVENTS, EventType(5), EventType(6)))
    assert zoom_says(signaling, msg_type=5, status_code=status, reason="") == [
        StatusHeard(StatusCode(status), "")
    ]
    (again,) = said(signaling)
    assert [row["event_type"] for row in again["events"]] == [2, 3, 4]
    zoom_says(signaling, msg_type=5, status_code=status, reason="")
    assert said(signaling) == []


def test_video_subscription():
    """V1.md §5.9; who is shown is announced, a refusal is a status."""
    signaling = ready()
    signaling.subscribe_video(16778240)
    assert said(signaling) == [{"msg_type": 28, "user_id": 16778240, "subscribe": True, "timestamp": UNIX_MS}]
    assert zoom_says(signaling, msg_type=29, user_id=16778240, status_code=0, reason="OK") == [
        Heard(ev.VideoSubscribed(UNIX_MS, ev.Participant(16778240)))
    ]
    assert zoom_says(signaling, msg_type=29, user_id=16778240, status_code=44, reason="") == [
        StatusHeard(StatusCode(44), "")
    ]


# --- what Zoom says ---


@pytest.mark.parametrize(
    ("message", "means"),
    [
        (
            {"msg_type": 6, "event": {"event_type": 6, "timestamp": UNIX_MS}},
            Heard(ev.SharingStopped(UNIX_MS)),
        ),
        (
            {"msg_type": 6, "event": {"event_type": 7, "media_type": 1}},
            MediaInterrupted(frozenset({MediaKind.AUDIO})),
        ),
        ({"msg_type": 6, "event": {"event_type": 7}}, MediaInterrupted()),
        ({"msg_type": 8, "state": 4, "reason": 6}, StreamStateHeard(StreamState(4), StopReason(6))),
        (
            {"msg_type": 20, "state": 1, "rtms_stream_id": "S"},
            StreamStateHeard(StreamState(1), StopReason(0)),
        ),
        (
            {"msg_type": 9, "state": 5, "stop_reason": 6, "rtms_session_id": "X"},
            SessionStateHeard("X", SessionState(5), StopReason(6)),
        ),
        (
            {"msg_type": 11, "state": 2, "rtms_session_id": "X"},
            SessionStateHeard("X", SessionState(2), StopReason(0)),
        ),
        ({"msg_type": 22, "status_code": 0, "reason": "OK"}, CloseAnswered(StatusCode.OK, "OK")),
        ({"msg_type": 7, "status_code": 41, "reason": "early"}, StatusHeard(StatusCode(41), "early")),
        ({"msg_type": 99, "status_code": "41"}, StatusHeard(StatusCode(41), "")),
        ({"status_code": 2, "reason": None}, StatusHeard(StatusCode(2), "")),
        ({"msg_type": 99}, Noise(NoiseKind.UNKNOWN, "message type 99")),
        ({"msg_type": 99, "status_code": 0}, Noise(NoiseKind.UNKNOWN, "message type 99")),
        ({"msg_type": 7, "rtms_stream_id": "S"}, Noise(NoiseKind.UNEXPECTED, "ClientReadyAck")),
    ],
    ids=str,
)
@pytest.mark.parametrize("connection", [ready, shaking_hands], ids=["ready", "shaking hands"])
def test_what_zoom_says_at_any_time(connection, message, means):
    """Events, states and statuses, also before message 2."""
    assert zoom_says(connection(), **message) == [means]


def test_media_are_handed_on():
    """To the connection that knows their parameters: every message may come on either (V1.md §3.6)."""
    (output,) = zoom_says(ready(), msg_type=14, content="AAAA")
    assert isinstance(output, MediaElsewhere)
    assert (output.kind, output.message.content.data) == (MediaKind.AUDIO, bytes(3))


def test_meta_data_is_nothing():
    assert zoom_says(ready(), msg_type=23, x=1) == []


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        (lambda signaling: signaling.request_close(), {"msg_type": 21, "rtms_stream_id": "S"}),
        (lambda signaling: signaling.query_stream(), {"msg_type": 19, "rtms_stream_id": "S"}),
        (lambda signaling: signaling.query_session("X"), {"msg_type": 10, "rtms_session_id": "X"}),
    ],
)
def test_what_we_say(verb, message):
    signaling = ready()
    verb(signaling)
    assert said(signaling) == [message]


# --- keep-alives ---


@pytest.mark.parametrize("connection", [shaking_hands, ready])
@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp": 1727384349123},
        {"timestamp": 1727384349123, "sequence": 7},
        {"timestamp": 1727384349123, "sequence": 7, "later": {"key": [None]}},
        {"timestamp": "1727384349123"},
        {"timestamp": 0},
    ],
)
def test_a_keep_alive_is_echoed(connection, fields):
    """Every key as it came, before and after the handshake (V1.md §5.1)."""
    signaling = connection()
    assert zoom_says(signaling, msg_type=12, **fields) == []
    assert said(signaling) == [{"msg_type": 13, **fields}]
    assert signaling.keep_alives == 1


@pytest.mark.parametrize("fields", [{}, {"timestamp": None}, {"status_code": 0}])
def test_a_keep_alive_without_a_time_gets_ours(fields):
    """The mock's second timer sends such (V1.md §5.1)."""
    signaling = ready()
    zoom_says(signaling, msg_type=12, **fields)
    assert said(signaling) == [{"msg_type": 13, **fields, "timestamp": UNIX_MS}]


def test_the_answer_stands_before_anything_that_follows():
    """Answered in `receive` itself: nothing can come between."""
    signaling = ready()
    zoom_says(signaling, msg_type=12, timestamp=1)
    signaling.request_close()
    zoom_says(signaling, msg_type=12, timestamp=2)
    assert [message["msg_type"] for message in said(signaling)] == [13, 21, 13]


# --- time ---


def test_the_handshake_has_10_s():
    signaling = shaking_hands()
    assert signaling.deadline() == 10
    assert signaling.on_deadline(9.9) == ()
    assert list(signaling.on_deadline(10)) == [Silent("no answer to the handshake for 10 s")]
    assert signaling.deadline() is None
    assert list(signaling.on_deadline(99)) == []


def test_keep_alives_are_no_answer_to_the_handshake():
    """The mock sends them before any handshake, every 5 s; the answer is still due in 10 s."""
    signaling = shaking_hands()
    zoom_says(signaling, 5.0, msg_type=12, timestamp=1)
    zoom_says(signaling, 9.0, msg_type=6, event={"event_type": 6})
    assert signaling.deadline() == 10
    assert list(signaling.on_deadline(10)) == [Silent("no answer to the handshake for 10 s")]


@pytest.mark.parametrize(
    "message", [{"msg_type": 12}, {"msg_type": 6, "event": {"event_type": 6}}, {"msg_type": 99}, {}]
)
def test_silence_means_death_after_65_s(message):
    """Any frame counts as life (V1.md §7.1)."""
    signaling = shaking_hands()
    zoom_says(signaling, 4.0, **ACCEPTED)
    assert signaling.deadline() == 69
    zoom_says(signaling, 30.0, **message)
    assert signaling.deadline() == 95
    assert list(signaling.on_deadline(94.9)) == []
    assert list(signaling.on_deadline(95)) == [Silent("no frame for 65 s")]


def test_even_garbage_is_a_sign_of_life():
    signaling = ready()
    assert list(signaling.receive(b"\x00\xff", 30.0)) == [
        Noise(NoiseKind.MALFORMED, "JSON is malformed: invalid character (byte 0)")
    ]
    assert signaling.deadline() == 95


def test_the_state_is_asked_for_after_10_s():
    """If Zoom says nothing of it after the ACK; asked once."""
    signaling = ready()
    signaling.acknowledge_ready(5.0)
    said(signaling)
    assert signaling.deadline() == 15
    assert list(signaling.on_deadline(15)) == []
    assert said(signaling) == [{"msg_type": 19, "rtms_stream_id": "S"}]
    assert signaling.deadline() == 65


@pytest.mark.parametrize("message", [{"msg_type": 8, "state": 1}, {"msg_type": 20, "state": 1}])
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_state_is_not_asked_for_if_it_was_said(message, when):
    signaling = ready()
    if when == "before":
        zoom_says(signaling, **message)
    signaling.acknowledge_ready(5.0)
    if when == "after":
        zoom_says(signaling, **message)
    assert signaling.deadline() == 65


def test_it_shows_its_face():
    assert repr(ready()) == "<SignalingProtocol ready>"


@few
@given(st.lists(MESSAGE, max_size=5), st.sampled_from([shaking_hands, ready]))
def test_no_message_can_raise(messages, connection):
    """And all that it wants said can be said."""
    signaling = connection()
    for message in messages:
        signaling.receive(json.dumps(message).encode(), 1.0)
        signaling.on_deadline(1.0)
        said(signaling)
    assert signaling.deadline() is None or signaling.deadline() >= 1.0
