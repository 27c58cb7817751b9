"""From a meeting to a real receiver."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rtms_engine import ConfigError, NotificationConfig, Secret, SinkConfig, StopReason
from rtms_engine.model.media import MediaKind
from rtms_engine.outbound.signing import key_of, verify
from rtms_engine.simulator import demo_script, synthetic_script
from tests.api.support import zoom_and_api
from tests.e2e.support import EPOCH_S, over, recording
from tests.outbound.support import SECRET, Received, ReceiverServer, receiver

pytestmark = pytest.mark.virtual_clock

AUDIO = frozenset({MediaKind.AUDIO})


def wanting(url: str, *events: Any) -> NotificationConfig:
    given = {"events": events} if events else {}
    return NotificationConfig(url, (Secret(SECRET),), allow_private=True, **given)


def clock() -> Callable[[], float]:
    loop = asyncio.get_running_loop()
    return lambda: EPOCH_S + loop.time()


def events(received: list[Received]) -> list[str]:
    return [json.loads(one.body)["type"] for one in received]


async def arrived(server: ReceiverServer, count: int) -> None:
    async with asyncio.timeout(400):
        while len(server.received) < count:
            await asyncio.sleep(0.1)


async def test_a_meeting_and_what_is_told_of_it(tmp_path: Path) -> None:
    now = clock()
    async with (
        receiver(now) as server,
        zoom_and_api(
            recording(tmp_path / "recordings"), folder=tmp_path, notifications=[wanting(server.url)]
        ) as (zoom, engine, client),
    ):
        meeting = await zoom.start(demo_script(), engine.webhook_url)
        await asyncio.sleep(5)
        meeting.drop_media(MediaKind.AUDIO)
        await over(engine, meeting)
        await arrived(server, 6)
        assert sorted(events(server.received)) == [
            "recording.done",
            "stream.interrupted",
            "stream.recovered",
            "stream.started",
            "stream.stopped",
            "transcript.done",
        ]
        await client.delete(f"/api/v1/streams/{meeting.stream_id}")
        await arrived(server, 7)
        for one in server.received:
            assert verify([key_of(SECRET)], one.headers, one.body, now())
            data = json.loads(one.body)["data"]
            assert (data["stream_id"], data["app"], data["meeting"]) == (
                meeting.stream_id,
                "default",
                meeting.facts.entity_id,
            )
        told = {(body := json.loads(one.body))["type"]: body["data"] for one in server.received}
        assert told["stream.stopped"]["stop_reason"] == "MEETING_ENDED"
        assert told["stream.interrupted"]["leg"] == "audio"
        assert told["recording.deleted"]["cause"] == "requested"


async def test_only_what_is_wanted_and_again_after_a_failure(tmp_path: Path) -> None:
    script = synthetic_script(duration_ms=2_000)
    async with (
        receiver(clock(), 500, 204) as server,
        zoom_and_api(
            recording(tmp_path / "recordings"),
            folder=tmp_path,
            notifications=[wanting(server.url, "recording.done", "recording.deleted")],
        ) as (zoom, engine, _),
    ):
        meeting = await zoom.start(script, engine.webhook_url, granted=AUDIO)
        await over(engine, meeting)
        await arrived(server, 2)
        assert events(server.received) == ["recording.done"] * 2
        assert len({one.headers["webhook-id"] for one in server.received}) == 1
        revoked = await zoom.start(synthetic_script(duration_ms=60_000), engine.webhook_url, granted=AUDIO)
        await asyncio.sleep(2)
        await revoked.stop(StopReason.STREAM_REVOKED)
        await over(engine, revoked)
        await arrived(server, 3)
        assert json.loads(server.received[-1].body)["data"]["cause"] == "revoked"


async def test_what_could_not_be_told_is_told_by_the_next_engine(tmp_path: Path) -> None:
    async with receiver(clock(), 500) as server:
        wanted = [wanting(server.url, "stream.stopped")]
        async with zoom_and_api(SinkConfig("null"), folder=tmp_path, notifications=wanted) as (
            zoom,
            engine,
            _,
        ):
            meeting = await zoom.start(synthetic_script(duration_ms=1_000), engine.webhook_url, granted=AUDIO)
            await over(engine, meeting)
            await arrived(server, 1)
        server.statuses = [204]
        async with zoom_and_api(SinkConfig("null"), folder=tmp_path, notifications=wanted):
            await arrived(server, 2)
        assert events(server.received) == ["stream.stopped"] * 2


async def test_without_a_state_directory_they_have_no_place() -> None:
    with pytest.raises(ConfigError, match="state"):
        async with zoom_and_api(SinkConfig("null"), notifications=[wanting("http://127.0.0.1/hook")]):
            pass
