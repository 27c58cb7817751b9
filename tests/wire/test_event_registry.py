"""Message 6 by product (V1.md §5.3, §5.4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.model import events as ev
from rtms_engine.model.media import MediaKind
from rtms_engine.model.products import CONTACT_CENTER_VOICE, MEETING, PRODUCTS, SESSION, WEBINAR
from rtms_engine.wire.event_registry import decode_event
from tests.wire.strategies import JSON, unhurried

T = 1727384349123
NOW = 1_790_000_000_000
JOHN = ev.Participant(16778240, "John Smith")
NAMELESS = ev.Participant(16778240)

MEETING_EVENTS = [
    ({"event_type": 1, "timestamp": T}, (ev.FirstPacket(T),)),
    (
        {
            "event_type": 2,
            "timestamp": T,
            "user_id": 22334455,
            "user_name": "J",
            "current_id": 1,
            "new_id": 2,
        },
        (ev.ActiveSpeakerChanged(T, ev.Participant(22334455, "J")),),
    ),
    (
        {
            "event_type": 3,
            "timestamp": T,
            "participants": [{"user_id": 16778240, "user_name": "John Smith"}, {"user_id": "33556610"}],
        },
        (ev.ParticipantJoined(T, JOHN), ev.ParticipantJoined(T, ev.Participant(33556610))),
    ),
    ({"event_type": 3, "user_id": 16778240, "user_name": "John Smith"}, (ev.ParticipantJoined(NOW, JOHN),)),
    ({"event_type": 3, "timestamp": T, "participants": []}, ()),
    ({"event_type": 3, "timestamp": T, "participants": [7, None, {}]}, ()),
    (
        {"event_type": 4, "timestamp": T, "participants": [{"user_id": 16778240}]},
        (ev.ParticipantLeft(T, NAMELESS),),
    ),
    (
        {"event_type": 5, "timestamp": T, "user_id": 16778240, "user_name": "John Smith"},
        (ev.SharingStarted(T, JOHN),),
    ),
    ({"event_type": 6, "timestamp": T}, (ev.SharingStopped(T),)),
    ({"event_type": 7, "timestamp": T}, (ev.MediaConnectionInterrupted(T),)),
    (
        {"event_type": 7, "timestamp": T, "media_type": 1},
        (ev.MediaConnectionInterrupted(T, (MediaKind.AUDIO,)),),
    ),
    (
        {"event_type": 7, "timestamp": T, "media_type": "1"},
        (ev.MediaConnectionInterrupted(T, (MediaKind.AUDIO,)),),
    ),
    (
        {"event_type": 7, "timestamp": T, "media_types": [2, 8]},
        (ev.MediaConnectionInterrupted(T, (MediaKind.VIDEO, MediaKind.TRANSCRIPT)),),
    ),
    (
        {"event_type": 7, "timestamp": T, "type": 17},
        (ev.MediaConnectionInterrupted(T, (MediaKind.AUDIO, MediaKind.CHAT)),),
    ),
    ({"event_type": 7, "timestamp": T, "media_type": 32}, (ev.MediaConnectionInterrupted(T),)),
    ({"event_type": 7, "timestamp": T, "media_type": {"a": []}}, (ev.MediaConnectionInterrupted(T),)),
    (
        {"event_type": 8, "timestamp": T, "participants": [{"user_id": 16778240}]},
        (ev.VideoStarted(T, NAMELESS),),
    ),
    (
        {"event_type": 9, "timestamp": T, "participants": [{"user_id": 16778240}]},
        (ev.VideoStopped(T, NAMELESS),),
    ),
    (
        {"event_type": 10, "timestamp": T, "chat_groups": [{"id": "g"}]},
        (
            ev.ChatGroupChanged(
                T, "chat_group_create", {"event_type": 10, "timestamp": T, "chat_groups": [{"id": "g"}]}
            ),
        ),
    ),
    (
        {"event_type": 14, "timestamp": T},
        (ev.ChatGroupChanged(T, "chat_group_member_status_update", {"event_type": 14, "timestamp": T}),),
    ),
    ({"event_type": 15, "timestamp": T}, (ev.UnknownEvent(T, 15, {"event_type": 15, "timestamp": T}),)),
    ({"timestamp": T}, (ev.UnknownEvent(T, -1, {"timestamp": T}),)),
    ({"event_type": "2", "timestamp": T, "user_id": "16778240"}, (ev.ActiveSpeakerChanged(T, NAMELESS),)),
    ({"event_type": "SHARING_STOP", "timestamp": T}, (ev.SharingStopped(T),)),
    ({"event_type": 6.0, "timestamp": float(T)}, (ev.SharingStopped(T),)),
    ({"event_type": 6, "timestamp": T // 1000}, (ev.SharingStopped(T // 1000 * 1000),)),
    ({"event_type": 6, "timestamp": str(T)}, (ev.SharingStopped(T),)),
    ({"event_type": 6, "event_ts": T}, (ev.SharingStopped(T),)),
    ({"event_type": 6}, (ev.SharingStopped(NOW),)),
    ({"event_type": 2, "timestamp": T, "user_id": 16778240.0}, (ev.ActiveSpeakerChanged(T, NAMELESS),)),
]


@pytest.mark.parametrize(("event", "means"), MEETING_EVENTS, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("product", [MEETING, WEBINAR, SESSION], ids=lambda product: product.name)
def test_an_event_of_a_meeting(product, event, means):
    """The same for meetings, webinars and Video SDK sessions."""
    assert decode_event(product, event, NOW) == means


@pytest.mark.parametrize("key", ["participant_info", "paticipant_info"])
@pytest.mark.parametrize(
    ("number", "name"),
    [
        (8, "consumer_answered"),
        (9, "consumer_end"),
        (10, "user_answered"),
        (29, "conference_participant_left"),
    ],
)
def test_the_same_numbers_mean_something_else_in_contact_center(number, name, key):
    """The product chooses the table (V1.md §9.3); an older page misspells the key."""
    event = {"event_type": number, "event_ts": T, key: {"channel_id": "c", "participant_mode": "caller"}}
    assert decode_event(CONTACT_CENTER_VOICE, event, NOW) == (
        ev.ContactCenterEvent(T, name, {"channel_id": "c", "participant_mode": "caller"}),
    )


@pytest.mark.parametrize(
    ("event", "means"),
    [
        ({"event_type": 1, "timestamp": T}, ev.FirstPacket(T)),
        ({"event_type": 7, "timestamp": T}, ev.MediaConnectionInterrupted(T)),
        ({"event_type": 31, "event_ts": T}, ev.ContactCenterEvent(T, "unknown_31", {})),
        ({"event_type": "USER_HOLD", "event_ts": T}, ev.ContactCenterEvent(T, "user_hold", {})),
        (
            {"event_type": 12, "event_ts": T, "participant_info": "?"},
            ev.ContactCenterEvent(T, "user_hold", {}),
        ),
    ],
)
def test_contact_center_has_the_automatic_events_and_unknown_ones(event, means):
    """1 and 7 come for every product; 30 to 34 exist and have no published names."""
    assert decode_event(CONTACT_CENTER_VOICE, event, NOW) == (means,)


@unhurried
@given(
    st.sampled_from(PRODUCTS),
    st.dictionaries(
        st.sampled_from(
            ["event_type", "timestamp", "event_ts", "participants", "user_id", "user_name", "media_type"]
        ),
        JSON | st.integers(-1, 40) | st.integers(0, 40).map(str),
    ),
)
def test_no_event_can_hurt(product, event):
    """Whatever Zoom sends, it becomes values."""
    for happened in decode_event(product, event, NOW):
        assert isinstance(happened.timestamp_ms, int)
