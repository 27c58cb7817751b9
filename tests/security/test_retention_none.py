"""Retention ``none``: the disk is looked at while the meeting runs, and after it."""

import asyncio

import pytest

from rtms_engine import AppConfig, RtmsConfig, SinkConfig, StateConfig
from rtms_engine.model.retention import Retention
from rtms_engine.simulator import synthetic_script
from tests.e2e.support import APP, over, recording, zoom_and_engine


@pytest.mark.virtual_clock
@pytest.mark.parametrize("keeps", [False, True], ids=["none", "forever"])
async def test_nothing_of_a_meeting_reaches_a_disk(tmp_path, keeps):
    """With every sink that writes, a capture and a state; the other way round the look finds something."""
    sinks = [
        recording(tmp_path / "recordings"),
        SinkConfig("jsonl", options={"path": str(tmp_path / "lines")}),
        SinkConfig("raw", options={"directory": str(tmp_path / "raw")}),
    ]
    rtms = RtmsConfig(
        allowed_hosts=("127.0.0.1",),
        allow_insecure_loopback=True,
        capture=True,
        capture_directory=str(tmp_path / "captures"),
    )
    retention = Retention() if keeps else Retention(0)
    app = AppConfig.of(APP.client_id, APP.client_secret, APP.secret_token, retention=retention)
    state = StateConfig(directory=str(tmp_path / "state"))
    seen = {}

    def look():
        for path in tmp_path.rglob("*"):
            if path.is_file():
                seen.setdefault(path.relative_to(tmp_path), b"")
                seen[path.relative_to(tmp_path)] += path.read_bytes()

    script = synthetic_script(duration_ms=3_000, camera=True, slides=True, chat_every_ms=1_000)
    async with zoom_and_engine(*sinks, apps=[app], rtms=rtms, state=state) as (zoom, engine):
        meeting = await zoom.start(script, engine.webhook_url)
        for _ in range(4):
            await asyncio.sleep(0.7)
            look()
        await over(engine, meeting)
        look()
    look()
    outside = [path for path in seen if path.parts[0] != "state"]
    assert bool(outside) is keeps
    content = b"".join(data for path, data in seen.items() if keeps or path.parts[0] == "state")
    assert (b"speaks from millisecond" in content) is keeps
