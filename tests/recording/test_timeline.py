"""Times become positions: exactly, without a seam, and without losing or repeating a sample."""

from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.recording.timeline import (
    AHEAD_MS,
    EARLIEST_MS,
    FARTHEST_MS,
    JITTER_MS,
    KEPT_MS,
    Coverage,
    Timeline,
)
from tests.recording.support import T0

ranges = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=30)


@given(ranges)
def test_every_sample_is_given_away_once(wanted: list[tuple[int, int]]) -> None:
    """Whatever overlaps, `claim` hands out what a set of integers would."""
    coverage, covered = Coverage(16), set[int]()
    for start, length in wanted:
        free = [sample for a, b in coverage.claim(start, start + length) for sample in range(a, b)]
        assert free == [sample for sample in range(start, start + length) if sample not in covered]
        covered.update(free)
    assert len(coverage) == len(covered)
    assert coverage.span == ((min(covered), max(covered) + 1) if covered else None)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=200))
def test_jitter_leaves_no_seam(jitter: list[int]) -> None:
    """Packets of 20 ms whose stamps wander around the truth become one range, in order."""
    coverage, expected = Coverage(16), None
    for number, off_ms in enumerate(jitter):
        start = coverage.place((T0 + 20 * number + off_ms) * 16, 320)
        assert expected is None or start == expected
        expected = start + 320
        assert coverage.claim(start, expected) == [(start, expected)]


@given(st.lists(st.integers(0, 3000), unique=True, min_size=1))
def test_exact_stamps_are_exact_in_any_order(numbers: list[int]) -> None:
    """Late or not, with any packets missing: a packet lies where its stamp says."""
    coverage = Coverage(16)
    for number in numbers:
        assert coverage.place(number * 320, 320) == number * 320
        coverage.claim(number * 320, number * 320 + 320)


def test_drift_never_adds_up() -> None:
    """A clock that runs 1 % fast: every packet stays within the jitter of its own time."""
    coverage = Coverage(16)
    for number in range(5000):
        nominal = round(number * 20 * 1.01) * 16
        start = coverage.place(nominal, JITTER_MS * 16)
        assert abs(start - nominal) < JITTER_MS * 16
        coverage.claim(start, start + 320)


def test_ranges_that_touch_are_one() -> None:
    """Memory grows with the silences, not with the packets."""
    coverage = Coverage(16)
    for number in range(1000):
        coverage.claim(number * 320, number * 320 + 320)
    assert len(coverage._starts) == 1


def test_t0_is_the_start_or_the_earliest_medium() -> None:
    timeline = Timeline(T0)
    timeline.learn([T0 + 500, T0 + 480], 0.0)
    assert timeline.t0_ms == T0
    timeline.learn([T0 + 900, T0 - 70], 0.0)
    assert timeline.t0_ms == T0 - 70


def test_media_are_believed_when_the_clocks_disagree() -> None:
    """Also if one wild frame comes with the first batch."""
    timeline = Timeline(T0)
    timeline.learn([7, T0 + 10**9, T0 + 10**9 + 20], 0.0)
    assert timeline.t0_ms == T0 + 10**9
    assert not timeline.holds(7)


def test_impossible_times_move_nothing() -> None:
    timeline = Timeline(T0)
    timeline.learn([T0 + 5], 0.0)
    timeline.learn([0, T0 - EARLIEST_MS - 1, T0 + FARTHEST_MS * 900], 0.0)
    assert timeline.t0_ms == T0
    assert timeline.holds(T0 - EARLIEST_MS)
    assert timeline.holds(T0 + 5 + AHEAD_MS)
    assert not timeline.holds(T0 + 6 + AHEAD_MS)


def test_time_that_passed_is_time_that_media_may_have_moved() -> None:
    timeline = Timeline(T0)
    timeline.learn([T0], 100.0)
    timeline.learn([T0 + 3 * 3_600_000], 100.0 + 3 * 3600)
    assert timeline.newest_ms == T0 + 3 * 3_600_000


def test_bursts_for_hours_need_no_more_memory_than_for_minutes() -> None:
    """Somebody coughs every half second of 4 h: what is older than 20 minutes is not known any more."""
    coverage, most = Coverage(16), 0
    for number in range(8 * 3600):
        start = number * 500 * 16
        assert coverage.claim(start, start + 320) == [(start, start + 320)]
        most = max(most, len(coverage._starts))
    assert most <= 2 * KEPT_MS // 500 + 2
    assert len(coverage) == 8 * 3600 * 320
    assert coverage.span == (0, start + 320)
    assert coverage.claim(100, 9000) == [], "what is not known any more counts as written"
    late = start - KEPT_MS * 16 // 2 + 1000
    assert coverage.claim(late, late + 320) == [(late, late + 320)], "what is later than that does not"


def test_what_an_earlier_engine_wrote_stays() -> None:
    coverage = Coverage(16, written_to=1000)
    assert coverage.claim(0, 900) == []
    assert coverage.claim(900, 1100) == [(1000, 1100)]
    assert coverage.span == (1000, 1100)
