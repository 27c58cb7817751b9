"""What is wanted: the vocabulary in which the lifecycle answers (imperatives)."""

import msgspec

from ..model.media import MediaKind
from ..model.reasons import StopReason
from .events import LegId


class Connect(msgspec.Struct, frozen=True):
    """Open a connection and shake hands. ``generation`` marks everything that comes of it."""

    leg: LegId
    generation: int
    url: str
    id_fields: int = 0
    """Which of the ways to name the entity: see `rtms_engine.protocol.identity`."""
    defaults: frozenset[MediaKind] = frozenset()
    """Say nothing about the parameters of these kinds, so that Zoom's defaults hold."""


class Disconnect(msgspec.Struct, frozen=True):
    """Close a connection."""

    leg: LegId
    generation: int


class AcknowledgeReady(msgspec.Struct, frozen=True):
    """Send CLIENT_READY_ACK on signaling (V1.md §4.4)."""


class RequestClose(msgspec.Struct, frozen=True):
    """Send STREAM_CLOSE_REQ on signaling (V1.md §5.8)."""


class NoteLost(msgspec.Struct, frozen=True):
    """Tell log and sinks that a connection ended before its time."""

    leg: LegId
    why: str


class NoteRestored(msgspec.Struct, frozen=True):
    """Tell log and sinks that a lost connection is back."""

    leg: LegId


class NoteRefused(msgspec.Struct, frozen=True):
    """Tell log and sinks that these kinds of media do not come, and why."""

    leg: LegId
    why: str


class Finish(msgspec.Struct, frozen=True):
    """The stream is over; nothing follows."""

    reason: StopReason
    detail: str = ""
    is_released: bool = False
    """It is not over at Zoom; we let go of it."""


Command = (
    Connect | Disconnect | AcknowledgeReady | RequestClose | NoteLost | NoteRestored | NoteRefused | Finish
)
