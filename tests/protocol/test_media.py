"""One media connection as a script (V1.md §4, §6)."""

import base64
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.model import events as ev
from rtms_engine.model.frames import (
    AudioFrame,
    ChatMessage,
    ChatOperation,
    ShareFrame,
    Speaker,
    TranscriptOperation,
    TranscriptSegment,
    VideoFrame,
)
from rtms_engine.model.media import (
    AudioParams,
    ChatParams,
    MediaKind,
    MediaParams,
    ShareParams,
    TranscriptParams,
    VideoParams,
)
from rtms_engine.model.products import SESSION
from rtms_engine.model.reasons import StatusCode, StopReason, StreamState
from rtms_engine.protocol.connection import State
from rtms_engine.protocol.events import (
    HandshakeAccepted,
    HandshakeRefused,
    Heard,
    LegId,
    Noise,
    NoiseKind,
    Silent,
    StatusHeard,
    StreamStateHeard,
)
from rtms_engine.protocol.media import MediaProtocol
from tests.protocol.speaking import UNIX_MS, Names, identity, said, unix_ms, zoom_says
from tests.wire.strategies import MESSAGE, few

T = 1738392033699
AUDIO_20 = AudioParams(send_rate_ms=20)
AUDIO = {
    "audio": {"content_type": 2, "sample_rate": 1, "channel": 1, "codec": 1, "data_opt": 2, "send_rate": 20}
}


def connecting(*kinds, params=None, **options):
    leg = LegId(frozenset(MediaKind(kind) for kind in kinds))
    product = {"product": options.pop("product")} if "product" in options else {}
    return MediaProtocol(
        identity(**product), leg, params or MediaParams(audio=AUDIO_20), Names(), unix_ms=unix_ms, **options
    )


def shaking_hands(*kinds, **options):
    media = connecting(*(kinds or ["audio"]), **options)
    media.connected(0.0)
    media.data_to_send()
    return media


def ready(*kinds, media_params=None, **options):
    media = shaking_hands(*kinds, **options)
    zoom_says(media, msg_type=4, status_code=0, media_params=media_params)
    return media


def hello(*kinds, **options):
    media = connecting(*kinds, **options)
    media.connected(0.0)
    (message,) = said(media)
    return message


# --- the handshake ---


def test_appendix_b():
    """The request of the happy-path trace (with sequence 1, V1.md §3.3), its answer, the first frame."""
    assert hello("audio") == {
        "msg_type": 3,
        "protocol_version": 1,
        "sequence": 1,
        "meeting_uuid": "U==",
        "rtms_stream_id": "S",
        "signature": "…",
        "media_type": 1,
        "payload_encryption": False,
        "media_params": AUDIO,
    }
    media = shaking_hands("audio")
    answer = {
        "msg_type": 4,
        "protocol_version": 1,
        "status_code": 0,
        "reason": "",
        "sequence": 0,
        "payload_encrypted": False,
        "media_params": AUDIO,
    }
    assert zoom_says(media, **answer) == [HandshakeAccepted(granted={MediaKind.AUDIO: AUDIO_20})]
    content = {
        "user_id": 16778240,
        "user_name": "John Smith",
        "data": "AAAA",
        "length": 3,
        "timestamp": 1790000000050,
    }
    assert zoom_says(media, 7.0, msg_type=14, content=content) == [
        AudioFrame("S", Speaker(16778240, "John Smith"), 1790000000050, 7.0, AUDIO_20, b"\0\0\0")
    ]


@pytest.mark.parametrize(
    ("kinds", "media_type", "keys"),
    [
        (["audio"], 1, ["audio"]),
        (["video"], 2, ["video"]),
        (["share"], 4, ["deskshare"]),
        (["transcript"], 8, ["transcript"]),
        (["chat"], 16, ["chat"]),
        (["audio", "chat"], 32, ["audio", "chat"]),
        (list(MediaKind), 32, ["audio", "chat", "deskshare", "transcript", "video"]),
    ],
)
def test_one_kind_or_all_never_a_combination(kinds, media_type, keys):
    """1, 2, 4, 8, 16 or 32 (V1.md §4.1)."""
    message = hello(*kinds)
    assert message["media_type"] == media_type
    assert sorted(message["media_params"]) == keys


def test_defaults_are_asked_for_by_silence():
    """Left out altogether, not null (V1.md §4.2)."""
    assert "media_params" not in hello("audio", defaults={MediaKind.AUDIO})


