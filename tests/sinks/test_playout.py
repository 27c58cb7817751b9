"""Voices on one time axis."""

import random

import numpy as np
import pytest

from rtms_engine.sinks.playout import AHEAD_MS, PIECE_MS, Playout

RATE = 8000
T0_MS = 1_790_000_000_000
PACKET = RATE // 50
"""Samples in 20 ms."""


@pytest.fixture
def playout():
    return Playout(RATE, 100)


def sound(value=1, count=PACKET):
    return np.full(count, value, np.int16)


def taken(playout, now):
    return [int(value) for piece in playout.take(now) for value in piece[::PACKET]]


def test_sound_comes_out_after_the_delay(playout):
    for n in range(10):
        playout.place("a", T0_MS + 20 * n, sound(n + 1), now=n * 0.02)
    assert taken(playout, 0.18) == [1, 2, 3, 4, 5]
    assert taken(playout, 0.18) == []
    assert taken(playout, 0.22) == [6, 7]
    assert [int(v) for piece in playout.rest() for v in piece[::PACKET]] == [8, 9, 10]


def test_before_the_first_packet_there_is_nothing(playout):
    assert taken(playout, 100.0) == []
    assert list(playout.rest()) == []


def test_silence_where_nothing_came(playout):
    playout.place("a", T0_MS, sound(1), now=0.0)
    playout.place("a", T0_MS + 60, sound(2), now=0.06)
    assert taken(playout, 0.16) == [1, 0, 0, 2]


def test_silence_goes_on_while_nothing_comes_and_time_is_kept(playout):
    playout.place("a", T0_MS, sound(1), now=0.0)
    assert taken(playout, 0.5)[:3] == [1, 0, 0]
    taken(playout, 10.0)
    playout.place("a", T0_MS + 10_000, sound(2), now=10.0)
    assert taken(playout, 10.1)[-1] == 2
    assert playout.late_samples == 0


def test_two_voices_are_added_and_clipped(playout):
    playout.place("a", T0_MS, sound(20_000), now=0.0)
    playout.place("b", T0_MS, sound(20_000), now=0.0)
    playout.place("a", T0_MS + 20, sound(-20_000), now=0.02)
    playout.place("b", T0_MS + 20, sound(-20_000), now=0.02)
    assert taken(playout, 0.1201) == [32767, -32768]


def test_a_late_packet_is_placed_and_a_too_late_one_trimmed(playout):
    playout.place("a", T0_MS, sound(1), now=0.0)
    playout.place("a", T0_MS + 40, sound(3), now=0.04)
    playout.place("b", T0_MS + 20, sound(2), now=0.09)
    assert taken(playout, 0.14) == [1, 2, 3]
    playout.place("c", T0_MS + 20, sound(9, PACKET * 3), now=0.14)
    assert playout.late_samples == PACKET * 2
    assert taken(playout, 0.2401) == [9]


def test_jitter_of_milliseconds_leaves_no_seam(playout):
    jitter = random.Random(1)
    for n in range(100):
        at = T0_MS + 20 * n + (jitter.randint(-5, 5) if n else 0)
        playout.place("a", at, sound(7), now=n * 0.02)
    heard = np.concatenate([*playout.take(1.98), *playout.rest()])
    assert (heard == 7).all()
    assert len(heard) == 100 * PACKET


def test_a_burst_comes_out_at_once(playout):
    for n in range(3_000):
        playout.place("a", T0_MS + 20 * n, sound(1), now=0.0)
    pieces = list(playout.take(0.0))
    assert sum(map(len, pieces)) == 3_000 * PACKET - RATE // 10
    assert max(map(len, pieces)) == RATE * PIECE_MS // 1000


def test_a_wild_timestamp_is_not_believed(playout):
    playout.place("a", T0_MS, sound(1), now=0.0)
    playout.place("a", T0_MS + AHEAD_MS + 1000, sound(1), now=0.02)
    playout.place("a", T0_MS - 10**9, sound(1), now=0.02)
    playout.place("a", T0_MS + 20, sound(2), now=0.02)
    assert playout.wild_packets == 1
    assert taken(playout, 0.1201) == [1, 2]


def test_half_an_hour_drifts_by_nothing():
    """Packets by Zoom's clock, our own clock 100 ppm fast: what comes out is as long as what went in."""
    playout = Playout(RATE, 200)
    count = 0
    for n in range(1800 * 10):
        now = n * 0.1 * 1.0001
        playout.place("a", T0_MS + 100 * n, sound(1, RATE // 10), now=now)
        if n % 20 == 0:
            count += sum(map(len, playout.take(now)))
    count += sum(map(len, playout.rest()))
    assert count == 1800 * RATE
    assert playout.late_samples == 0


def test_what_follows_without_a_seam(playout):
    assert not playout.follows("a", T0_MS)
    playout.place("a", T0_MS, sound(1), now=0.0)
    assert playout.follows("a", T0_MS + 25)
    assert not playout.follows("a", T0_MS + 60)
    assert not playout.follows("b", T0_MS + 20)
