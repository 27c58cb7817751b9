"""What happens in a stream beside its media.

Events go to every sink of the stream, in order with the frames. Each carries ``timestamp_ms``:
Zoom's time of it where Zoom gave one, else the engine's own Unix milliseconds.

As JSON each has a ``type``: ``{"type": "participant_joined", "timestamp_ms": …}``.
"""

from typing import Any, Literal

import msgspec

from .media import MediaKind


def _snake(class_name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in class_name).lstrip("_")


class _Event(msgspec.Struct, frozen=True, tag_field="type", tag=_snake):
    timestamp_ms: int


class Participant(msgspec.Struct, frozen=True):
    """Somebody in the meeting. ``user_id`` is Zoom's number for one connection (V1.md §6.2)."""

    user_id: int
    name: str = ""


class FirstPacket(_Event, frozen=True):
    """The session clock starts (event 1)."""


class ActiveSpeakerChanged(_Event, frozen=True):
    """Somebody else is the active speaker now (event 2)."""

    participant: Participant


class ParticipantJoined(_Event, frozen=True):
    """Somebody is in the meeting (event 3); right after attaching, the whole roster comes so."""

    participant: Participant


class ParticipantLeft(_Event, frozen=True):
    """Somebody left (event 4); also sent for everybody when the session ends."""

    participant: Participant


class SharingStarted(_Event, frozen=True):
    """A screen share begins (event 5)."""

    participant: Participant


class SharingStopped(_Event, frozen=True):
    """The screen share ends (event 6); Zoom does not say whose."""


class MediaConnectionInterrupted(_Event, frozen=True):
    """Zoom lost our connection for these kinds (event 7); empty: it did not say which (V1.md §5.3)."""

    kinds: tuple[MediaKind, ...] = ()


class VideoStarted(_Event, frozen=True):
    """A participant's camera goes on (event 8)."""

    participant: Participant


class VideoStopped(_Event, frozen=True):
    """A participant's camera goes off (event 9)."""

    participant: Participant


class ChatGroupChanged(_Event, frozen=True):
    """A private chat group or its members changed (events 10 to 14); ``raw`` is Zoom's object."""

    name: str
    raw: dict[str, Any]


class ContactCenterEvent(_Event, frozen=True):
    """A call event of Contact Center (V1.md §5.4); ``raw`` is Zoom's ``participant_info``."""

    name: str
    raw: dict[str, Any]


class UnknownEvent(_Event, frozen=True):
    """An event that this version does not know; ``raw`` is what Zoom sent."""

    event_type: int
    raw: dict[str, Any]


class StreamStateChanged(_Event, frozen=True):
    """The stream's state (V1.md §9.7), by name, with the reason where Zoom gave one."""

    state: str
    reason: str = ""


class SessionStateChanged(_Event, frozen=True):
    """One session inside the stream changed its state (V1.md §9.6)."""

    session_id: str
    state: str
    reason: str = ""


class MediaGranted(_Event, frozen=True):
    """Zoom delivers this kind, with these effective parameters (V1.md §4.3)."""

    kind: MediaKind
    params: dict[str, Any]


class MediaRefused(_Event, frozen=True):
    """This kind does not come, for this reason; the others go on."""

    kind: MediaKind
    reason: str


class ConnectionLost(_Event, frozen=True):
    """A connection of the stream (``leg``) ended before its time."""

    leg: str
    reason: str


class ConnectionRestored(_Event, frozen=True):
    """A connection of the stream (``leg``) is back."""

    leg: str


class GapNoted(_Event, frozen=True):
    """Zoom sent nothing of this kind from ``start_ms`` to ``end_ms`` (Unix milliseconds, Zoom's clock)
    because of ``cause``. Silence alone is no gap.
    """

    kind: MediaKind
    start_ms: int
    end_ms: int
    cause: str


class VideoSubscribed(_Event, frozen=True):
    """Single-participant video now shows this participant (message 29)."""

    participant: Participant


class ItemsDropped(_Event, frozen=True):
    """A sink of ours (``sink``) was too slow for ``count`` items of one kind (``event``: of none), whose
    times are ``start_ms`` to ``end_ms``. Zoom sent them; other sinks have them. At most once a second.
    """

    sink: str
    kind: str
    count: int
    start_ms: int
    end_ms: int


class SinkDetached(_Event, frozen=True):
    """A sink of ours (``sink``) failed for good, and gets nothing more of this stream."""

    sink: str
    reason: str


class ConsentDecided(_Event, frozen=True):
    """Whether media of this stream may be received: decided by a hook, or (``detail``) for want of an answer.
    ``notice`` is the version of what the participants were told.
    """

    allowed: bool
    notice: str = ""
    detail: str = ""


class ParticipantExcluded(_Event, frozen=True):
    """From here on, media of this participant are dropped before any sink."""

    user_id: int
    by: Literal["rule", "request"] = "rule"
    """Configuration or consent hook (told with the first that is dropped), or somebody asked the API for it."""


class ParticipantIncluded(_Event, frozen=True):
    """What had been asked for was taken back: media of this participant reach the sinks again."""

    user_id: int


StreamEvent = (
    FirstPacket
    | ActiveSpeakerChanged
    | ParticipantJoined
    | ParticipantLeft
    | SharingStarted
    | SharingStopped
    | MediaConnectionInterrupted
    | VideoStarted
    | VideoStopped
    | ChatGroupChanged
    | ContactCenterEvent
    | UnknownEvent
    | StreamStateChanged
    | SessionStateChanged
    | MediaGranted
    | MediaRefused
    | ConnectionLost
    | ConnectionRestored
    | GapNoted
    | VideoSubscribed
    | ItemsDropped
    | SinkDetached
    | ConsentDecided
    | ParticipantExcluded
    | ParticipantIncluded
)
