"""What a stream has received, on its way to the sinks.

Every frame and every event of a stream passes here, whatever connection it came over: repetitions are
dropped, gaps noted, names remembered, noise counted; the rest goes to the demultiplexer.
"""

import asyncio
from collections.abc import Collection, Iterable

import structlog

from ..model.events import GapNoted, ParticipantExcluded, ParticipantIncluded, StreamEvent
from ..model.frames import Frame
from ..model.media import MediaKind
from ..protocol.events import Noise
from ..telemetry.spoken import Spoken
from .consent import Exclusion
from .continuity import Continuity
from .demux import Demultiplexer
from .overview import Overseer
from .roster import Roster

_MOST_TOLD = 1000
"""Participants whose exclusion is an event."""


class Reception:
    """Hears everything of one stream, and keeps count."""

    def __init__(
        self, demux: Demultiplexer, log: structlog.typing.FilteringBoundLogger, unix_ms: int
    ) -> None:
        """``unix_ms`` is our clock now, until Zoom's is known."""
        self.roster = Roster()
        self.overseer = Overseer()
        self.noise: dict[str, int] = {}
        """Messages that could not be used, by kind."""
        self.repeated = 0
        """Frames that Zoom delivered again and that were dropped."""
        self.is_closed = False
        """Nobody has allowed media yet: frames are dropped."""
        self._exclusion: Exclusion | None = None
        self._told_excluded: set[int] = set()
        self._demux = demux
        self._log = log
        self._unusable: tuple[str, Noise] | None = None
        """The last message that could not be used, and where it came."""
        self._spoken = Spoken(self._say_unusable)
        self._continuity = Continuity(self._gap_noted, unix_ms, asyncio.get_running_loop().time())

    def frame(self, frame: Frame) -> None:
        """A frame came."""
        if self.is_closed:
            return
        if self._exclusion is not None and self._exclusion.covers(frame):
            self._tell_excluded(frame.speaker.user_id, frame.timestamp_ms)
            return
        if self._continuity.admit(frame):
            self._demux.publish(frame)
        else:
            self.repeated += 1

    def event(self, event: StreamEvent) -> None:
        """Something happened."""
        self.roster.hear(event)
        came_back = self._exclusion.hear(event) if self._exclusion is not None else None
        self._announce(event)
        if came_back is not None:
            self._tell_excluded(came_back, event.timestamp_ms)

    def exclude(self, whom: Collection[str]) -> None:
        """Drop the media of these people too (names or user ids) from now on."""
        if whom:
            self._exclusion = self._exclusion or Exclusion()
            self._exclusion.also(whom)

    def exclude_one(self, user_id: int, *, excluded: bool) -> None:
        """Drop the media of a participant from now on, or no more; a rule that excludes them stays."""
        self._exclusion = exclusion = self._exclusion or Exclusion()
        now_ms = self.zoom_ms(asyncio.get_running_loop().time())
        if excluded:
            exclusion.ask(user_id)
            self._log.info("ParticipantExcluded", user_id=user_id)
            self._tell_excluded(user_id, now_ms)
        else:
            exclusion.take_back(user_id)
            self._told_excluded.discard(user_id)
            self._log.info("ParticipantIncluded", user_id=user_id)
            self._announce(ParticipantIncluded(now_ms, user_id))

    def granted(self, kinds: Iterable[MediaKind]) -> None:
        """Zoom delivers these kinds."""
        self._continuity.granted(kinds)

    def lost(self, kinds: Iterable[MediaKind], last_up: float, why: str) -> None:
        """The connection of these kinds is gone; see `Continuity.lost`."""
        self._continuity.lost(kinds, last_up, why)

    def was_up(self, kinds: Iterable[MediaKind], until: float) -> None:
        """A lost connection of these kinds was closed; see `Continuity.was_up`."""
        self._continuity.was_up(kinds, until)

    def restored(self, kinds: Iterable[MediaKind]) -> None:
        """These kinds have a connection again."""
        self._continuity.restored(kinds, asyncio.get_running_loop().time())

    def time(self, zoom_ms: int) -> None:
        """Zoom said what time it is now; 0 if it did not."""
        if zoom_ms:
            self._continuity.hear_time(zoom_ms, asyncio.get_running_loop().time())

    def zoom_ms(self, now: float) -> int:
        """Zoom's time at ``now``; see `Continuity.zoom_ms`."""
        return self._continuity.zoom_ms(now)

    def ended(self, ended_ms: int | None) -> None:
        """Nothing more comes; see `Continuity.ended`."""
        self._continuity.ended(asyncio.get_running_loop().time(), ended_ms)

    def unusable(self, leg: str, noise: Noise) -> None:
        """A message could not be used: count it, and say so once a second with the sum."""
        self.noise[noise.kind.value] = self.noise.get(noise.kind.value, 0) + 1
        self._unusable = leg, noise
        self._spoken.note(asyncio.get_running_loop())

    def close(self) -> None:
        """Say what has not been said."""
        self._spoken.close()

    def _say_unusable(self, count: int) -> None:
        if self._unusable is not None:
            leg, noise = self._unusable
            self._log.warning(
                "MessagesNotUsed", leg=leg, count=count, kind=noise.kind.value, last=noise.detail
            )

    def _tell_excluded(self, user_id: int, timestamp_ms: int) -> None:
        if user_id not in self._told_excluded and len(self._told_excluded) < _MOST_TOLD:
            self._told_excluded.add(user_id)
            by = self._exclusion.by(user_id) if self._exclusion else "rule"
            self._announce(ParticipantExcluded(timestamp_ms, user_id, by))

    def _gap_noted(self, gap: GapNoted) -> None:
        self._log.warning("GapNoted", leg=gap.kind.value, gap_ms=gap.end_ms - gap.start_ms, reason=gap.cause)
        self._announce(gap)

    def _announce(self, event: StreamEvent) -> None:
        self.overseer.hear(event)
        self._demux.announce(event)
