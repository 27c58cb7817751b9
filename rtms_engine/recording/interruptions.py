"""When the stream had no connection, and what is missing therefore. Pure."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from ..model.events import ConnectionLost, ConnectionRestored, GapNoted, StreamEvent
from ..model.frames import KIND_OF_FRAME, Frame
from ..model.media import MediaKind

ENGINE_RESTARTED = "engine_restarted"
"""The cause of a gap in which there was no engine."""
SHORTEST_GAP_MS = 200
_FLOWING_MS = 2_000
"""Media this near to each other flowed at the same time."""
_SILENT_S = 5.0
"""What does not come so soon after the others has nothing to say."""


class Gap(msgspec.Struct, frozen=True):
    """Media of one kind that are missing. Times are Unix milliseconds of Zoom's clock."""

    kind: MediaKind
    start_ms: int
    end_ms: int
    cause: str


class Reconnect(msgspec.Struct, frozen=True):
    """A connection that was lost, in Unix milliseconds of the engine's clock."""

    leg: str
    lost_ms: int
    restored_ms: int | None
    """None: it did not come back."""
    reason: str


class Interruptions:
    """All of a stream, in the order in which they became known."""

    def __init__(self) -> None:
        self.gaps: tuple[Gap, ...] = ()
        self.reconnects: tuple[Reconnect, ...] = ()

    def hear(self, event: StreamEvent) -> None:
        """Take notice of whatever speaks of an interruption."""
        match event:
            case GapNoted():
                self._note(Gap(event.kind, event.start_ms, event.end_ms, event.cause))
            case ConnectionLost(timestamp_ms=lost_ms, leg=leg, reason=reason):
                self.reconnects += (Reconnect(leg, lost_ms, None, reason),)
            case ConnectionRestored(timestamp_ms=restored_ms, leg=leg):
                newest = next((lost for lost in reversed(self.reconnects) if lost.leg == leg), None)
                self.reconnects = tuple(
                    msgspec.structs.replace(lost, restored_ms=restored_ms) if lost is newest else lost
                    for lost in self.reconnects
                )
            case _:
                pass

    def _note(self, gap: Gap) -> None:
        """The same gap again is better known now, and may be none at all."""
        self.gaps = tuple(
            known
            for known in self.gaps
            if (known.kind, known.start_ms, known.cause) != (gap.kind, gap.start_ms, gap.cause)
        )
        if gap.end_ms - gap.start_ms >= SHORTEST_GAP_MS:
            self.gaps += (gap,)


class Restart:
    """What is missing because there was no engine, found out from what was before and comes after.

    A gap of each kind of media is noted with the first that comes at all, so that it is known even if
    the engine is killed again. It is corrected when that kind comes, or does not: then it is silent.
    What the engine itself says of a kind goes before.

    Args:
        newest_ms: when the last medium of each kind was that the earlier engine wrote.
        t0_ms: when the recording begins.
        kinds: the kinds that are to come.
    """

    def __init__(self, newest_ms: Mapping[MediaKind, int], t0_ms: int, kinds: Collection[MediaKind]) -> None:
        self._last_ms = max(newest_ms.values(), default=t0_ms)
        flowed = {kind: at_ms for kind, at_ms in newest_ms.items() if self._last_ms - at_ms < _FLOWING_MS}
        self._since_ms = {kind: flowed.get(kind, self._last_ms) for kind in kinds}
        """Of the kinds about which not all is known yet."""
        self._back_at: float | None = None
        """When the first medium was received."""
        self._zoom_ahead_ms = 0.0
        """Zoom's clock minus that of `Frame.received_at`, by the frame that took the shortest way: what
        Zoom kept for us comes late, and says nothing of when we came back."""

    @property
    def is_open(self) -> bool:
        """Whether media still have something to tell; if not, they need not be heard."""
        return bool(self._since_ms)

    def told(self, kind: MediaKind) -> None:
        """The engine knows what is missing of this kind."""
        self._since_ms.pop(kind, None)

    def hear(self, frames: Sequence[Frame]) -> list[GapNoted]:
        """Take notice of a batch, and return what it shows."""
        first_ms: dict[MediaKind, int] = {}
        for frame in frames:
            kind, at_ms = KIND_OF_FRAME[type(frame)], frame.timestamp_ms
            self._zoom_ahead_ms = max(self._zoom_ahead_ms, at_ms - frame.received_at * 1000)
            if at_ms > self._since_ms.get(kind, at_ms):
                first_ms[kind] = min(first_ms.get(kind, at_ms), at_ms)
        now = max((frame.received_at for frame in frames), default=0.0)
        if self._back_at is None:
            if not first_ms:
                return []
            self._back_at = now
            gaps = self._gaps({kind: first_ms.get(kind, self._back_ms) for kind in self._since_ms})
            gaps = [gap for gap in gaps if gap.end_ms - gap.start_ms >= SHORTEST_GAP_MS]
        elif now > self._back_at + _SILENT_S:
            gaps = self._gaps(dict.fromkeys(self._since_ms, self._back_ms))
            self._since_ms.clear()
        else:
            gaps = self._gaps(first_ms)
        for kind in first_ms:
            self.told(kind)
        return gaps

    def end(self, ended_ms: int) -> list[GapNoted]:
        """The stream is over: if nothing came, everything is missing until then."""
        if self._back_at is not None or ended_ms <= self._last_ms:
            return []
        return self._gaps(dict.fromkeys(self._since_ms, ended_ms))

    @property
    def _back_ms(self) -> int:
        """When the first medium was received, by Zoom's clock."""
        return round((self._back_at or 0.0) * 1000 + self._zoom_ahead_ms)

    def _gaps(self, until_ms: Mapping[MediaKind, int]) -> list[GapNoted]:
        return [
            GapNoted(end_ms, kind, self._since_ms[kind], end_ms, ENGINE_RESTARTED)
            for kind, end_ms in sorted(until_ms.items())
        ]
