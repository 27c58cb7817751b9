"""A stream that Zoom stopped for a technical reason is started again through its REST API (V1.md §8.5)."""

import asyncio
from pathlib import Path

import pytest

from rtms_engine import AppConfig, Config, Engine, StopReason
from rtms_engine.config import ZoomConfig
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import FakeZoom, synthetic_script
from rtms_engine.simulator.rest import ACCOUNT
from tests.e2e.support import APP, EPOCH_S, config, over, recording

pytestmark = pytest.mark.virtual_clock

SCRIPT = synthetic_script(duration_ms=30_000)
AUDIO = frozenset({MediaKind.AUDIO})


def with_credentials(zoom: FakeZoom, folder: Path) -> Config:
    """An engine whose app may use the REST API."""
    app = AppConfig.of(
        APP.client_id,
        APP.client_secret,
        APP.secret_token,
        account_id=ACCOUNT.account_id,
        api_client_id=ACCOUNT.client_id,
        api_client_secret=ACCOUNT.client_secret,
    )
    api = ZoomConfig(api_url=zoom.api_url, oauth_url=zoom.oauth_url)
    return config(zoom, recording(folder), apps=[app], zoom=api)


def engine_of(made: Config) -> Engine:
    """On the running loop's clock."""
    loop = asyncio.get_running_loop()
    return Engine(made, unix_s=lambda: EPOCH_S + loop.time(), random=lambda: 0.5)


@pytest.mark.parametrize(
    ("reason", "starts"),
    [
        (StopReason.EXIT_SIGNAL, 1),
        (StopReason.KEEP_ALIVE_TIMEOUT, 1),
        (StopReason.AUTHENTICATION_FAILURE, 1),
        (StopReason.MEETING_ENDED, 0),
        (StopReason.STREAM_REVOKED, 0),
    ],
    ids=lambda value: value.name if isinstance(value, StopReason) else "",
)
async def test_technical_reasons_are_restarted(tmp_path: Path, reason: StopReason, starts: int) -> None:
    """With a new stream of the same meeting; decisions of people are not overruled."""
    async with (
        FakeZoom([APP], tls=False, epoch_s=EPOCH_S) as zoom,
        engine_of(with_credentials(zoom, tmp_path)) as engine,
    ):
        meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        await asyncio.sleep(3)
        await meeting.stop(reason)
        await over(engine, meeting)
        await asyncio.sleep(5)
        assert engine.restarts() == starts
        assert len(zoom.meetings) == 1 + starts
        assert len(engine.live_streams()) == starts


async def test_at_most_three_times_in_ten_minutes(tmp_path: Path) -> None:
    """A meeting whose streams keep ending is left alone after that."""
    async with (
        FakeZoom([APP], tls=False, epoch_s=EPOCH_S) as zoom,
        engine_of(with_credentials(zoom, tmp_path)) as engine,
    ):
        await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        for _ in range(5):
            await asyncio.sleep(2)
            for meeting in list(zoom.meetings.values()):
                if meeting.stop_reason is None:
                    await meeting.stop(StopReason.INTERNAL_EXCEPTION)
        assert len(zoom.meetings) == 4
