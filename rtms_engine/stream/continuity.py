"""Nothing twice, and what is missing is said.

After a reconnect Zoom delivers the audio of the meantime in a burst, up to 60 s of it, and may repeat
what was received before (V1.md §6.9, §8.2, Q18). A frame is dropped if one of the same kind,
participant and timestamp was received already; being late is no reason to drop it.

A *gap* is a span of Zoom's time for which a kind of media had no connection and nothing came later
either. For sound that is what Zoom's buffer of 60 s does not reach, or all of the outage if sound was
flowing when it began and no buffered frame came after it. Silence by itself is no gap.

It begins where the last received medium of its kind ends, if that kind was flowing; else when the
connection was last known to be up: at its loss if Zoom closed it, at its last sign of life if it fell
silent. It ends with the first medium that came after, or when the connection was back.

What is *the same* sound is decided here alone, for all sinks. Where two different sounds meet is not
seen here: that is placement, and the recording's (`rtms_engine.recording.timeline.Coverage`).
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
"""Media this shortly before an outage was flowing when it began."""
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
            if newest is not None and timestamp_ms - newest.last == newest.step:
                newest.last = timestamp_ms  # as nearly always: the next of them
            elif newest is None or not newest.extend(timestamp_ms):
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


class _Newest:
    """The newest medium of one kind, in Zoom's time; 0: there is none."""

    __slots__ = ("begins_ms", "ends_ms")

    def __init__(self) -> None:
        self.begins_ms = self.ends_ms = 0


