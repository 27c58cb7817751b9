"""Nothing twice, and what is missing is said.

After a reconnect Zoom delivers the audio of the meantime in a burst, up to 60 s of it, and may repeat
what was received before (V1.md §6.9, §8.2, Q18). A frame is dropped if one of the same kind,
participant and timestamp was received already; being late is no reason to drop it.

A *gap* is a span of Zoom's time for which a kind of media had no connection and nothing came later
either. For sound that is what Zoom's buffer of 60 s does not reach, or all of the outage if sound was
flowing when it began and no buffered frame came after it. Silence by itself is no gap.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable

import msgspec

from ..model.events import GapNoted
from ..model.frames import AudioFrame, ChatMessage, Frame, ShareFrame, TranscriptSegment, VideoFrame
from ..model.media import MediaKind

BUFFERED_MS = 60_000
"""How much sound Zoom keeps for us (V1.md §6.9)."""
REMEMBERED_MS = 180_000
"""For how long a received sound is known: longer than any buffer and window of Zoom's together."""
FLOWING_MS = 1_000
"""Sound this shortly before an outage was flowing when it began."""
SHORTEST_GAP_MS = 200
TEXTS_REMEMBERED = 2_000
MOST_PARTICIPANTS = 10_000
"""More than any meeting has: beyond it, hostile input is not remembered."""
CLOCKS_AGREE_MS = 3_600_000
"""A timestamp farther from Zoom's clock than this says nothing about it."""


class _Run:
    """Timestamps at equal distances: ``first``, ``first + step`` … ``last``."""

    __slots__ = ("first", "last", "step")

    def __init__(self, timestamp_ms: int) -> None:
        self.first = self.last = timestamp_ms
        self.step = 0

    def holds(self, timestamp_ms: int) -> bool:
        if not self.first <= timestamp_ms <= self.last:
            return False
        return not self.step or (timestamp_ms - self.first) % self.step == 0

    def extend(self, timestamp_ms: int) -> bool:
        """Take the next one in, if it is at the run's distance."""
        distance = timestamp_ms - self.last
        if distance <= 0 or (self.step and distance != self.step):
            return False
        self.step, self.last = distance, timestamp_ms
        return True