def test_defaults_of_one_kind():
    """What was refused is left to Zoom, and read so; the others stay as they were asked for."""
    media = connecting("audio", "video", defaults={MediaKind.VIDEO})
    media.connected(0.0)
    (message,) = said(media)
    assert message["media_params"] == AUDIO
    (accepted,) = zoom_says(media, msg_type=4, status_code=0)
    assert accepted.granted == {MediaKind.AUDIO: AUDIO_20, MediaKind.VIDEO: VideoParams(codec="jpg", fps=5)}


def test_the_id_under_its_keys():
    ids = {
        key: value for key, value in hello("audio", product=SESSION, id_fields=2).items() if value == "U=="
    }
    assert ids == {"session_id": "U=="}


@pytest.mark.parametrize("status", [*range(1, 48), 99])
def test_a_refusal(status):
    media = shaking_hands()
    assert zoom_says(media, msg_type=4, status_code=status, reason="no") == [
        HandshakeRefused(StatusCode(status), "no")
    ]
    assert media.state is State.FAILED
    assert media.deadline() is None
    assert zoom_says(media, msg_type=14, content="AAAA") == [
        Noise(NoiseKind.UNEXPECTED, "media after a refused handshake")
    ]
    assert zoom_says(media, msg_type=4, status_code=0) == []


def test_a_refusal_after_the_acceptance_is_noise():
    """Media flows; the connection ends when it ends."""
    media = ready()
    assert zoom_says(media, msg_type=4, status_code=16) == [
        Noise(NoiseKind.UNEXPECTED, "a refusal after the acceptance")
    ]
    assert media.state is State.READY


def test_media_before_the_answer_is_an_acceptance():
    """The mock never answers; the answer may still bring the parameters."""
    media = shaking_hands("audio")
    accepted, frame = zoom_says(media, msg_type=14, content={"user_id": 5, "data": "AAAA", "timestamp": T})
    assert accepted == HandshakeAccepted(granted={MediaKind.AUDIO: AUDIO_20})
    assert frame.params == AUDIO_20
    (late,) = zoom_says(
        media, msg_type=4, status_code=0, media_params={"audio": {"data_opt": 1, "sample_rate": 3}}
    )
    granted = AudioParams(sample_rate=48000, send_rate_ms=20, mode="mixed")
    assert late == HandshakeAccepted(granted={MediaKind.AUDIO: granted})
    (frame,) = zoom_says(media, msg_type=14, content={"user_id": 5, "data": "AAAA", "timestamp": T})
    assert frame.params == granted


def test_effective_parameters_outdo_the_request():
    """H.264 asked for, JPG granted (V1.md §4.3)."""
    media = ready("video", media_params={"video": {"codec": 5, "fps": 5, "resolution": 2, "data_opt": 3}})
    (frame,) = zoom_says(media, msg_type=15, content={"user_id": 5, "data": "/9j/2Q==", "timestamp": T})
    assert frame == VideoFrame("S", Speaker(5, "Five"), T, 0.0, "jpg", b"\xff\xd8\xff\xd9")


def test_without_effective_parameters_those_asked_for_hold():
    media = ready("audio", params=MediaParams(audio=AudioParams("opus", 48000, 2, 20)))
    (frame,) = zoom_says(media, msg_type=14, content={"user_id": 5, "data": "AAAA", "timestamp": T})
    assert frame.params == AudioParams("opus", 48000, 2, 20)


def test_without_effective_parameters_zooms_defaults_hold_if_none_were_asked_for():
    """Mixed, 20 ms; JPG at 5 pictures per second (V1.md §4.2)."""
    media = ready("audio", defaults={MediaKind.AUDIO})
    (frame,) = zoom_says(media, msg_type=14, content={"user_id": 5, "data": "AAAA", "timestamp": T})
    assert frame.params == AudioParams(send_rate_ms=20, mode="mixed")


def test_unified_says_what_was_granted():
    """Only what message 4 lists; if it lists nothing, all that was asked for."""
    media = shaking_hands("audio", "chat", "video")
    (accepted,) = zoom_says(
        media, msg_type=4, status_code=0, media_params={**AUDIO, "chat": {"content_type": 5}}
    )
    assert accepted.granted == {MediaKind.AUDIO: AUDIO_20, MediaKind.CHAT: ChatParams()}
    media = shaking_hands("audio", "chat")
    (accepted,) = zoom_says(media, msg_type=4, status_code=0)
    assert accepted.granted == {MediaKind.AUDIO: AUDIO_20, MediaKind.CHAT: ChatParams()}


# --- frames ---


