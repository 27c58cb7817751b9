"""Nothing twice, and what is missing is said: by times alone, without a stream."""

from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.model.events import GapNoted
from rtms_engine.model.frames import AudioFrame, Speaker, TranscriptSegment, VideoFrame
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import AudioParams, MediaKind
from rtms_engine.stream.continuity import BUFFERED_MS, Continuity, Received

T0 = 1_790_000_000_000
ANA, CEM = Speaker(1, "Ana"), Speaker(2, "Cem")


def made() -> tuple[Continuity, list[GapNoted]]:
    """A continuity whose loop began at T0, and its gaps."""
    gaps: list[GapNoted] = []
    continuity = Continuity(gaps.append, T0, 0.0)
    continuity.granted(MediaKind)
    return continuity, gaps


def sound(at_ms: int, speaker: Speaker = ANA, came_at: float | None = None) -> AudioFrame:
    """100 ms, received at once unless said otherwise."""
    received_at = at_ms / 1000 if came_at is None else came_at
    return AudioFrame(StreamId("S"), speaker, T0 + at_ms, received_at, AudioParams(), b"..")


def picture(at_ms: int) -> VideoFrame:
    return VideoFrame(StreamId("S"), ANA, T0 + at_ms, at_ms / 1000, "h264", b"..")


def test_a_sound_is_known_by_participant_and_time() -> None:
    continuity, _ = made()
    assert continuity.admit(sound(0))
    assert continuity.admit(sound(0, CEM))
    assert not continuity.admit(sound(0))
    assert continuity.admit(sound(200))
    assert continuity.admit(sound(100))  # late is not twice
    assert not continuity.admit(sound(100))


@given(st.lists(st.integers(0, 400), max_size=200))
def test_every_timestamp_once(timestamps: list[int]) -> None:
    """In whatever order they come, and however they are spaced."""
    received, seen = Received(), set()
    for timestamp in timestamps:
        assert received.add(timestamp) is (timestamp not in seen)
        seen.add(timestamp)


def test_hours_of_sound_cost_one_run() -> None:
    received = Received()
    assert all(received.add(timestamp) for timestamp in range(0, 4 * 3_600_000, 100))
    assert len(received._runs) == 1


def test_pictures_of_one_connection_may_share_a_time() -> None:
    """Only what came before the last reconnect counts as repeated."""
    continuity, _ = made()
    assert continuity.admit(picture(0))
    assert continuity.admit(picture(0))
    continuity.lost([MediaKind.VIDEO], 1.0, "reset")
    continuity.restored([MediaKind.VIDEO], 4.0)
    assert not continuity.admit(picture(0))
    assert continuity.admit(picture(4_000))


def test_a_text_is_known_by_all_it_says() -> None:
    continuity, _ = made()
    said = TranscriptSegment(StreamId("S"), ANA, T0, 0.0, "yes")
    assert continuity.admit(said)
    assert not continuity.admit(said)
    assert continuity.admit(TranscriptSegment(StreamId("S"), ANA, T0, 0.0, "yes", sentence_id="2"))


def test_sound_that_zoom_kept_is_no_gap() -> None:
    continuity, gaps = made()
    continuity.admit(sound(0))
    continuity.lost([MediaKind.AUDIO], 0.1, "reset")
    continuity.restored([MediaKind.AUDIO], 3.0)
    for at_ms in range(100, 3_200, 100):
        assert continuity.admit(sound(at_ms, came_at=3.1))
    assert not gaps


def test_sound_beyond_the_buffer_is_a_gap() -> None:
    continuity, gaps = made()
    continuity.admit(sound(0))
    continuity.lost([MediaKind.AUDIO], 0.0, "silence")
    continuity.restored([MediaKind.AUDIO], 64.0)
    continuity.admit(sound(64_000 - BUFFERED_MS, came_at=64.0))
    assert [(gap.start_ms - T0, gap.end_ms - T0) for gap in gaps] == [(100, 4_000)]


