"""What happened: the vocabulary that machines hear (past tense)."""

import enum
from typing import Any, NamedTuple

import msgspec

from ..model.events import StreamEvent
from ..model.media import MediaKind, Params
from ..model.reasons import SessionState, StatusCode, StopReason, StreamState
from ..wire.messages import MediaData


class LegId(NamedTuple):
    """One connection of a stream: signaling, or media of some kinds."""

    kinds: frozenset[MediaKind]
    """Empty for signaling; one kind in split mode; all wanted kinds in unified mode."""

    @property
    def name(self) -> str:
        """``signaling``, ``audio`` … or ``all``, as in logs and URLs."""
        match len(self.kinds):
            case 0:
                return "signaling"
            case 1:
                return next(iter(self.kinds)).value
            case _:
                return "all"


SIGNALING = LegId(frozenset())


# --- said by the protocols of one connection ---


class HandshakeAccepted(msgspec.Struct, frozen=True):
    """Zoom accepted the handshake.

    ``server_urls`` come from signaling, in any of their shapes; ``granted`` from media: the
    effective parameters of each kind.
    """

    server_urls: Any = None
    granted: dict[MediaKind, Params] = {}


class HandshakeRefused(msgspec.Struct, frozen=True):
    """Zoom refused the handshake; the connection is of no more use."""

    status: StatusCode
    reason: str


class MediaElsewhere(msgspec.Struct, frozen=True):
    """Media came over signaling, which does not know their parameters: the connection of that kind does."""

    kind: MediaKind
    message: MediaData


class Heard(msgspec.Struct, frozen=True):
    """Something happened in the meeting."""

    event: StreamEvent


class MediaInterrupted(msgspec.Struct, frozen=True):
    """Event 7: Zoom lost our media connection for these kinds; empty: it did not say which."""

    kinds: frozenset[MediaKind] = frozenset()


class StreamStateHeard(msgspec.Struct, frozen=True):
    """Message 8 or 20."""

    state: StreamState
    reason: StopReason
    timestamp_ms: int = 0
    """Zoom's time of it; 0 if it did not say."""


class SessionStateHeard(msgspec.Struct, frozen=True):
    """Message 9 or 11."""

    session_id: str
    state: SessionState
    reason: StopReason
    timestamp_ms: int = 0
    """Zoom's time of it; 0 if it did not say."""


class StatusHeard(msgspec.Struct, frozen=True):
    """A status outside of any answer we know: how 5, 6, 41 and 42 come is not published (V1.md §12, Q20)."""

    status: StatusCode
    reason: str


class CloseAnswered(msgspec.Struct, frozen=True):
    """Message 22: Zoom's answer to our request to end the stream."""

    status: StatusCode
    reason: str


class Silent(msgspec.Struct, frozen=True):
    """Nothing was received for too long: no answer to the handshake, or no frame at all."""

    why: str


class NoiseKind(enum.StrEnum):
    """Kinds of messages that could not be used."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    UNEXPECTED = "unexpected"
    EMPTY = "empty"
    LENGTH_MISMATCH = "length_mismatch"


class Noise(msgspec.Struct, frozen=True):
    """A message was not used, or only in part. ``detail`` holds nothing of its content."""

    kind: NoiseKind
    detail: str


ConnectionEvent = (
    HandshakeAccepted
    | HandshakeRefused
    | MediaElsewhere
    | Heard
    | MediaInterrupted
    | StreamStateHeard
    | SessionStateHeard
    | StatusHeard
    | CloseAnswered
    | Silent
    | Noise
)


# --- heard by the lifecycle of a stream ---


class Started(msgspec.Struct, frozen=True):
    """A start webhook: the first one, or a failover to new servers (V1.md §8.2)."""

    server_urls: tuple[str, ...]


class Interrupted(msgspec.Struct, frozen=True):
    """An interrupted webhook; with new URLs, if Zoom sent some (V1.md §8.3)."""

    server_urls: tuple[str, ...] = ()


class Stopped(msgspec.Struct, frozen=True):
    """A stopped webhook: the authoritative end."""

    reason: StopReason


class LegAccepted(msgspec.Struct, frozen=True):
    """A connection is up and its handshake accepted."""

    leg: LegId
    generation: int
    server_urls: Any = None


class LegRefused(msgspec.Struct, frozen=True):
    """A connection's handshake was refused."""

    leg: LegId
    generation: int
    status: StatusCode
    reason: str


class LegLost(msgspec.Struct, frozen=True):
    """A connection could not be opened, closed, or fell silent."""

    leg: LegId
    generation: int
    why: str


class LegImpossible(msgspec.Struct, frozen=True):
    """A connection must not be opened: its URL is off the allow-list."""

    leg: LegId
    generation: int
    why: str


class EndRequested(msgspec.Struct, frozen=True):
    """Somebody on our side wants the stream to end (V1.md §5.8)."""


class Released(msgspec.Struct, frozen=True):
    """Somebody on our side wants us to let go of the stream without ending it."""


LifecycleEvent = (
    Started
    | Interrupted
    | Stopped
    | LegAccepted
    | LegRefused
    | LegLost
    | LegImpossible
    | MediaInterrupted
    | StreamStateHeard
    | SessionStateHeard
    | StatusHeard
    | CloseAnswered
    | EndRequested
    | Released
)
