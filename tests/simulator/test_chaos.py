"""Plans of what goes wrong, and that Zoom's rules stay in force while it does."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rtms_engine.errors import ConfigError
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import FakeZoom, LiveMeeting, Plan, Why, chaos_plan, load_script, synthetic_script
from rtms_engine.simulator.chaos import (
    Delay,
    Drip,
    Failover,
    Garbage,
    Huge,
    Kill,
    Mute,
    Pause,
    Refuse,
    Repeat,
    Stop,
)
from tests.simulator.client import L16_20_MS, Client, client_of

pytestmark = pytest.mark.virtual_clock

SCRIPT = synthetic_script(speakers=1, duration_ms=20_000, utterance_ms=20_000)


def audio_ms(client: Client, meeting: LiveMeeting) -> list[int]:
    """The script's times of the sounds that came over the current media socket."""
    sounds = client.media["audio"].of(14)
    return [message["content"]["timestamp"] - meeting.timeline.epoch_ms for message in sounds]


async def started(zoom: FakeZoom, *actions: Any, url: str | None = None, **plan: Any) -> LiveMeeting:
    """A meeting with this chaos."""
    return await zoom.start(SCRIPT, url, chaos=Plan(actions=actions, **plan))


# --- plans ---


def test_a_seed_is_a_plan() -> None:
    assert chaos_plan(7, 60_000) == chaos_plan(7, 60_000)
    assert len({msgspec.json.encode(chaos_plan(seed, 60_000)) for seed in range(100)}) == 100


def test_seeds_draw_everything_there_is() -> None:
    drawn = [action for seed in range(300) for action in chaos_plan(seed, 60_000).actions]
    assert {type(action) for action in drawn} == {
        Kill, Refuse, Mute, Failover, Garbage, Huge, Drip, Repeat, Delay, Pause, Stop
    }  # fmt: skip
    assert {action.how for action in drawn if isinstance(action, Kill)} == {
        "cut",
        "reset",
        "close",
        "silence",
    }


def test_a_plan_in_a_script(tmp_path: Path) -> None:
    plan = chaos_plan(1, 20_000)
    script = {"duration_ms": 1_000, "chaos": json.loads(msgspec.json.encode(plan))}
    (tmp_path / "meeting.json").write_text(json.dumps(script))
    assert load_script(tmp_path / "meeting.json").chaos == plan


def test_a_mistake_in_a_plan_is_told(tmp_path: Path) -> None:
    script = {"duration_ms": 1_000, "chaos": {"actions": [{"do": "explode", "at_ms": 1}]}}
    (tmp_path / "meeting.json").write_text(json.dumps(script))
    with pytest.raises(ConfigError, match="explode"):
        load_script(tmp_path / "meeting.json")


# --- connections ---


@pytest.mark.parametrize(("how", "code"), [("cut", 1006), ("reset", 1006), ("close", 1000)])
async def test_ways_to_end_a_connection(zoom: FakeZoom, how: Any, code: int) -> None:
    """All that was sent before arrives, whatever the end."""
    meeting = await started(zoom, Kill(at_ms=5_050, leg="audio", how=how))
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await client.media["audio"].closed.wait()
        assert client.media["audio"].close_code == code
        assert audio_ms(client, meeting) == list(range(0, 5_040, 20))
        assert await client.signaling.hear(6)
        assert client.signaling.events(7)


async def test_zoom_notices_what_is_half_open(zoom: FakeZoom) -> None:
    """Not by a closed socket, which the client does not see either, but by its keep-alives."""
    meeting = await zoom.start(
        synthetic_script(speakers=1, duration_ms=60_000),
        chaos=Plan(actions=(Kill(at_ms=5_050, leg="audio", how="silence"),)),
    )
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await asyncio.sleep(29)
        assert not client.signaling.events(7)
        await asyncio.sleep(12)
        assert client.signaling.events(7)
        half_open = client.media["audio"]
        assert not half_open.closed.is_set()
        assert max(audio_ms(client, meeting)) == 5_020
        assert [one.why for one in meeting.ledger.withheld] == []
        await client.attach("audio", L16_20_MS)
        await client.ready()
        await asyncio.sleep(0.1)
        assert audio_ms(client, meeting)[0] == 5_040
        await half_open.socket.close()


async def test_refusals_on_request(zoom: FakeZoom) -> None:
    meeting = await started(zoom, Refuse(at_ms=0, leg="signaling", statuses=(45, 8)))
    async with client_of(zoom, meeting) as client:
        assert [(await client.signal())["status_code"] for _ in range(3)] == [45, 8, 0]


async def test_no_keep_alives_for_a_while(zoom: FakeZoom) -> None:
    meeting = await started(zoom, Mute(at_ms=1_000, leg="signaling", for_ms=25_000))
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await client.over()
        assert not client.signaling.of(12)
        assert client.media["audio"].of(12)


async def test_a_message_in_small_pieces(zoom: FakeZoom) -> None:
    """Everything comes, later, and in its order."""
    meeting = await started(zoom, Drip(at_ms=5_000, leg="audio", for_ms=3_000, piece_bytes=90, pause_ms=2))
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await client.over()
        assert audio_ms(client, meeting) == list(range(0, 20_000, 20))
        assert not meeting.ledger.client_errors


