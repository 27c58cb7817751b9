"""Voices on one time axis, handed out as time passes. Pure.

Zoom sends sound in packets that jitter, in bursts after an outage, and none at all while nobody speaks.
Who plays it live, or encodes it, wants one sample after the other. So packets are placed by Zoom's
timestamps, and what is older than a short delay is handed out: several voices added up, silence where
there was nothing. While no packet comes, our own clock moves on.
"""

from collections.abc import Hashable, Iterator

import numpy as np

from .sound import Mono

JITTER_MS = 20
"""A packet so close behind the last one of its voice follows it without a seam."""
AHEAD_MS = 120_000
"""A packet that is farther ahead has a wild timestamp. Zoom buffers 60 s (V1.md §6.9)."""
PIECE_MS = 1_000
"""The longest piece that is handed out, so that a long silence needs no memory."""


class Playout:
    """One time axis.

    Args:
        sample_rate: Hertz.
        delay_ms: how long to wait for late packets.
    """

    def __init__(self, sample_rate: int, delay_ms: int) -> None:
        self._rate = sample_rate
        self._delay = self._samples(delay_ms)
        self._buffer = np.zeros(sample_rate, np.int32)
        self._filled = 0
        """So much of the buffer is what was placed, from `_at` on; behind it are zeros."""
        self._at: int | None = None
        self._newest = (0, 0.0)
        """The end of the newest sound in samples since 1970, and when it came."""
        self._expected: dict[Hashable, int] = {}
        self.late_samples = 0
        """Those that came after their time had been handed out."""
        self.wild_packets = 0

    def place(self, voice: Hashable, timestamp_ms: int, samples: Mono, now: float) -> None:
        """Put a packet in its place.

        Args:
            voice: whose it is.
            timestamp_ms: Zoom's, of the first sample.
            samples: the sound.
            now: monotonic seconds.
        """
        start = self._samples(timestamp_ms)
        expected = self._expected.get(voice)
        if expected is not None and abs(start - expected) < self._samples(JITTER_MS):
            start = expected
        if self._at is None:
            self._at, self._newest = start, (start, now)
        if start - self._reached(now) > self._samples(AHEAD_MS):
            self.wild_packets += 1
            return
        self._expected[voice] = end = start + len(samples)
        if end >= self._newest[0]:  # Zoom's clock goes before ours, which only bridges pauses
            self._newest = (end, now)
        self._add(start, samples)

    def follows(self, voice: Hashable, timestamp_ms: int) -> bool:
        """Whether a packet would follow the last one of its voice without a seam."""
        expected = self._expected.get(voice)
        start = self._samples(timestamp_ms)
        return expected is not None and abs(start - expected) < self._samples(JITTER_MS)

    @property
    def waiting_bytes(self) -> int:
        """What was placed and not handed out."""
        return 4 * self._filled

    def take(self, now: float) -> Iterator[Mono]:
        """What is due by now, in pieces of at most `PIECE_MS`."""
        if self._at is not None:
            yield from self._take_until(self._reached(now) - self._delay)

    def rest(self) -> Iterator[Mono]:
        """What is left, at the end."""
        if self._at is not None:
            yield from self._take_until(self._at + self._filled)

    def _take_until(self, until: int) -> Iterator[Mono]:
        longest = self._samples(PIECE_MS)
        while self._at is not None and self._at < until:
            count = min(until - self._at, longest)
            there = min(count, self._filled)
            piece = np.zeros(count, np.int16)
            piece[:there] = self._buffer[:there].clip(-32768, 32767)
            left = self._filled - there
            self._buffer[:left] = self._buffer[there : self._filled]
            self._buffer[left : self._filled] = 0
            self._filled = left
            self._at += count
            yield piece

    def _add(self, start: int, samples: Mono) -> None:
        assert self._at is not None  # noqa: S101 - `place` has set it
        late = min(max(self._at - start, 0), len(samples))
        self.late_samples += late
        begin = max(start - self._at, 0)
        end = begin + len(samples) - late
        if end > len(self._buffer):
            larger = np.zeros(max(end, 2 * len(self._buffer)), np.int32)
            larger[: self._filled] = self._buffer[: self._filled]
            self._buffer = larger
        self._buffer[begin:end] += samples[late:]
        self._filled = max(self._filled, end)

    def _reached(self, now: float) -> int:
        """Which sample the live edge is at: it moves on with our clock while nothing comes."""
        end, at = self._newest
        return end + max(int((now - at) * self._rate), 0)

    def _samples(self, milliseconds: int) -> int:
        return milliseconds * self._rate // 1000
