"""What the chaos found in `rtms_engine.stream.continuity`; each failed first."""

from rtms_engine.model.events import GapNoted
from rtms_engine.model.frames import AudioFrame, Speaker
from rtms_engine.model.media import AudioParams, MediaKind
from rtms_engine.stream.continuity import Continuity

ZOOM_MS = 1_790_000_000_000
OURS_MS = ZOOM_MS + 240_000
AUDIO, TRANSCRIPT, VIDEO = MediaKind.AUDIO, MediaKind.TRANSCRIPT, MediaKind.VIDEO


def sound(at_s: float) -> AudioFrame:
    """A packet that came at once."""
    return AudioFrame("S", Speaker(1, "Ada"), ZOOM_MS + int(at_s * 1000), at_s, AudioParams(), b"\0\0", False)


def test_what_was_not_granted_cannot_be_missing() -> None:
    """A unified connection asks for everything; what the app may not have has no gaps (seed 2)."""
    gaps: list[GapNoted] = []
    continuity = Continuity(gaps.append, ZOOM_MS, 0.0)
    continuity.granted([AUDIO, TRANSCRIPT])
    continuity.lost([AUDIO, TRANSCRIPT, VIDEO], 3.0, "gone")
    continuity.restored([AUDIO, TRANSCRIPT, VIDEO], 6.0)
    assert [gap.kind for gap in gaps] == [TRANSCRIPT]


def test_a_loss_before_the_first_sound_is_told_in_zooms_time() -> None:
    """Zoom's clock is 4 minutes behind ours, and is known when the gap ends (seeds 254, 335)."""
    gaps: list[GapNoted] = []
    continuity = Continuity(gaps.append, OURS_MS, 0.0)
    continuity.granted([AUDIO, TRANSCRIPT])
    continuity.lost([TRANSCRIPT], 1.0, "gone")
    continuity.admit(sound(2.0))
    continuity.restored([TRANSCRIPT], 4.0)
    (gap,) = gaps
    assert (gap.start_ms - ZOOM_MS, gap.end_ms - ZOOM_MS) == (1_000, 4_000)