@pytest.mark.parametrize(
    ("content", "speaker", "mixed"),
    [
        ({"user_id": 16778240, "user_name": "John"}, Speaker(16778240, "John"), False),
        ({"user_id": 5}, Speaker(5, "Five"), False),
        ({"user_id": 5, "user_name": ""}, Speaker(5, "Five"), False),
        ({"user_id": 0}, Speaker(5, "Five", "active_speaker"), True),
        ({}, Speaker(5, "Five", "active_speaker"), True),
        ({"channel_id": "7"}, Speaker(0, "", "packet", "7"), False),
        ({"channel_id": 7, "user_id": 9}, Speaker(9, "", "packet", "7"), False),
    ],
)
def test_whose_sound_it_is(content, speaker, mixed):
    """0 is the mix, guessed by the active speaker; Contact Center has channels (V1.md §6.2, §6.3)."""
    (frame,) = zoom_says(ready(), msg_type=14, content={"data": "AAAA", "timestamp": T, **content})
    assert (frame.speaker, frame.mixed) == (speaker, mixed)


def test_share():
    media = ready("share", params=MediaParams(share=ShareParams("png")))
    (frame,) = zoom_says(media, 3.0, msg_type=16, content={"user_id": 5, "data": "iVBO", "timestamp": T})
    assert frame == ShareFrame("S", Speaker(5, "Five"), T, 3.0, "png", b"\x89PN")


@pytest.mark.parametrize(
    ("attribute", "operation"), [(0, "new"), (1, "new"), (2, "update"), (3, "delete"), (9, "new")]
)
def test_transcript(attribute, operation):
    media = ready("transcript")
    (segment,) = zoom_says(
        media,
        3.0,
        msg_type=17,
        content={
            "user_id": 5,
            "start_time": T - 9,
            "end_time": T - 1,
            "timestamp": T,
            "language": 14,
            "data": "Hallo",
            "attribute": attribute,
            "sentence_id": "s1",
        },
    )
    assert segment == TranscriptSegment(
        "S", Speaker(5, "Five"), T, 3.0, "Hallo", T - 9, T - 1, "de", "s1", TranscriptOperation(operation)
    )


def test_a_deleted_transcript_needs_no_text():
    (segment,) = zoom_says(
        ready("transcript"), msg_type=17, content={"attribute": 3, "sentence_id": "s1", "timestamp": T}
    )
    assert segment.operation is TranscriptOperation.DELETE


def test_chat():
    """V1.md §6.7."""
    (message,) = zoom_says(
        ready("chat"),
        3.0,
        msg_type=18,
        content={
            "timestamp": T,
            "data": "Hello all",
            "operation_type": 3,
            "message_id": "m",
            "parent_message_id": "p",
            "chat_session": {"type": 2, "id": "c"},
            "sender": {"user_id": 5, "user_name": "Five"},
            "receiver": {"user_id": 6, "user_name": "Alice"},
            "files": [{"file_id": "f"}],
            "delete_file_id_list": ["d"],
        },
    )
    assert message == ChatMessage(
        "S",
        Speaker(5, "Five"),
        T,
        3.0,
        "Hello all",
        ChatOperation.UPDATE,
        "m",
        "p",
        "individual",
        "c",
        Speaker(6, "Alice"),
        ({"file_id": "f"},),
        ("d",),
    )


@pytest.mark.parametrize(
    ("number", "operation"), [(1, "new"), (2, "delete"), (5, "remove_reaction"), (6, "unknown")]
)
def test_chat_operations(number, operation):
    (message,) = zoom_says(
        ready("chat"), msg_type=18, content={"operation_type": number, "data": "x", "timestamp": T}
    )
    assert message.operation is ChatOperation(operation)


@pytest.mark.parametrize("session", [None, {}, {"type": None}, {"type": 99, "id": 7}, {"type": {}}, []])
def test_chat_sessions_that_say_nothing(session):
    (message,) = zoom_says(
        ready("chat"), msg_type=18, content={"chat_session": session, "data": "x", "timestamp": T}
    )
    assert message.session_type == ""


@pytest.mark.parametrize(
    ("kind", "message", "what"),
    [
        ("audio", {"msg_type": 14, "content": {"user_id": 5}}, "media"),
        ("audio", {"msg_type": 14, "content": ""}, "media"),
        ("audio", {"msg_type": 14}, "media"),
        ("video", {"msg_type": 15, "content": {"data": None}}, "media"),
        ("transcript", {"msg_type": 17, "content": {"user_id": 5}}, "transcript"),
        ("chat", {"msg_type": 18, "content": {}}, "chat"),
    ],
)
def test_what_is_empty_is_no_frame(kind, message, what):
    """Skipped and counted (V1.md §6.1)."""
    assert zoom_says(ready(kind), **message) == [Noise(NoiseKind.EMPTY, what)]


def test_a_wrong_length_is_counted_and_the_data_kept():
    frame, noise = zoom_says(
        ready(), msg_type=14, content={"user_id": 5, "data": "AAAA", "length": 640, "timestamp": T}
    )
    assert frame.payload == b"\0\0\0"
    assert noise == Noise(NoiseKind.LENGTH_MISMATCH, "640 announced, 3 came")


