"""What happens in a meeting beside its media, as the inner objects of message 6 (V1.md §5.3, §5.4).

Pure. `events` says what happens when; `situation` says what a client that attaches late is told.
An event's time is added when it is sent.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..model.products import Product
from ..model.reasons import ContactCenterEventType, EventType
from .media import Media
from .script import Participant, Script, Utterance

Event = dict[str, Any]

AUTOMATIC = frozenset({EventType.FIRST_PACKET_TIMESTAMP, EventType.MEDIA_CONNECTION_INTERRUPTED})
"""Sent without subscription, never to be subscribed (V1.md §5.2)."""


class Cue(NamedTuple):
    """An event of the script."""

    at_ms: int
    event: Event


def known_events(product: Product) -> frozenset[int]:
    """The event types that exist for a product."""
    known = ContactCenterEventType if product.contact_center_events else EventType
    return frozenset(int(member) for member in known if member) | AUTOMATIC


def events(media: Media, product: Product) -> list[Cue]:
    """Everything that happens, in order."""
    script = media.script
    happening = _calls(script) if product.contact_center_events else _meeting_events(media)
    raw = (Cue(at.at_ms, at.event) for at in script.events if at.type == "event")
    return sorted([*happening, *raw], key=lambda cue: cue.at_ms)


def situation(media: Media, product: Product, at_ms: float) -> dict[int, Event]:
    """What holds at a time, by event type: the roster, the speaker, the sharer, the cameras."""
    script = media.script
    if product.contact_center_events:
        return {}
    roster = present(script, at_ms)
    holds: dict[int, Event] = {EventType.PARTICIPANT_JOIN: _joined(roster)} if roster else {}
    spoken = [said for said in script.utterances if said.start_ms <= at_ms]
    if spoken:
        holds[EventType.ACTIVE_SPEAKER_CHANGE] = _speaks(max(spoken, key=lambda said: said.start_ms))
    for share in script.share:
        if share.start_ms <= at_ms < share.end_ms:
            holds[EventType.SHARING_START] = _by(EventType.SHARING_START, share.user_id, share.user_name)
    on = [user_id for user_id, start_ms, end_ms in media.cameras() if start_ms <= at_ms < end_ms]
    if on:
        holds[EventType.PARTICIPANT_VIDEO_ON] = _about(EventType.PARTICIPANT_VIDEO_ON, *on)
    return holds


def present(script: Script, at_ms: float) -> list[Participant]:
    """Who is in the meeting."""
    return [
        who
        for who in script.participants
        if who.join_ms <= at_ms and (who.leave_ms is None or at_ms < who.leave_ms)
    ]


def left(users: list[Participant]) -> Event:
    """They leave; Zoom does not repeat their names (V1.md §5.3)."""
    return _about(EventType.PARTICIPANT_LEAVE, *(who.user_id for who in users))


def _meeting_events(media: Media) -> Iterator[Cue]:
    script = media.script
    for who in script.participants:
        yield Cue(who.join_ms, _joined([who]))
        if who.leave_ms is not None:
            yield Cue(who.leave_ms, left([who]))
    speaker = 0
    for said in sorted(script.utterances, key=lambda said: said.start_ms):
        if said.user_id != speaker:
            yield Cue(said.start_ms, _speaks(said))
        speaker = said.user_id
    for share in script.share:
        yield Cue(share.start_ms, _by(EventType.SHARING_START, share.user_id, share.user_name))
        yield Cue(share.end_ms, {"event_type": int(EventType.SHARING_STOP)})
    for user_id, start_ms, end_ms in media.cameras():
        yield Cue(start_ms, _about(EventType.PARTICIPANT_VIDEO_ON, user_id))
        yield Cue(end_ms, _about(EventType.PARTICIPANT_VIDEO_OFF, user_id))


def _joined(users: list[Participant]) -> Event:
    people = [{"user_id": who.user_id, "user_name": who.user_name} for who in users]
    return {"event_type": int(EventType.PARTICIPANT_JOIN), "participants": people}


def _speaks(said: Utterance) -> Event:
    return _by(EventType.ACTIVE_SPEAKER_CHANGE, said.user_id, said.user_name)


def _by(event_type: EventType, user_id: int, user_name: str) -> Event:
    return {"event_type": int(event_type), "user_id": user_id, "user_name": user_name}


def _about(event_type: EventType, *user_ids: int) -> Event:
    return {"event_type": int(event_type), "participants": [{"user_id": user_id} for user_id in user_ids]}


def _calls(script: Script) -> Iterator[Cue]:
    """Contact Center: the first participant is the consumer, the others are agents."""
    for n, who in enumerate(script.participants):
        is_consumer = n == 0
        info = {
            "channel_id": str(n + 1),
            "participant_mode": "caller" if is_consumer else "callee",
            "user_id": str(who.user_id),
            "display_name": who.user_name,
        }
        answered, ended = _CALL_EVENTS[is_consumer]
        yield Cue(who.join_ms, {"event_type": int(answered), "participant_info": info})
        if who.leave_ms is not None:
            yield Cue(who.leave_ms, {"event_type": int(ended), "participant_info": info})


_CALL_EVENTS = {
    True: (ContactCenterEventType.CONSUMER_ANSWERED, ContactCenterEventType.CONSUMER_END),
    False: (ContactCenterEventType.USER_ANSWERED, ContactCenterEventType.USER_END),
}
