"""The account of what a stream does not send: pauses, and connections that are away.

Kept while a stream runs, and written into its ledger as spans that no medium will fill any more.
"""

import math
from collections.abc import Iterable

from ..model.media import MediaKind
from .ledger import Ledger, Why, Withheld
from .timing import Timeline


class Account:
    """Of one stream. Its times are the timeline's.

    Args:
        timeline: of the stream.
        ledger: takes what is certain.
        buffer_ms: how much sound is kept for a client that is away.
    """

    def __init__(self, timeline: Timeline, ledger: Ledger, buffer_ms: int) -> None:
        self._timeline = timeline
        self._ledger = ledger
        self._buffer_ms = buffer_ms
        self._pauses: list[tuple[float, float]] = []
        """From when until when; the last one may be open."""
        self._away: dict[MediaKind, list[tuple[float, Why]]] = {}
        """Of the kinds that flowed and do not: from when on for which reason."""

    def __repr__(self) -> str:
        return f"<Account away={sorted(self._away)} is_paused={self.is_paused}>"

    # --- pauses ---

    @property
    def is_paused(self) -> bool:
        """Whether no media flows on purpose."""
        return bool(self._pauses) and self._pauses[-1][1] == math.inf

    def was_paused(self, at_ms: float) -> bool:
        """Whether nothing was to be sent at that place of the script."""
        return any(start_ms < at_ms <= end_ms for start_ms, end_ms in self._pauses)

    def pause(self) -> None:
        """Nothing is sent from now on."""
        self._pauses.append((self._timeline.position_ms, math.inf))

    def resume(self, kinds: Iterable[MediaKind]) -> None:
        """The pause is over; it kept these kinds back."""
        start_ms, end_ms = self._pauses.pop()[0], self._timeline.position_ms
        self._pauses.append((start_ms, end_ms))
        for kind in sorted(kinds):
            self._withhold(kind, start_ms, end_ms, Why.PAUSED)

    # --- connections ---

    def lost(self, kinds: Iterable[MediaKind], why: Why) -> None:
        """These kinds have no connection any more."""
        for kind in kinds:
            self._away.setdefault(kind, []).append((self._timeline.position_ms, why))

    def connected(self, kinds: Iterable[MediaKind]) -> None:
        """These kinds have a connection, over which nothing flows yet; the client may not know that."""
        self.lost(self._away.keys() & kinds, Why.UNTOLD)

    def flows(self, kinds: Iterable[MediaKind]) -> None:
        """These kinds are sent again. Of sound only what the buffer did not hold is lost."""
        beyond_ms = self._timeline.position_ms - self._buffer_ms
        for kind in kinds:
            for start_ms, end_ms, why in self._absences(kind):
                if kind is not MediaKind.AUDIO:
                    self._withhold(kind, start_ms, end_ms, why)
                elif start_ms < beyond_ms:
                    self._withhold(kind, start_ms, min(end_ms, beyond_ms), Why.BEYOND_BUFFER)

    def close(self, kinds: Iterable[MediaKind]) -> None:
        """The stream is over, which had these kinds: what is away does not come back."""
        if self.is_paused:
            self.resume(kinds)
        for kind in list(self._away):
            for absence in self._absences(kind):
                self._withhold(kind, *absence)

    def _absences(self, kind: MediaKind) -> list[tuple[float, float, Why]]:
        """The account of a kind up to now; it is closed."""
        changes = self._away.pop(kind, [])
        ends_ms = [at_ms for at_ms, _ in changes[1:]] + [self._timeline.position_ms] * bool(changes)
        return [(start_ms, end_ms, why) for (start_ms, why), end_ms in zip(changes, ends_ms, strict=True)]

    def _withhold(self, kind: MediaKind, start_ms: float, end_ms: float, why: Why) -> None:
        epoch_ms = self._timeline.epoch_ms
        self._ledger.withheld.append(Withheld(kind, epoch_ms + int(start_ms), epoch_ms + int(end_ms), why))