def test_sound_that_zoom_did_not_keep_is_a_gap() -> None:
    """It was flowing when the connection went, and nothing of the meantime came."""
    continuity, gaps = made()
    continuity.admit(sound(0))
    continuity.lost([MediaKind.AUDIO], 0.1, "reset")
    continuity.restored([MediaKind.AUDIO], 3.0)
    continuity.admit(sound(5_000))
    (gap,) = gaps
    assert (gap.kind, gap.start_ms - T0, gap.end_ms - T0, gap.cause) == (MediaKind.AUDIO, 100, 3_000, "reset")


def test_what_never_came_back_is_a_gap_to_the_end() -> None:
    continuity, gaps = made()
    continuity.admit(picture(0))
    continuity.lost([MediaKind.VIDEO, MediaKind.CHAT], 1.0, "reset")
    continuity.ended(9.0)
    assert {(gap.kind, gap.start_ms - T0, gap.end_ms - T0) for gap in gaps} == {
        (MediaKind.VIDEO, 1_000, 9_000),
        (MediaKind.CHAT, 1_000, 9_000),
    }


def test_a_gap_begins_where_the_last_medium_ends() -> None:
    """Not at the last sign of life, if sound was flowing; there, if it was not."""
    for newest_ms, since_ms in ((900, 1_000), (-5_000, 1_300)):
        continuity, gaps = made()
        continuity.admit(sound(newest_ms))
        continuity.lost([MediaKind.AUDIO], 1.3, "reset")
        continuity.ended(9.0)
        assert [(gap.start_ms - T0, gap.end_ms - T0) for gap in gaps] == [(since_ms, 9_000)]


def test_a_gap_ends_with_the_first_sound_that_zoom_kept() -> None:
    """Rather than where its buffer should begin."""
    continuity, gaps = made()
    continuity.admit(sound(0))
    continuity.lost([MediaKind.AUDIO], 0.1, "silence")
    continuity.restored([MediaKind.AUDIO], 64.0)
    continuity.admit(sound(3_500, came_at=64.0))
    assert [(gap.start_ms - T0, gap.end_ms - T0) for gap in gaps] == [(100, 3_500)]


def test_a_connection_that_could_still_be_closed_was_up() -> None:
    """Zoom said over another one that it was lost; what is said of it after its comeback counts no more."""
    continuity, gaps = made()
    continuity.lost([MediaKind.CHAT, MediaKind.VIDEO], 1.0, "Zoom interrupted it")
    continuity.was_up([MediaKind.CHAT], 6.0)
    continuity.was_up([MediaKind.CHAT], 0.5)
    continuity.restored([MediaKind.CHAT, MediaKind.VIDEO], 9.0)
    continuity.was_up([MediaKind.VIDEO], 6.0)
    assert {(gap.kind, gap.start_ms - T0) for gap in gaps} == {
        (MediaKind.CHAT, 6_000),
        (MediaKind.VIDEO, 1_000),
    }


def test_zooms_clock_is_learnt_from_what_it_says_of_the_time() -> None:
    """Before any sound, and better than by sound, which is stamped when it begins."""
    continuity, gaps = made()
    continuity.hear_time(T0 + 241_000, 1.0)
    continuity.admit(sound(241_900, came_at=2.0))
    assert continuity.zoom_ms(2.0) == T0 + 242_000
    continuity.lost([MediaKind.CHAT], 3.0, "gone")
    continuity.ended(9.0, T0 + 245_000)
    assert [(gap.start_ms - T0, gap.end_ms - T0) for gap in gaps] == [(243_000, 245_000)]


def test_a_time_that_cannot_be_is_not_believed() -> None:
    """Neither of a state nor, once a clock is known, of a medium; media by themselves have their own."""
    continuity, _ = made()
    continuity.hear_time(1_000, 1.0)
    assert continuity.zoom_ms(1.0) == T0 + 1_000
    continuity.admit(sound(86_400_000, came_at=2.0))
    assert continuity.zoom_ms(2.0) == T0 + 86_400_000
    continuity.admit(sound(2 * 86_400_000, came_at=3.0))
    assert continuity.zoom_ms(3.0) == T0 + 86_401_000
