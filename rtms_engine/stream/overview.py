"""A stream as somebody sees it who looks at it from outside: who is there, what comes, what is missing."""

from collections import deque
from typing import Any, Literal

import msgspec

from ..model.causes import Cause, cause_of
from ..model.events import (
    ActiveSpeakerChanged,
    ConnectionLost,
    ConnectionRestored,
    GapNoted,
    MediaGranted,
    MediaRefused,
    ParticipantExcluded,
    ParticipantIncluded,
    ParticipantJoined,
    ParticipantLeft,
    SharingStarted,
    SharingStopped,
    StreamEvent,
    StreamStateChanged,
    VideoStarted,
    VideoStopped,
)
from ..model.media import MediaKind

SIGNALING = "signaling"
"""The name of the leg that the others hang on."""
MOST_PARTICIPANTS = 2_000
"""More than a meeting has; whoever left longest ago is forgotten first."""
MOST_GAPS = 200
"""The latest are kept."""


class ParticipantState(msgspec.Struct, frozen=True):
    """Somebody in the meeting. Times are Unix milliseconds, as Zoom told them."""

    user_id: int
    name: str = ""
    joined_ms: int | None = None
    """None if only something of theirs was noticed."""
    left_ms: int | None = None
    """None while they are there."""
    camera: bool = False
    sharing: bool = False
    excluded: Literal["", "rule", "request"] = ""
    """Whether their media are dropped: by configuration or consent hook, or since somebody asked for it."""


class LegState(msgspec.Struct, frozen=True):
    """One connection of the stream."""

    name: str
    """``signaling``, a kind of media, or ``all``."""
    state: str
    """See `rtms_engine.protocol.leg.LegState`."""
    attempts: int
    host: str = ""
    """Of its newest server; empty before there is one."""
    messages: int = 0
    bytes: int = 0
    """Of messages, as they came over the wire."""
    keep_alives: int = 0
    """Answered."""
    silent_s: float | None = None
    """Since anything was last heard; None while there is no connection."""
    handshake_s: float | None = None
    """From the first attempt that Zoom accepted to its acceptance."""
    round_trip_s: float | None = None
    """As TCP measures it; None while there is no connection, or if the kernel does not tell."""


class Overview(msgspec.Struct, frozen=True):
    """What has happened in a stream, as it stands."""

    state: str = ""
    """Zoom's name of it: ``ACTIVE``, ``PAUSED`` …; empty before Zoom told."""
    participants: tuple[ParticipantState, ...] = ()
    active_speaker: int | None = None
    """``user_id``."""
    granted: dict[MediaKind, dict[str, Any]] = {}
    """The effective parameters of each kind."""
    refused: dict[MediaKind, str] = {}
    """Why a kind does not come."""
    gaps: tuple[GapNoted, ...] = ()
    losses: dict[Cause, int] = {}
    """How often a connection was lost, by cause."""
    reconnects: dict[str, int] = {}
    """How often what was lost came back, by what had been lost: ``server``, ``signaling``, ``media``
    (V1.md §8.1)."""


class Overseer:
    """Hears the events of a stream, and keeps its `Overview`."""

    def __init__(self) -> None:
        self._state = ""
        self._participants: dict[int, ParticipantState] = {}
        self._active_speaker: int | None = None
        self._granted: dict[MediaKind, dict[str, Any]] = {}
        self._refused: dict[MediaKind, str] = {}
        self._gaps: deque[GapNoted] = deque(maxlen=MOST_GAPS)
        self._losses: dict[Cause, int] = {}
        self._away: dict[str, Cause] = {}
        """The legs that are lost now."""
        self._reconnects: dict[str, int] = {}
        self._is_moving = False

    def overview(self) -> Overview:
        """As it stands."""
        return Overview(
            self._state,
            tuple(self._participants.values()),
            self._active_speaker,
            dict(self._granted),
            dict(self._refused),
            tuple(self._gaps),
            dict(self._losses),
            dict(self._reconnects),
        )

    def moved(self) -> None:
        """Zoom has moved the stream to other servers; whether its connections are lost already or not."""
        self._is_moving = True

    def hear(self, event: StreamEvent) -> None:  # noqa: C901, PLR0912 - one case each
        """Something happened."""
        match event:
            case ParticipantJoined(timestamp_ms=at_ms, participant=who):
                self._change(who.user_id, name=who.name, joined_ms=at_ms, left_ms=None)
            case ParticipantLeft(timestamp_ms=at_ms, participant=who):
                self._change(who.user_id, name=who.name, left_ms=at_ms, camera=False, sharing=False)
            case ActiveSpeakerChanged(participant=who):
                self._change(who.user_id, name=who.name)
                self._active_speaker = who.user_id
            case VideoStarted(participant=who) | VideoStopped(participant=who):
                self._change(who.user_id, name=who.name, camera=isinstance(event, VideoStarted))
            case SharingStarted(participant=who):
                self._change(who.user_id, name=who.name, sharing=True)
            case SharingStopped():
                for user_id in [one.user_id for one in self._participants.values() if one.sharing]:
                    self._change(user_id, sharing=False)
            case ParticipantExcluded(user_id=user_id, by=by):
                self._change(user_id, excluded=by)
            case ParticipantIncluded(user_id=user_id):
                self._change(user_id, excluded="")
            case StreamStateChanged(state=state):
                self._state = state
            case MediaGranted(kind=kind, params=params):
                self._granted[kind] = params
                self._refused.pop(kind, None)
            case MediaRefused(kind=kind, reason=reason):
                self._refused[kind] = reason
                self._granted.pop(kind, None)
            case GapNoted():
                self._gap(event)
            case ConnectionLost(leg=leg, reason=reason):
                self._away[leg] = cause = cause_of(reason)
                self._losses[cause] = self._losses.get(cause, 0) + 1
            case ConnectionRestored(leg=leg):
                self._came_back(leg)
            case _:
                pass

    def _came_back(self, leg: str) -> None:
        """With signaling all the others come back, and that is one reconnect (V1.md §8.2, §8.3)."""
        cause = self._away.pop(leg, None)
        if cause is None:
            return
        scenario = "media"
        if leg == SIGNALING:
            scenario = "server" if self._is_moving or cause is Cause.FAILOVER else SIGNALING
            self._is_moving = False
            self._away.clear()
        self._reconnects[scenario] = self._reconnects.get(scenario, 0) + 1

    def _change(self, user_id: int, *, name: str = "", **changes: Any) -> None:
        known = self._participants.get(user_id)
        if known is None:
            self._make_room()
            known = ParticipantState(user_id)
        self._participants[user_id] = msgspec.structs.replace(known, name=name or known.name, **changes)

    def _make_room(self) -> None:
        if len(self._participants) >= MOST_PARTICIPANTS:
            gone = [one for one in self._participants.values() if one.left_ms is not None]
            oldest = min(gone or self._participants.values(), key=lambda one: one.left_ms or 0)
            del self._participants[oldest.user_id]

    def _gap(self, gap: GapNoted) -> None:
        """The same gap again is better known now."""
        same = (gap.kind, gap.start_ms, gap.cause)
        known = [one for one in self._gaps if (one.kind, one.start_ms, one.cause) != same]
        self._gaps = deque([*known, gap], maxlen=MOST_GAPS)