@pytest.mark.parametrize(
    ("msg_type", "kind"), [(14, "audio"), (15, "video"), (16, "share"), (17, "transcript"), (18, "chat")]
)
def test_a_frame_without_a_time_gets_ours(msg_type, kind):
    (frame,) = zoom_says(ready(kind), msg_type=msg_type, content={"user_id": 5, "data": "AAAA"})
    assert frame.timestamp_ms == UNIX_MS


def test_a_transcript_without_a_time_gets_its_start():
    (segment,) = zoom_says(ready("transcript"), msg_type=17, content={"data": "x", "start_time": T})
    assert segment.timestamp_ms == T


def test_a_kind_that_was_not_asked_for_is_taken_all_the_same():
    """Every message may come on either socket (V1.md §3.6)."""
    (frame,) = zoom_says(ready("audio"), msg_type=17, content={"data": "x", "user_id": 5, "timestamp": T})
    assert isinstance(frame, TranscriptSegment)


@pytest.mark.parametrize(
    ("message", "means"),
    [
        ({"msg_type": 6, "event": {"event_type": 6, "timestamp": T}}, Heard(ev.SharingStopped(T))),
        ({"msg_type": 8, "state": 4, "reason": 6}, StreamStateHeard(StreamState(4), StopReason(6))),
        (
            {"msg_type": 29, "status_code": 0, "user_id": 5},
            Heard(ev.VideoSubscribed(UNIX_MS, ev.Participant(5))),
        ),
        ({"msg_type": 29, "status_code": 44, "reason": ""}, StatusHeard(StatusCode(44), "")),
        ({"msg_type": 2, "status_code": 0}, Noise(NoiseKind.UNEXPECTED, "SignalingHandshakeResponse")),
    ],
)
def test_signaling_on_a_media_socket(message, means):
    """Has been seen; is understood (V1.md §3.6)."""
    assert zoom_says(ready(), **message) == [means]


# --- keep-alives and time ---


def test_a_keep_alive_is_echoed():
    media = ready()
    zoom_says(media, msg_type=12, timestamp=1, sequence=2)
    assert said(media) == [{"msg_type": 13, "timestamp": 1, "sequence": 2}]


def test_the_handshake_has_10_s_whatever_else_comes():
    media = shaking_hands()
    zoom_says(media, 9.0, msg_type=12, timestamp=1)
    assert media.deadline() == 10
    assert list(media.on_deadline(10)) == [Silent("no answer to the handshake for 10 s")]


def test_silence_means_nothing_without_keep_alives():
    """Nobody may be speaking, and a busy socket may never get a keep-alive (V1.md §7.1)."""
    media = ready()
    zoom_says(media, 1.0, msg_type=14, content={"user_id": 5, "data": "AAAA", "timestamp": T})
    assert media.deadline() is None
    assert list(media.on_deadline(1e6)) == []


def test_silence_means_death_where_keep_alives_came():
    media = ready()
    zoom_says(media, 10.0, msg_type=12, timestamp=1)
    zoom_says(media, 12.0, msg_type=14, content={"user_id": 5, "data": "AAAA", "timestamp": T})
    assert media.deadline() == 77
    assert list(media.on_deadline(77)) == [Silent("no frame for 65 s")]


# --- fuzz ---


@few
@given(
    st.lists(MESSAGE, max_size=5),
    st.sampled_from([shaking_hands, ready]),
    st.sampled_from([["audio"], list(MediaKind)]),
)
def test_no_message_can_raise(messages, connection, kinds):
    media = connection(*kinds)
    for message in messages:
        for output in media.receive(json.dumps(message).encode(), 1.0):
            assert msgspec.json.encode(output) or output
        said(media)


@few
@given(st.binary(max_size=300))
def test_sound_arrives_as_it_was_sent(payload):
    """Whatever the bytes: Base64 in, bytes out."""
    content = {
        "user_id": 5,
        "data": base64.b64encode(payload).decode(),
        "length": len(payload),
        "timestamp": T,
    }
    (output,) = zoom_says(ready(), msg_type=14, content=content)
    assert output == Noise(NoiseKind.EMPTY, "media") if not payload else output.payload == payload


@pytest.mark.parametrize("kind", list(MediaKind))
def test_every_kind_has_parameters(kind):
    params = MediaParams(video=VideoParams(), transcript=TranscriptParams())
    assert zoom_says(shaking_hands(kind, params=params), msg_type=4, status_code=0) == [
        HandshakeAccepted(granted={kind: params.of(kind)})
    ]
