"""Who may read what the engine writes: its own user, whatever the umask."""

import os
import stat

import pytest

from rtms_engine import RtmsConfig, SinkConfig, StateConfig
from rtms_engine.simulator import synthetic_script
from tests.e2e.support import over, recording, zoom_and_engine


@pytest.fixture
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.virtual_clock
async def test_files_and_folders_are_private(tmp_path, no_umask):
    """Every sink that writes, the state and a capture, after a whole meeting."""
    made = tmp_path / "made"
    sinks = [
        recording(made / "recordings"),
        SinkConfig("jsonl", options={"path": str(made / "lines")}),
        SinkConfig("raw", options={"directory": str(made / "raw")}),
    ]
    rtms = RtmsConfig(
        allowed_hosts=("127.0.0.1",),
        allow_insecure_loopback=True,
        capture=True,
        capture_directory=str(made / "captures"),
    )
    script = synthetic_script(duration_ms=3_000, camera=True, slides=True, chat_every_ms=1_000)
    state = StateConfig(directory=str(made / "state"))
    async with zoom_and_engine(*sinks, rtms=rtms, state=state) as (zoom, engine):
        meeting = await zoom.start(script, engine.webhook_url)
        await over(engine, meeting)
        seen = list(made.rglob("*"))
    seen = [made / path for path in {*seen, *made.rglob("*")}]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in seen if path.exists()}
    assert len(modes) > 15
    bad = {str(path.relative_to(made)): oct(mode) for path, mode in modes.items() if mode & 0o077}
    assert not bad
