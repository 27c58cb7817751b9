"""The exact book of what one stream put on the wire, and of what its client did wrong."""

import enum
from collections import Counter
from typing import NamedTuple

import msgspec

from ..model.media import MediaKind
from .media import Frame


class Sent(NamedTuple):
    """One message of media as it was sent; ``timestamp_ms`` is the one on the wire."""

    kind: MediaKind
    user_id: int
    timestamp_ms: int
    size: int
    digest: int
    """CRC-32 of the payload."""


class Why(enum.StrEnum):
    """Why Zoom sent nothing for a while."""

    INTERRUPTED = "interrupted"
    """There was no connection, and this kind is not buffered, or the stream ended meanwhile."""
    UNTOLD = "untold"
    """As before, but the client could not know: it was half-open, or ready without being heard."""
    BEYOND_BUFFER = "beyond the buffer"
    """There was no connection for longer than sound is buffered (V1.md §6.9)."""
    PAUSED = "paused"


class Withheld(NamedTuple):
    """A span of the wire's time of which one kind of media was not, and will not be, sent.

    It is empty where a connection was lost and at once replaced.
    """

    kind: MediaKind
    start_ms: int
    end_ms: int
    why: Why


class ClientError(msgspec.Struct, frozen=True):
    """Something that a client must not do."""

    leg: str
    what: str


class LedgerSnapshot(msgspec.Struct, frozen=True):
    """The sums of a ledger."""

    frames: dict[str, int]
    """By kind."""
    payload_bytes: dict[str, int]
    events: dict[int, int]
    """By ``event_type``."""
    keep_alives_sent: int
    keep_alives_answered: int
    slowest_answer_s: float
    client_errors: tuple[ClientError, ...]


class Ledger:
    """Kept by a `rtms_engine.simulator.live.LiveMeeting`; read by tests and the demo.

    Args:
        keeps_frames: whether to remember every frame (``sent``), or only sums, for load tests.
    """

    def __init__(self, keeps_frames: bool = True) -> None:
        self._keeps_frames = keeps_frames
        self.sent: list[Sent] = []
        self.withheld: list[Withheld] = []
        self.frames: Counter[MediaKind] = Counter()
        self.payload_bytes: Counter[MediaKind] = Counter()
        self.events: Counter[int] = Counter()
        self.keep_alives_sent: Counter[str] = Counter()
        """By leg: "signaling", or the kinds of a media socket joined by "+"."""
        self.answer_times_s: list[float] = []
        self.client_errors: list[ClientError] = []

    def frame_sent(self, frame: Frame, epoch_ms: int) -> None:
        """A frame was written to a socket."""
        self.frames[frame.kind] += 1
        self.payload_bytes[frame.kind] += frame.size
        if self._keeps_frames:
            timestamp_ms = epoch_ms + frame.timestamp_ms
            self.sent.append(Sent(frame.kind, frame.user_id, timestamp_ms, frame.size, frame.digest))

    def client_error(self, leg: str, what: str) -> None:
        """The client broke a rule of V1.md."""
        self.client_errors.append(ClientError(leg, what))

    def of(self, kind: MediaKind) -> list[Sent]:
        """What was sent of one kind."""
        return [sent for sent in self.sent if sent.kind is kind]

    def distinct(self, kind: MediaKind) -> list[tuple[int, int]]:
        """User and timestamp of what was sent of one kind, each at its first time on the wire."""
        return list(dict.fromkeys((sent.user_id, sent.timestamp_ms) for sent in self.of(kind)))

    def snapshot(self) -> LedgerSnapshot:
        """The sums so far."""
        return LedgerSnapshot(
            frames={kind.value: n for kind, n in self.frames.items()},
            payload_bytes={kind.value: n for kind, n in self.payload_bytes.items()},
            events=dict(self.events),
            keep_alives_sent=self.keep_alives_sent.total(),
            keep_alives_answered=len(self.answer_times_s),
            slowest_answer_s=max(self.answer_times_s, default=0.0),
            client_errors=tuple(self.client_errors),
        )

    def __repr__(self) -> str:
        frames = " ".join(f"{kind.value}={n}" for kind, n in self.frames.items())
        return f"<Ledger {frames} client_errors={len(self.client_errors)}>"