class _Outage(msgspec.Struct):
    """A kind of media without a connection; times are the loop's, since Zoom's clock may yet be learnt."""

    since: float
    """When the connection was last known to be up."""
    why: str
    flowed_until_ms: int | None
    """Where the last medium ends, in Zoom's time; None if nothing was flowing."""
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
        self._clock_is_zooms = self._clock_is_medias = False
        self._sounds: dict[int | str, Received] = {}
        self._texts: OrderedDict[tuple[object, ...], None] = OrderedDict()
        self._newest = {kind: _Newest() for kind in MediaKind}
        self._newest_sound = self._newest[MediaKind.AUDIO]
        self._repeated_until_ms: dict[MediaKind, int] = {}
        self._outages: dict[MediaKind, _Outage] = {}
        self._granted: set[MediaKind] = set()

    def granted(self, kinds: Iterable[MediaKind]) -> None:
        """Zoom delivers these kinds; without having been granted, none can be missing."""
        self._granted |= set(kinds)

    def admit(self, frame: Frame) -> bool:
        """Whether this frame is a new one."""
        if not isinstance(frame, AudioFrame):
            return self._admit_other(frame)
        timestamp_ms = frame.timestamp_ms
        speaker = 0 if frame.mixed else frame.speaker.user_id or frame.speaker.channel_id
        received = self._sounds.get(speaker)
        if received is None:
            received = Received()
            if len(self._sounds) < MOST_PARTICIPANTS:
                self._sounds[speaker] = received
        if not received.add(timestamp_ms):
            return False
        if self._outages and MediaKind.AUDIO in self._outages:
            self._judge_outage(timestamp_ms)
        if timestamp_ms > self._newest_sound.begins_ms:
            self._learn(self._newest_sound, frame, frame.params.send_rate_ms)
        return True

    def _admit_other(self, frame: VideoFrame | ShareFrame | TranscriptSegment | ChatMessage) -> bool:
        match frame:
            case VideoFrame():
                return self._admit_picture(MediaKind.VIDEO, frame)
            case ShareFrame():
                return self._admit_picture(MediaKind.SHARE, frame)
            case TranscriptSegment() | ChatMessage():
                return self._admit_text(frame)

    def lost(self, kinds: Iterable[MediaKind], last_up: float, why: str) -> None:
        """The connection of these kinds is gone; it was last known to be up at ``last_up`` (loop's time)."""
        for kind in self._granted.intersection(kinds):
            ended_ms = self._newest[kind].ends_ms
            flowing = abs(self.zoom_ms(last_up) - ended_ms) < FLOWING_MS
            outage = _Outage(last_up, why, ended_ms if flowing else None)
            self._outages.setdefault(kind, outage).restored_at = None

    def was_up(self, kinds: Iterable[MediaKind], until: float) -> None:
        """A lost connection of these kinds turned out to have been up until then.

        Zoom may say over another connection that this one is lost; that it could still be closed in order
        shows that nothing sent on it before is missing.
        """
        for kind in kinds:
            outage = self._outages.get(kind)
            if outage is not None and outage.restored_at is None:
                outage.since = max(outage.since, until)

    def restored(self, kinds: Iterable[MediaKind], now: float) -> None:
        """These kinds have a connection again."""
        for kind in kinds:
            if newest_ms := self._newest[kind].begins_ms:
                self._repeated_until_ms[kind] = newest_ms
            outage = self._outages.get(kind)
            if outage is None:
                continue
            outage.restored_at = now
            if kind is not MediaKind.AUDIO:
                self._note(kind, self.zoom_ms(now))

    def ended(self, now: float, ended_ms: int | None = None) -> None:
        """The stream is over: what has no connection now does not come any more.

        Args:
            now: the loop's time.
            ended_ms: when Zoom ended the stream, by Zoom's clock, if it said so.
        """
        for kind, outage in list(self._outages.items()):
            until_ms = self.zoom_ms(now if outage.restored_at is None else outage.restored_at)
            self._note(kind, until_ms if ended_ms is None else min(until_ms, ended_ms))

    # --- frames ---

    def _admit_picture(self, kind: MediaKind, frame: VideoFrame | ShareFrame) -> bool:
        """Within one connection several messages may share a timestamp, so only what was received
        before the last reconnect is known for a repetition.
        """
        if frame.timestamp_ms <= self._repeated_until_ms.get(kind, -1):
            return False
        newest = self._newest[kind]
        if frame.timestamp_ms > newest.begins_ms:
            self._learn(newest, frame, 0)
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
        kept = timestamp_ms < restored_ms or outage.flowed_until_ms is None
        self._note(MediaKind.AUDIO, min(timestamp_ms, restored_ms - BUFFERED_MS) if kept else restored_ms)

    def _note(self, kind: MediaKind, until_ms: int) -> None:
        outage = self._outages.pop(kind)
        flowed_until_ms = outage.flowed_until_ms
        since_ms = self.zoom_ms(outage.since) if flowed_until_ms is None else flowed_until_ms
        if until_ms - since_ms >= SHORTEST_GAP_MS:
            self._announce(GapNoted(until_ms, kind, since_ms, until_ms, outage.why))

    # --- Zoom's clock ---

    def hear_time(self, zoom_ms: int, now: float) -> None:
        """Zoom said what time it is, in the time stamp of a state.

        Media speak of their own time as well, but only when there are any, and a sound is stamped when it
        begins and sent when it ends.
        """
        if abs(self._correction_ms(zoom_ms, now)) < CLOCKS_AGREE_MS:
            self._correct(zoom_ms, now, at_once=not self._clock_is_zooms)
            self._clock_is_zooms = True

    def _learn(self, newest: _Newest, frame: AudioFrame | VideoFrame | ShareFrame, lasts_ms: int) -> None:
        timestamp_ms = frame.timestamp_ms
        correction_ms = timestamp_ms - frame.received_at * 1000 - self._zoom_ahead_ms
        agrees = -CLOCKS_AGREE_MS < correction_ms < CLOCKS_AGREE_MS
        if self._clock_is_medias and not agrees:
            return
        newest.begins_ms = timestamp_ms
        newest.ends_ms = timestamp_ms + lasts_ms
        # Media that disagree by hours with everything else have a clock of their own, and it counts.
        if correction_ms > 0 or not agrees or not self._clock_is_zooms:  # the shortest way tells the most
            self._zoom_ahead_ms += correction_ms
        self._clock_is_zooms = self._clock_is_medias = True

    def _correct(self, timestamp_ms: int, now: float, *, at_once: bool) -> None:
        """The message that took the shortest way tells the most of Zoom's clock."""
        correction_ms = self._correction_ms(timestamp_ms, now)
        if at_once or correction_ms > 0:
            self._zoom_ahead_ms += correction_ms

    def _correction_ms(self, timestamp_ms: int, now: float) -> float:
        return timestamp_ms - now * 1000 - self._zoom_ahead_ms

    def zoom_ms(self, now: float) -> int:
        """Zoom's time at ``now`` (loop's), as far as is known; our own before Zoom or a medium spoke."""
        return round(now * 1000 + self._zoom_ahead_ms)
