"""Zoom's milliseconds become positions. Pure.

Sound is placed by *absolute* sample numbers, samples since 1970: ``timestamp_ms · rate / 1000``,
which is exact at every rate of Zoom's. The position in a file is that minus the absolute number of
the recording's t0. So nothing that is known of a track has to change if t0 moves.
"""

import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Collection

CLOCKS_AGREE_MS = 3_600_000
"""Beyond this distance the webhook's clock and the media clock are not the same clock."""
EARLIEST_MS = 600_000
"""How long before the start a frame may be. Zoom buffers 60 s (V1.md §6.9)."""
FARTHEST_MS = 86_400_000
"""How long after the newest frame of an earlier engine the next may be: nobody knows how long it was gone."""
AHEAD_MS = 600_000
"""How far a frame may run ahead of the time that has passed since the last. A timestamp that is hours or
years off must not make a file of gigabytes, not even a sparse one."""
KEPT_MS = 2 * AHEAD_MS
"""How long it is known exactly which samples of a track are written."""
JITTER_MS = 20
"""Zoom's shortest packet, so that a packet that is missing is never taken for jitter."""


class Timeline:
    """The time that all tracks of a stream share.

    t0 is where the start webhook says that the stream begins, or the earliest medium if that is
    earlier. A late frame may therefore move it back; files written until then follow.
    """

    def __init__(self, started_ms: int) -> None:
        self.resume(started_ms, None)

    def resume(self, t0_ms: int, newest_ms: int | None, *, is_fixed: bool = False) -> None:
        """Begin where an earlier engine ended.

        Args:
            t0_ms: of its files.
            newest_ms: of the newest medium in them; None if there is none.
            is_fixed: whether t0 cannot move any more, since some of them cannot.
        """
        self.t0_ms = t0_ms
        """Unix milliseconds of the first sample of every file."""
        self._earliest_ms = t0_ms if is_fixed else t0_ms - EARLIEST_MS
        self._newest_ms = newest_ms
        self._heard_at: float | None = None
        self._latest_ms = self.newest_ms + FARTHEST_MS

    @property
    def newest_ms(self) -> int:
        """Of the newest medium; t0 if there is none."""
        return self.t0_ms if self._newest_ms is None else self._newest_ms

    def learn(self, timestamps_ms: Collection[int], received_at: float) -> None:
        """Take notice of the times of a batch, before any of it is placed.

        Args:
            timestamps_ms: of the media in it.
            received_at: when the last of them came, monotonic seconds.
        """
        if not timestamps_ms:
            return
        if self._newest_ms is None:
            self._settle(statistics.median_low(timestamps_ms))
            self._latest_ms = self.newest_ms + AHEAD_MS
        if self._heard_at is not None:
            passed_ms = round((received_at - self._heard_at) * 1000)
            self._latest_ms = self.newest_ms + max(passed_ms, 0) + AHEAD_MS
        self._heard_at = received_at
        first, last = min(timestamps_ms), max(timestamps_ms)
        if not (self.holds(first) and self.holds(last)):
            possible = [time for time in timestamps_ms if self.holds(time)]
            first, last = min(possible, default=self.t0_ms), max(possible, default=self.t0_ms)
        self.t0_ms = min(self.t0_ms, first)
        self._newest_ms = max(self.newest_ms, last)

    @property
    def possible_ms(self) -> tuple[int, int]:
        """The first and the last time that can be one of this stream."""
        return self._earliest_ms, self._latest_ms

    def holds(self, timestamp_ms: int) -> bool:
        """Whether the time can be one of this stream."""
        return self._earliest_ms <= timestamp_ms <= self._latest_ms

    def _settle(self, typical_ms: int) -> None:
        """Believe the media if they and the webhook are hours apart.

        The middle of the first batch speaks for it, so that one wild frame does not decide.
        """
        if abs(typical_ms - self.t0_ms) > CLOCKS_AGREE_MS:
            self.t0_ms = typical_ms
            self._earliest_ms = typical_ms - EARLIEST_MS
        self._newest_ms = max(typical_ms, self.t0_ms)


class Coverage:
    """What of a track is written: half-open ranges of samples, in order, none touching another.

    There are as many ranges as silences between them in the last 20 minutes, whatever the length of the
    meeting. What is older counts as written: no media are that late, for Zoom keeps 60 s (V1.md §6.9)
    and nothing runs ahead of time by more than `AHEAD_MS`.

    Args:
        per_ms: samples in a millisecond.
        written_to: everything before this sample is written already.
    """

    def __init__(self, per_ms: int, written_to: int = 0) -> None:
        self._kept = KEPT_MS * per_ms
        self._floor = written_to
        self._forgotten = 0
        """How many samples are written in ranges that are not kept any more."""
        self._first: int | None = None
        self._starts: list[int] = []
        self._ends: list[int] = []

    def place(self, nominal: int, jitter: int) -> int:
        """Where a packet that belongs at ``nominal`` is put.

        Timestamps are whole milliseconds of a busy server. A packet less than ``jitter`` samples
        away from the end of a range therefore continues that range without a seam. The distance
        is measured from the packet's own time, never from the packet before it: however long
        the range, no sample in it is ``jitter`` off. From there on the packet's time decides,
        and what then overlaps is trimmed by `claim`.
        """
        first = bisect_left(self._ends, nominal - jitter + 1)
        behind = bisect_left(self._ends, nominal + jitter)
        return min(self._ends[first:behind], key=lambda end: abs(end - nominal), default=nominal)

    def claim(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Cover a range, and return its parts that were free: what is written already stays."""
        start = max(start, self._floor)
        if start >= stop:
            return []
        if self._first is None or start < self._first:
            self._first = start
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, stop)
        free, at = [], start
        for covered_from, covered_to in zip(self._starts[first:last], self._ends[first:last], strict=True):
            if at < covered_from:
                free.append((at, covered_from))
            at = max(at, covered_to)
        if at < stop:
            free.append((at, stop))
        self._starts[first:last] = [min([start, *self._starts[first:last]])]
        self._ends[first:last] = [max(at, stop)]
        if self._ends[len(self._ends) // 2] < self._ends[-1] - self._kept:
            self._forget()
        return free

    @property
    def floor(self) -> int:
        """Before this sample nothing is free."""
        return self._floor

    @property
    def span(self) -> tuple[int, int] | None:
        """From the first sample to behind the last; None if nothing is written."""
        return None if self._first is None else (self._first, self._ends[-1])

    def __len__(self) -> int:
        """How many samples are written."""
        return self._forgotten + sum(self._ends) - sum(self._starts)

    def _forget(self) -> None:
        """Let go of the ranges that are too old; at least half of them, so that this is seldom."""
        old = bisect_left(self._ends, self._ends[-1] - self._kept)
        self._floor = self._ends[old - 1]
        self._forgotten += sum(self._ends[:old]) - sum(self._starts[:old])
        del self._starts[:old], self._ends[:old]
