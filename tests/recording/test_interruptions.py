"""What was interrupted, and what a restart of the engine has cost."""

from typing import Any

from rtms_engine.model.events import ConnectionLost, ConnectionRestored, GapNoted
from rtms_engine.model.frames import ChatMessage, Frame
from rtms_engine.model.media import MediaKind
from rtms_engine.recording.interruptions import ENGINE_RESTARTED, Gap, Interruptions, Reconnect, Restart
from tests.recording.support import ANA, STREAM, T0, picture, ramp, sound

AUDIO, VIDEO, CHAT = MediaKind.AUDIO, MediaKind.VIDEO, MediaKind.CHAT
KINDS = (AUDIO, VIDEO, CHAT)


def chat(at_ms: int) -> ChatMessage:
    return ChatMessage(STREAM.stream_id, ANA, T0 + at_ms, 0.0, "hi")


def received(frame: Frame, at_s: float) -> Any:
    return type(frame)(**{**{f: getattr(frame, f) for f in frame.__struct_fields__}, "received_at": at_s})


def restart(**newest_ms: int) -> Restart:
    """After an engine that ended with these media."""
    return Restart({MediaKind(kind): T0 + at for kind, at in newest_ms.items()}, T0, KINDS)


def noted(gaps: list[GapNoted]) -> dict[MediaKind, tuple[int, int]]:
    assert all(gap.cause == ENGINE_RESTARTED for gap in gaps)
    return {gap.kind: (gap.start_ms - T0, gap.end_ms - T0) for gap in gaps}


def test_lost_connections_come_back_or_do_not() -> None:
    story = Interruptions()
    story.hear(ConnectionLost(1, "audio", "reset"))
    story.hear(ConnectionLost(2, "video", "silent"))
    story.hear(ConnectionRestored(3, "audio"))
    story.hear(ConnectionLost(4, "audio", "reset"))
    story.hear(ConnectionRestored(5, "chat"))
    assert story.reconnects == (
        Reconnect("audio", 1, 3, "reset"),
        Reconnect("video", 2, None, "silent"),
        Reconnect("audio", 4, None, "reset"),
    )


def test_a_gap_that_is_better_known_replaces_itself() -> None:
    story = Interruptions()
    story.hear(GapNoted(9, AUDIO, 1000, 9000, "cut"))
    story.hear(GapNoted(9, AUDIO, 1000, 5000, ENGINE_RESTARTED))
    story.hear(GapNoted(9, VIDEO, 1000, 5000, ENGINE_RESTARTED))
    story.hear(GapNoted(9, AUDIO, 1000, 4000, ENGINE_RESTARTED))
    story.hear(GapNoted(9, VIDEO, 1000, 1040, ENGINE_RESTARTED))
    assert story.gaps == (Gap(AUDIO, 1000, 9000, "cut"), Gap(AUDIO, 1000, 4000, ENGINE_RESTARTED))


def test_each_kind_is_missing_from_its_last_medium_to_its_first() -> None:
    """One that did not flow is missing since the last of any."""
    after = restart(audio=10_000, video=9_800, chat=500)
    gaps = after.hear([sound(15_000, ramp(1)), picture(15_040, b""), chat(15_100)])
    assert noted(gaps) == {AUDIO: (10_000, 15_000), VIDEO: (9_800, 15_040), CHAT: (10_000, 15_100)}
    assert not after.hear([sound(16_000, ramp(1)), picture(17_000, b"")])


def test_sound_that_zoom_kept_is_not_missing() -> None:
    """The pictures are, until the connection was back: not until Zoom's buffer reaches."""
    after = restart(audio=10_000, video=10_000)
    backlog = [received(sound(10_000 + 20 * n, ramp(1)), 50.0) for n in range(1, 100)]
    assert noted(after.hear(backlog)) == {VIDEO: (10_000, 11_980), CHAT: (10_000, 11_980)}
    assert noted(after.hear([received(picture(40_000, b""), 50.3)])) == {VIDEO: (10_000, 40_000)}
    assert noted(after.hear([received(sound(49_700, ramp(1)), 60.0)])) == {CHAT: (10_000, 40_000 - 300)}


def test_a_kind_that_comes_soon_corrects_what_was_noted() -> None:
    after = restart(audio=10_000, video=10_000)
    assert noted(after.hear([received(picture(20_000, b""), 1.0)]))[AUDIO] == (10_000, 20_000)
    assert noted(after.hear([received(sound(10_020, ramp(1)), 1.5)])) == {AUDIO: (10_000, 10_020)}


def test_what_is_older_is_no_sign_of_life() -> None:
    after = restart(audio=10_000)
    assert not after.hear([sound(9_000, ramp(1)), sound(10_000, ramp(1))])
    assert AUDIO in noted(after.hear([sound(12_000, ramp(1))]))


def test_the_engine_knows_better() -> None:
    after = restart(audio=10_000)
    after.told(VIDEO)
    assert set(noted(after.hear([sound(12_000, ramp(1))]))) == {AUDIO, CHAT}


def test_a_stream_that_ended_meanwhile() -> None:
    assert noted(restart(audio=10_000).end(T0 + 30_000)) == dict.fromkeys(KINDS, (10_000, 30_000))
    assert not restart(audio=10_000, video=9_000).end(T0 + 10_000)
    assert noted(restart().end(T0 + 1000)) == dict.fromkeys(KINDS, (0, 1000))
