"""Items in Recall's words."""

import json

import msgspec
import pytest

from rtms_engine.model.events import (
    ActiveSpeakerChanged,
    GapNoted,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    SharingStarted,
    SharingStopped,
    VideoStarted,
    VideoStopped,
)
from rtms_engine.model.frames import ChatOperation, TranscriptOperation
from rtms_engine.model.media import MediaKind
from rtms_engine.sinks.recall import RecallEvents, wanted
from tests.sinks.items import (
    AUDIO,
    CHAT,
    FINISHED,
    JOINED,
    SHARE,
    STREAM,
    STREAM_ID,
    T0_MS,
    TRANSCRIPT,
    VIDEO,
)

ADA, BEN = Participant(16778240, "Ada"), Participant(16779264, "Ben")
PARTICIPANT = {
    "id": 16778240,
    "name": "Ada",
    "is_host": None,
    "platform": "zoom",
    "extra_data": {},
    "email": None,
}


@pytest.fixture
def events():
    return RecallEvents(STREAM, "webhook")


def decoded(*found):
    return [json.loads(event.encode()) for event in found]


def changed(item, **changes):
    return msgspec.structs.replace(item, **changes)


def test_a_participant_event(events):
    assert decoded(*events.of(changed(JOINED, timestamp_ms=T0_MS + 1500))) == [
        {
            "event": "participant_events.join",
            "data": {
                "data": {
                    "participant": PARTICIPANT,
                    "timestamp": {"relative": 1.5, "absolute": "2026-09-21T14:13:21.500+00:00"},
                    "data": None,
                },
                "realtime_endpoint": {"id": "webhook", "metadata": {}},
                "recording": {
                    "id": STREAM_ID,
                    "metadata": {"app": "app", "product": "meeting", "meeting": STREAM.entity_id},
                },
                "participant_events": {"id": STREAM_ID, "metadata": {}},
            },
        }
    ]


def test_a_transcript_is_one_word_an_utterance_and_says_so(events):
    segment = changed(TRANSCRIPT, start_ms=T0_MS - 500, end_ms=T0_MS + 500, language="en")
    [document] = decoded(*events.of(segment))
    assert document["event"] == "transcript.data"
    data = document["data"]["data"]
    assert [
        (w["text"], w["start_timestamp"]["relative"], w["end_timestamp"]["relative"]) for w in data["words"]
    ] == [("Good morning.", -0.5, 0.5)]
    assert data["granularity"] == "utterance"
    assert data["participant"] == PARTICIPANT | {"extra_data": {"zoom": {"source": "packet"}}}
    assert document["data"]["transcript"]["id"] == STREAM_ID


def test_sound_and_pictures_are_base64(events):
    sound, mixed, camera, slide, h264 = decoded(
        *events.of(AUDIO),
        *events.of(changed(AUDIO, mixed=True)),
        *events.of(changed(VIDEO, codec="png")),
        *events.of(SHARE),
        *events.of(changed(VIDEO, codec="h264")),
    )
    assert [one["event"] for one in (sound, mixed, camera, slide, h264)] == [
        "audio_separate_raw.data",
        "audio_mixed_raw.data",
        "video_separate_png.data",
        "video_separate_jpg.data",
        "video_separate_h264.data",
    ]
    assert sound["data"]["data"]["buffer"] == "A" * 4266 + "A="
    assert sound["data"]["data"]["format"]["sample_rate"] == 16000
    assert "participant" not in mixed["data"]["data"]
    assert [one["data"]["data"]["type"] for one in (camera, slide)] == ["webcam", "screenshare"]
    assert camera["data"]["video_separate"]["id"] == STREAM_ID


@pytest.mark.parametrize(
    ("items", "names"),
    [
        ([ParticipantLeft(T0_MS, ADA)], ["leave"]),
        ([VideoStarted(T0_MS, ADA), VideoStopped(T0_MS, ADA)], ["webcam_on", "webcam_off"]),
        ([CHAT], ["chat_message"]),
        (
            [ActiveSpeakerChanged(T0_MS, ADA), ActiveSpeakerChanged(T0_MS, BEN)],
            ["speech_on", "speech_off", "speech_on"],
        ),
    ],
)
def test_names_of_participant_events(events, items, names):
    found = [event.name for item in items for event in events.of(item)]
    assert found == [f"participant_events.{name}" for name in names]


def test_whose_share_ends_is_remembered(events):
    on, off, again = decoded(
        *events.of(SharingStarted(T0_MS, ADA)),
        *events.of(SharingStopped(T0_MS)),
        *events.of(SharingStopped(T0_MS)),
    )
    assert on["event"] == "participant_events.screenshare_on"
    assert [one["data"]["data"]["participant"]["name"] for one in (off, again)] == ["Ada", None]


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (changed(TRANSCRIPT, operation=TranscriptOperation.UPDATE), "transcript.update"),
        (changed(TRANSCRIPT, operation=TranscriptOperation.DELETE), "transcript.delete"),
        (changed(CHAT, operation=ChatOperation.ADD_REACTION), "chat.add_reaction"),
        (GapNoted(T0_MS, MediaKind.AUDIO, T0_MS, T0_MS + 1, "signaling lost"), "stream.gap_noted"),
    ],
)
def test_what_recall_has_no_name_for(events, item, name):
    assert [event.name for event in events.of(item)] == [name]


def test_the_first_and_the_last(events):
    first, last = decoded(events.started(), events.ended(FINISHED))
    assert (first["event"], last["event"]) == ("stream.started", "stream.ended")
    assert last["data"]["data"]["stop_reason"] == "MEETING_ENDED"
    assert last["data"]["data"]["timestamp"]["relative"] == 60.0


def test_who_comes_later_hears_who_is_there(events):
    events.of(ParticipantJoined(T0_MS, ADA))
    events.of(ParticipantJoined(T0_MS, BEN))
    events.of(ParticipantLeft(T0_MS, ADA))
    first, *joins = decoded(*events.present())
    assert first["event"] == "stream.started"
    assert [one["data"]["data"]["participant"]["name"] for one in joins] == ["Ben"]


def test_a_time_that_no_calendar_has(events):
    [document] = decoded(*events.of(changed(JOINED, timestamp_ms=10**18)))
    assert document["data"]["data"]["timestamp"]["absolute"] is None


@pytest.mark.parametrize(
    ("name", "patterns", "expected"),
    [
        ("transcript.data", ["transcript.data"], True),
        ("transcript.data", ["transcript.*"], True),
        ("transcript.data", ["*"], True),
        ("transcript.data", ["transcript"], False),
        ("transcript.data", [], False),
    ],
)
def test_what_is_wanted(name, patterns, expected):
    assert wanted(name, patterns) is expected
