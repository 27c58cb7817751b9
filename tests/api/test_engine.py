"""What the engine tells of itself."""

from pathlib import Path

import pytest

from rtms_engine import SinkConfig
from rtms_engine.simulator import synthetic_script
from tests.api.support import answer, settle, zoom_and_api
from tests.e2e.support import over, recording

pytestmark = pytest.mark.virtual_clock


async def test_how_it_fares(tmp_path: Path) -> None:
    async with zoom_and_api(SinkConfig("null"), recording(tmp_path)) as (zoom, engine, client):
        meeting = await zoom.start(synthetic_script(speakers=1, duration_ms=8_000), engine.webhook_url)
        await settle(2)
        status = await answer(client.get("/api/v1/engine"))
        assert status["version"] == engine.version
        assert 2 <= status["uptime_s"] < 10
        assert not status["draining"]
        assert status["streams"] == 1
        assert status["memory_mb"] > 10
        [process] = status["processes"]
        assert (process["name"], process["streams"]) == ("engine", 1)
        assert {sink["name"] for sink in status["sinks"]} == {"null", "recording"}
        assert status["disks"][0]["free_bytes"] > 0
        assert status["webhooks"]["accepted"] == 1
        await over(engine, meeting)
        engine.release()
        status = await answer(client.get("/api/v1/engine"))
        assert status["draining"]
        assert sum(status["ended"].values()) == 1