class Received:
    """The timestamps of one participant's sound: few runs, however long the meeting."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        """In the order of their first; they may lie across each other."""
        self._newest: _Run | None = None
        """The one that holds the newest timestamp of all."""

    def add(self, timestamp_ms: int) -> bool:
        """Remember it. Returns False if it is known."""
        newest = self._newest
        if newest is None or timestamp_ms > newest.last:
            if newest is None or not newest.extend(timestamp_ms):
                self._newest = _Run(timestamp_ms)
                self._runs.append(self._newest)
                self._forget(timestamp_ms - REMEMBERED_MS)
            return True
        behind = bisect_right(self._runs, timestamp_ms, key=lambda run: run.first)
        if any(run.holds(timestamp_ms) for run in self._runs[:behind]):
            return False
        self._runs.insert(behind, _Run(timestamp_ms))
        return True

    def _forget(self, before_ms: int) -> None:
        if self._runs[0].last < before_ms:
            self._runs = [run for run in self._runs if run.last >= before_ms]


class _Outage(msgspec.Struct):
    """A kind of media without a connection; times are the loop's, since Zoom's clock may yet be learnt."""

    since: float
    why: str
    was_flowing: bool
    restored_at: float | None = None


class Continuity:
    """Hears what a stream receives and loses, for all of its connections together."""

    def __init__(self, announce: Callable[[GapNoted], None], unix_ms: int, now: float) -> None:
        """
        Args:
            announce: told of every gap.
            unix_ms: our clock, until Zoom's is known.
            now: the loop's time, seconds.
        """
        self._announce = announce
        self._zoom_ahead_ms = unix_ms - now * 1000
        self._clock_is_zooms = False
        self._sounds: dict[int | str, Received] = {}
        self._texts: OrderedDict[tuple[object, ...], None] = OrderedDict()
        self._newest_ms: dict[MediaKind, int] = {}
        self._repeated_until_ms: dict[MediaKind, int] = {}
        self._outages: dict[MediaKind, _Outage] = {}
        self._granted: set[MediaKind] = set()

    def granted(self, kinds: Iterable[MediaKind]) -> None:
        """Zoom delivers these kinds; without having been granted, none can be missing."""
        self._granted |= set(kinds)

    def admit(self, frame: Frame) -> bool:
        """Whether this frame is a new one."""
        match frame:
            case AudioFrame():
                return self._admit_sound(frame)
            case VideoFrame():
                return self._admit_picture(MediaKind.VIDEO, frame)
            case ShareFrame():
                return self._admit_picture(MediaKind.SHARE, frame)
            case TranscriptSegment() | ChatMessage():
                return self._admit_text(frame)

    def lost(self, kinds: Iterable[MediaKind], last_heard: float, why: str) -> None:
        """The connection of these kinds is gone; it was last heard at ``last_heard`` (loop's time)."""
        for kind in self._granted.intersection(kinds):
            newest_ms = self._newest_ms.get(kind, 0)
            flowing = self.zoom_ms(last_heard) - newest_ms < FLOWING_MS
            self._outages.setdefault(kind, _Outage(last_heard, why, flowing)).restored_at = None

    def restored(self, kinds: Iterable[MediaKind], now: float) -> None:
        """These kinds have a connection again."""
        for kind in kinds:
            if newest_ms := self._newest_ms.get(kind):
                self._repeated_until_ms[kind] = newest_ms
            outage = self._outages.get(kind)
            if outage is None:
                continue
            outage.restored_at = now
            if kind is not MediaKind.AUDIO:
                self._note(kind, self.zoom_ms(now))

    def ended(self, now: float) -> None:
        """The stream is over: what has no connection now does not come any more."""
        for kind, outage in list(self._outages.items()):
            self._note(kind, self.zoom_ms(now if outage.restored_at is None else outage.restored_at))

    # --- frames ---

    def _admit_sound(self, frame: AudioFrame) -> bool:
        timestamp_ms = frame.timestamp_ms
        speaker = 0 if frame.mixed else frame.speaker.user_id or frame.speaker.channel_id
        received = self._sounds.get(speaker)
        if received is None:
            received = Received()
            if len(self._sounds) < MOST_PARTICIPANTS:
                self._sounds[speaker] = received
        if not received.add(timestamp_ms):
            return False
        if MediaKind.AUDIO in self._outages:
            self._judge_outage(timestamp_ms)
        self._learn(MediaKind.AUDIO, timestamp_ms, frame.received_at)
        return True

    def _admit_picture(self, kind: MediaKind, frame: VideoFrame | ShareFrame) -> bool:
        """Within one connection several messages may share a timestamp, so only what was received
        before the last reconnect is known for a repetition.
        """
        if frame.timestamp_ms <= self._repeated_until_ms.get(kind, -1):
            return False
        self._learn(kind, frame.timestamp_ms, frame.received_at)
        return True

    def _admit_text(self, frame: TranscriptSegment | ChatMessage) -> bool:
        own = frame.sentence_id if isinstance(frame, TranscriptSegment) else frame.message_id
        key = (type(frame), frame.speaker.user_id, frame.timestamp_ms, own, frame.operation, frame.text)
        if key in self._texts:
            return False
        self._texts[key] = None
        if len(self._texts) > TEXTS_REMEMBERED:
            self._texts.popitem(last=False)
        return True

    # --- gaps ---

    def _judge_outage(self, timestamp_ms: int) -> None:
        """The first sound after an outage shows whether Zoom kept what was said meanwhile."""
        outage = self._outages[MediaKind.AUDIO]
        if outage.restored_at is None:
            return
        restored_ms = self.zoom_ms(outage.restored_at)
        kept = timestamp_ms < restored_ms or not outage.was_flowing
        self._note(MediaKind.AUDIO, restored_ms - BUFFERED_MS if kept else restored_ms)

    def _note(self, kind: MediaKind, until_ms: int) -> None:
        outage = self._outages.pop(kind)
        since_ms = self.zoom_ms(outage.since)
        if until_ms - since_ms >= SHORTEST_GAP_MS:
            self._announce(GapNoted(until_ms, kind, since_ms, until_ms, outage.why))

    # --- Zoom's clock ---

    def _learn(self, kind: MediaKind, timestamp_ms: int, received_at: float) -> None:
        if timestamp_ms > self._newest_ms.get(kind, 0):
            self._newest_ms[kind] = timestamp_ms
            ahead_ms = timestamp_ms - received_at * 1000
            correction_ms = ahead_ms - self._zoom_ahead_ms
            # The frame that took the shortest way tells the most of Zoom's clock.
            if not self._clock_is_zooms or 0 < correction_ms < CLOCKS_AGREE_MS:
                self._zoom_ahead_ms = ahead_ms
                self._clock_is_zooms = True

    def zoom_ms(self, now: float) -> int:
        """Zoom's time at ``now`` (loop's), as far as is known; our own before the first sound or picture."""
        return round(now * 1000 + self._zoom_ahead_ms)