async def test_a_huge_message_blocks_its_connection(zoom: FakeZoom) -> None:
    meeting = await started(zoom, Huge(at_ms=5_050, leg="audio"))
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await client.media["audio"].closed.wait()
        assert max(audio_ms(client, meeting)) == 5_020


# --- what is sent again, and what is not ---


async def test_sound_is_delivered_again(zoom: FakeZoom) -> None:
    """The last second comes twice; the ledger counts it once (V1.md §8.2, Q18)."""
    meeting = await started(zoom, Kill(at_ms=5_050, leg="audio"), redelivered_ms=1_000)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await client.media["audio"].closed.wait()
        await asyncio.sleep(3)
        await client.attach("audio", L16_20_MS)
        await client.ready()
        await client.over()
        assert audio_ms(client, meeting) == list(range(4_040, 20_000, 20))
        assert len(meeting.ledger.of(MediaKind.AUDIO)) == 1_050
        assert len(meeting.ledger.distinct(MediaKind.AUDIO)) == 1_000
        assert [one for one in meeting.ledger.withheld if one.kind is MediaKind.AUDIO] == []


async def test_the_account_of_an_interruption(zoom: FakeZoom) -> None:
    """Text is lost from the cut to the comeback; sound is not; a pause is one."""
    meeting = await started(zoom, Kill(at_ms=5_050, leg="transcript"), Pause(at_ms=9_000, for_ms=2_000))
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS, transcript={"content_type": 5})
        await asyncio.sleep(8)
        await client.attach("transcript", {"content_type": 5})
        await client.ready()
        await client.over()
    epoch_ms = meeting.timeline.epoch_ms
    account = {
        (one.kind, one.start_ms - epoch_ms, one.end_ms - epoch_ms, one.why)
        for one in meeting.ledger.withheld
        if one.start_ms < one.end_ms
    }
    assert account == {
        (MediaKind.TRANSCRIPT, 5_050, 8_000, Why.INTERRUPTED),
        *((kind, 9_000, 11_000, Why.PAUSED) for kind in MediaKind),
    }


async def test_sound_beyond_the_buffer(zoom: FakeZoom) -> None:
    """60 s of it are kept; what is older is withheld for good (V1.md §6.9)."""
    script = synthetic_script(speakers=1, duration_ms=80_000, utterance_ms=80_000)
    meeting = await zoom.start(script, chaos=Plan(actions=(Kill(at_ms=5_050, leg="audio"),)))
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await asyncio.sleep(68)
        await client.attach("audio", L16_20_MS)
        await client.ready()
        await asyncio.sleep(0.1)
        assert audio_ms(client, meeting)[0] == 8_000
        (withheld,) = [one for one in meeting.ledger.withheld if one.kind is MediaKind.AUDIO]
        start_ms, end_ms = (
            at_ms - meeting.timeline.epoch_ms for at_ms in (withheld.start_ms, withheld.end_ms)
        )
        assert (start_ms, end_ms, withheld.why) == (5_050, 8_000, Why.BEYOND_BUFFER)


async def test_a_clock_that_is_ahead(zoom: FakeZoom) -> None:
    meeting = await started(zoom, skew_ms=90_000)
    assert meeting.timeline.epoch_ms == zoom.unix_ms() + 90_000


# --- webhooks ---


async def test_webhooks_that_are_late_lost_and_repeated(zoom: FakeZoom, inbox: Any) -> None:
    meeting = await started(
        zoom,
        Delay(at_ms=0, webhook="rtms_started", by_ms=300_000),
        Delay(at_ms=0, webhook="rtms_stopped", by_ms=None),
        Failover(at_ms=2_000),
        Repeat(at_ms=4_000, webhook="rtms_started"),
        url=inbox.url,
    )
    await meeting.ended()
    await meeting.webhooks.all_delivered()
    second, again, first = inbox.bodies()
    assert second == again
    assert first["event_ts"] == second["event_ts"] - 2_000
    assert {body["event"] for body in inbox.bodies()} == {"meeting.rtms_started"}
    assert asyncio.get_running_loop().time() == pytest.approx(300, abs=1)


async def test_stopped_may_be_told_before_the_last_media(zoom: FakeZoom, inbox: Any) -> None:
    meeting = await started(zoom, Stop(at_ms=5_010, reason=3, webhook_first_ms=2_000), url=inbox.url)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await asyncio.sleep(6)
        assert inbox.bodies()[-1]["payload"]["stop_reason"] == 3
        assert not client.signaling.of(8)[1:]
        assert await client.over() == 3
        assert max(audio_ms(client, meeting)) == 6_980
        assert len(inbox.bodies()) == 2


async def test_garbage_goes_as_it_is(zoom: FakeZoom) -> None:
    meeting = await started(zoom, Garbage(at_ms=1_000, leg="audio", payload=b"\xff{"))
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=L16_20_MS)
        await asyncio.sleep(2)
        assert b"\xff{" in client.media["audio"].raw
