"""Zoom's four scenarios of failure (V1.md §8.1), one by one, and how long the engine takes."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rtms_engine import AudioParams, MediaKind, MediaParams, StopReason
from rtms_engine.model.events import ConnectionLost, ConnectionRestored, GapNoted
from rtms_engine.model.frames import AudioFrame
from rtms_engine.simulator import LiveMeeting, Plan, Withheld, synthetic_script
from rtms_engine.simulator.chaos import (
    Action,
    Delay,
    Drip,
    Failover,
    Garbage,
    Huge,
    Kill,
    Mute,
    Pause,
    Repeat,
    Stop,
)
from rtms_engine.stream.worker import StreamStatistics
from tests.e2e.support import over, zoom_and_engine

pytestmark = pytest.mark.virtual_clock

MEDIA = MediaParams(audio=AudioParams(send_rate_ms=100))
LOST_AT_S = 5.0


class Witness:
    """A meeting that is struck, and what its sink saw."""

    meeting: LiveMeeting
    stats: StreamStatistics

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.sounds: list[tuple[float, int, int]] = []
        """When it came, user, timestamp."""
        self.lost: list[tuple[float, str]] = []
        self.restored: list[tuple[float, str]] = []
        self.gaps: list[GapNoted] = []

    def note(self, _: Any, item: Any) -> None:
        """The callback of the engine."""
        now = round(self._loop.time(), 3)
        match item:
            case AudioFrame():
                self.sounds.append((now, item.speaker.user_id, item.timestamp_ms))
            case ConnectionLost(leg=leg):
                self.lost.append((now, leg))
            case ConnectionRestored(leg=leg):
                self.restored.append((now, leg))
            case GapNoted():
                self.gaps.append(item)

    def silent_for_s(self) -> float:
        """The longest time in which no sound came."""
        times = [at for at, _, _ in self.sounds]
        return max(after - before for before, after in itertools.pairwise(times))

    def withheld(self) -> list[Withheld]:
        """What Zoom kept back."""
        return [one for one in self.meeting.ledger.withheld if one.start_ms < one.end_ms]

    def assert_no_sound_lost(self) -> None:
        """Everything that Zoom sent came, once, and in its order."""
        heard = [(user, timestamp_ms) for _, user, timestamp_ms in self.sounds]
        assert heard == self.meeting.ledger.distinct(MediaKind.AUDIO)
        assert not self.meeting.ledger.client_errors


@asynccontextmanager
async def struck(*actions: Action, duration_ms: int = 20_000, **plan: Any) -> AsyncIterator[Witness]:
    """A meeting with this chaos, when it is over."""
    witness = Witness()
    async with zoom_and_engine(callback=witness.note, media=MEDIA) as (zoom, engine):
        witness.meeting = await zoom.start(
            synthetic_script(duration_ms=duration_ms),
            engine.webhook_url,
            granted=frozenset({MediaKind.AUDIO, MediaKind.TRANSCRIPT}),
            chaos=Plan(actions=actions, **plan),
        )
        witness.stats = await over(engine, witness.meeting, within_s=500.0)
        yield witness


AT = int(LOST_AT_S * 1000) + 50


# --- scenario 1: RTMS server failure ---


@pytest.mark.parametrize("how", ["cut", "reset", "close", "silence"])
async def test_server_failure(how: Any) -> None:
    """A newer start: signaling and media at the new server within a second, nothing lost."""
    async with struck(Failover(at_ms=AT, how=how), redelivered_ms=2_000) as seen:
        assert seen.silent_for_s() < 1.0
        seen.assert_no_sound_lost()
        assert seen.stats.ending and seen.stats.ending.stop_reason == StopReason.MEETING_ENDED
        assert [leg for _, leg in seen.restored] == ["signaling", "audio", "transcript"]
        assert not [gap for gap in seen.gaps if gap.kind is MediaKind.AUDIO]


async def test_server_failure_whose_webhook_is_late() -> None:
    """The old server does not answer; the engine tries until it hears of the new one, and goes at once."""
    async with struck(Delay(at_ms=AT, webhook="rtms_started", by_ms=8_000), Failover(at_ms=AT)) as seen:
        assert 8.0 < seen.silent_for_s() < 9.0
        seen.assert_no_sound_lost()


async def test_starts_that_come_in_the_wrong_order() -> None:
    """The start of the first new server comes after that of the second: it is not followed."""
    late = Delay(at_ms=AT, webhook="rtms_started", by_ms=4_000)
    async with struck(late, Failover(at_ms=AT), Failover(at_ms=AT + 500)) as seen:
        assert seen.silent_for_s() < 1.5
        seen.assert_no_sound_lost()
        assert {leg for _, leg in seen.lost} == {"signaling", "audio", "transcript"}
        assert len(seen.lost) == 3


# --- scenario 2: signaling connection dropped ---


@pytest.mark.parametrize("how", ["cut", "reset", "close"])
async def test_signaling_lost(how: Any) -> None:
    """All connections anew within 3.5 s; the sound of the meantime comes with them."""
    async with struck(Kill(at_ms=AT, leg="signaling", how=how), redelivered_ms=500) as seen:
        assert all(at < LOST_AT_S + 3.5 for at, _ in seen.restored)
        assert [leg for _, leg in seen.restored] == ["signaling", "audio", "transcript"]
        seen.assert_no_sound_lost()


async def test_signaling_half_open() -> None:
    """Zoom notices after its third unanswered keep-alive; the webhook tells; the rest is as above."""
    async with struck(Kill(at_ms=AT, leg="signaling", how="silence"), duration_ms=60_000) as seen:
        noticed_s = seen.lost[0][0]
        assert 30.0 < noticed_s <= 40.1
        assert all(at < noticed_s + 3.5 for at, _ in seen.restored)
        seen.assert_no_sound_lost()


async def test_an_interrupted_webhook_that_is_late() -> None:
    """The engine has come back by itself; what it is told 30 s later costs no sound."""
    late = Delay(at_ms=AT, webhook="rtms_interrupted", by_ms=30_000)
    async with struck(late, Kill(at_ms=AT, leg="signaling"), duration_ms=50_000) as seen:
        assert seen.silent_for_s() < 3.5
        seen.assert_no_sound_lost()


async def test_the_signaling_window_of_60_s() -> None:
    """Nobody comes back from refusals for a minute: Zoom ends the stream, and so do we."""
    refused = tuple([45] * 30)
    async with zoom_and_engine() as (zoom, engine):
        meeting = await zoom.start(synthetic_script(duration_ms=120_000), engine.webhook_url)
        await asyncio.sleep(LOST_AT_S)
        meeting.refuse("signaling", refused)
        meeting.kill("signaling")
        stats = await over(engine, meeting, within_s=100.0)
        assert asyncio.get_running_loop().time() < LOST_AT_S + 70
        assert stats.ending is not None


# --- scenario 3: media connection dropped ---


@pytest.mark.parametrize("how", ["cut", "reset", "close"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
async def test_a_media_connection_lost(how: Any, told: bool) -> None:
    """Only that one is opened anew, within 3.5 s, whether event 7 comes or not."""
    async with struck(Kill(at_ms=AT, leg="audio", how=how, told=told), redelivered_ms=500) as seen:
        assert [leg for _, leg in seen.lost] == [leg for _, leg in seen.restored] == ["audio"]
        assert seen.restored[0][0] < LOST_AT_S + 3.5
        seen.assert_no_sound_lost()
        assert not seen.gaps


async def test_a_gap_in_text_is_told() -> None:
    """Text is not buffered: what was withheld is noted, the sound goes on."""
    async with struck(Kill(at_ms=AT, leg="transcript")) as seen:
        (gap,), (withheld,) = seen.gaps, seen.withheld()
        assert gap.kind is withheld.kind is MediaKind.TRANSCRIPT
        assert abs(gap.end_ms - withheld.end_ms) < 200
        assert withheld.start_ms - 10_000 <= gap.start_ms <= withheld.start_ms
        assert seen.silent_for_s() < 0.2


async def test_a_pause_while_a_connection_is_away() -> None:
    """What was said before the pause still comes; what was said in it never existed."""
    pause = Pause(at_ms=AT + 1_000, for_ms=4_000)
    async with struck(Kill(at_ms=AT, leg="audio"), pause) as seen:
        seen.assert_no_sound_lost()
        epoch_ms = seen.meeting.timeline.epoch_ms
        said = {timestamp_ms - epoch_ms for _, _, timestamp_ms in seen.sounds}
        assert {AT - 50, AT + 850} <= said
        assert not [at_ms for at_ms in said if AT + 1_000 <= at_ms < AT + 4_900]


# --- scenario 4: the end ---


async def test_stopped_while_reconnecting() -> None:
    """Nobody waits for a connection of a stream that is over."""
    kill, stop = Kill(at_ms=AT, leg="all"), Stop(at_ms=AT + 1_500, reason=StopReason.HOST_DISABLED_APP)
    async with struck(kill, stop) as seen:
        assert seen.stats.ending and seen.stats.ending.stop_reason == StopReason.HOST_DISABLED_APP
        assert not seen.restored


async def test_stopped_is_told_before_the_last_media() -> None:
    """The engine closes, and keeps all that was on its way."""
    async with struck(Stop(at_ms=AT, webhook_first_ms=2_000)) as seen:
        seen.assert_no_sound_lost()
        assert len(seen.sounds) == AT // 100


# --- what is no scenario of Zoom's ---


@pytest.mark.parametrize(
    "action",
    [
        Garbage(at_ms=AT, leg="audio", payload=b"\xff\xfe{"),
        Garbage(at_ms=AT, leg="signaling", payload=b"[" * 100_000),
        Drip(at_ms=AT, leg="audio", for_ms=3_000, piece_bytes=100, pause_ms=2),
        Drip(at_ms=AT, leg="signaling", for_ms=3_000, piece_bytes=1, pause_ms=1),
        Repeat(at_ms=AT, webhook="rtms_started"),
    ],
    ids=lambda action: type(action).__name__,
)
async def test_what_costs_no_connection(action: Action) -> None:
    async with struck(action) as seen:
        seen.assert_no_sound_lost()
        assert not seen.lost


@pytest.mark.parametrize("leg", ["signaling", "audio"])
async def test_a_message_beyond_all_limits(leg: Any) -> None:
    """The connection cannot be read any more: a new one."""
    async with struck(Huge(at_ms=AT, leg=leg)) as seen:
        seen.assert_no_sound_lost()
        assert all(at < LOST_AT_S + 3.5 for at, _ in seen.restored)
        assert (seen.lost[0][1], seen.restored[0][1]) == (leg, leg)


async def test_signaling_without_keep_alives() -> None:
    """65 s of silence mean that it is dead (V1.md §7.1); no sound is lost."""
    script_ms = 150_000
    async with struck(Mute(at_ms=AT, leg="signaling", for_ms=script_ms), duration_ms=script_ms) as seen:
        seen.assert_no_sound_lost()


async def test_a_webhook_that_is_tried_again_after_five_minutes() -> None:
    """Its URLs are dead; the stream is over before it is heard of, and nothing stays open."""
    late = Delay(at_ms=0, webhook="rtms_started", by_ms=300_000)
    lost = Delay(at_ms=0, webhook="rtms_stopped", by_ms=None)
    async with zoom_and_engine() as (zoom, engine):
        script = synthetic_script(duration_ms=20_000)
        meeting = await zoom.start(script, engine.webhook_url, chaos=Plan(actions=(late, lost)))
        await meeting.webhooks.all_delivered()
        stats = await over(engine, meeting, within_s=100.0)
        assert asyncio.get_running_loop().time() < 315
        assert stats.ending is not None
        assert not engine.live_streams()


async def test_clocks_that_differ_by_minutes() -> None:
    """Gaps are told in Zoom's time, whatever ours is."""
    for skew_ms in (-240_000, 240_000):
        async with struck(Kill(at_ms=AT, leg="transcript"), skew_ms=skew_ms) as seen:
            seen.assert_no_sound_lost()
            (gap,), (withheld,) = seen.gaps, seen.withheld()
            assert abs(gap.end_ms - withheld.end_ms) < 200
