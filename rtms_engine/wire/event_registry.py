"""Events of message 6, from Zoom's object to ours, by product.

The numbers of Contact Center overlap those of meetings (V1.md §9.3), so the product chooses the
table, never the number.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ..model.events import (
    ActiveSpeakerChanged,
    ChatGroupChanged,
    ContactCenterEvent,
    FirstPacket,
    MediaConnectionInterrupted,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    SharingStarted,
    SharingStopped,
    StreamEvent,
    UnknownEvent,
    VideoStarted,
    VideoStopped,
)
from ..model.media import MediaKind
from ..model.products import Product
from ..model.reasons import ContactCenterEventType, EventType
from .json_codec import code, count, milliseconds
from .media_params import MEDIA_TYPE

Fields = Mapping[str, Any]

SUBSCRIBED: dict[MediaKind | None, tuple[EventType, ...]] = {
    None: (EventType.ACTIVE_SPEAKER_CHANGE, EventType.PARTICIPANT_JOIN, EventType.PARTICIPANT_LEAVE),
    MediaKind.VIDEO: (EventType.PARTICIPANT_VIDEO_ON, EventType.PARTICIPANT_VIDEO_OFF),
    MediaKind.SHARE: (EventType.SHARING_START, EventType.SHARING_STOP),
    MediaKind.CHAT: (
        EventType.CHAT_GROUP_CREATE,
        EventType.CHAT_GROUP_DELETE,
        EventType.CHAT_GROUP_MEMBERS_ADD,
        EventType.CHAT_GROUP_MEMBERS_DELETE,
        EventType.CHAT_GROUP_MEMBER_STATUS_UPDATE,
    ),
}
"""What to subscribe to for each kind of media (None: always). Never 1 and 7: they come unasked, and
subscribing to them may break things (V1.md §5.2). 8 and 9 only make sense for single-participant video."""


def decode_event(product: Product, event: Fields, unix_ms: int) -> tuple[StreamEvent, ...]:
    """What ``event`` says, one value per participant concerned.

    Args:
        product: chooses the meaning of ``event_type``.
        event: the inner object of message 6.
        unix_ms: our clock, for an event without a time of its own.
    """
    names = ContactCenterEventType if product.contact_center_events else EventType
    number = code(event.get("event_type"), names)
    event_type = -1 if number is None else number
    when = milliseconds(event.get("timestamp", event.get("event_ts"))) or unix_ms
    if product.contact_center_events and event_type not in _AUTOMATIC:
        return (_contact_center(event_type, event, when),)
    read = _READERS.get(event_type)
    return read(event, when) if read else (UnknownEvent(when, event_type, dict(event)),)


_AUTOMATIC = (EventType.FIRST_PACKET_TIMESTAMP, EventType.MEDIA_CONNECTION_INTERRUPTED)
"""Sent for every product, and not among the numbers of Contact Center."""


def _participants(event: Fields) -> tuple[Participant, ...]:
    """From ``participants``, or from the event itself (V1.md §5.3)."""
    listed = event.get("participants")
    rows = listed if isinstance(listed, list) else [event]
    return tuple(_participant(row) for row in rows if isinstance(row, Mapping) and "user_id" in row)


def _participant(row: Fields) -> Participant:
    name = row.get("user_name")
    return Participant(count(row.get("user_id")), name if isinstance(name, str) else "")


def _each(
    make: Callable[[int, Participant], StreamEvent],
) -> Callable[[Fields, int], tuple[StreamEvent, ...]]:
    return lambda event, when: tuple(make(when, participant) for participant in _participants(event))


def _interrupted(event: Fields, when: int) -> tuple[StreamEvent, ...]:
    """Which media is affected is in a field whose name is not published; probe (V1.md §5.3, Q2)."""
    for key in ("media_type", "media_types", "type"):
        value = event.get(key)
        numbers = value if isinstance(value, list) else [value]
        bits = [count(number) for number in numbers]
        kinds = tuple(kind for kind, bit in MEDIA_TYPE.items() if any(n & bit for n in bits))
        if kinds:
            return (MediaConnectionInterrupted(when, kinds),)
    return (MediaConnectionInterrupted(when),)


def _chat_group(event_type: EventType) -> Callable[[Fields, int], tuple[StreamEvent, ...]]:
    return lambda event, when: (ChatGroupChanged(when, event_type.name.lower(), dict(event)),)


_READERS: dict[int, Callable[[Fields, int], tuple[StreamEvent, ...]]] = {
    EventType.FIRST_PACKET_TIMESTAMP: lambda _, when: (FirstPacket(when),),
    EventType.ACTIVE_SPEAKER_CHANGE: _each(ActiveSpeakerChanged),
    EventType.PARTICIPANT_JOIN: _each(ParticipantJoined),
    EventType.PARTICIPANT_LEAVE: _each(ParticipantLeft),
    EventType.SHARING_START: _each(SharingStarted),
    EventType.SHARING_STOP: lambda _, when: (SharingStopped(when),),
    EventType.MEDIA_CONNECTION_INTERRUPTED: _interrupted,
    EventType.PARTICIPANT_VIDEO_ON: _each(VideoStarted),
    EventType.PARTICIPANT_VIDEO_OFF: _each(VideoStopped),
    **{event_type: _chat_group(event_type) for event_type in SUBSCRIBED[MediaKind.CHAT]},
}


def _contact_center(event_type: int, event: Fields, when: int) -> StreamEvent:
    code = ContactCenterEventType(event_type)
    # Older pages of Zoom misspell the key; both are sent (V1.md §5.4).
    info = event.get("participant_info", event.get("paticipant_info"))
    return ContactCenterEvent(when, code.name.lower(), dict(info) if isinstance(info, Mapping) else {})
