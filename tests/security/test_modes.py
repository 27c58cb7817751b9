"""Who may read what the engine writes: its own user, whatever the umask."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from rtms_engine import RtmsConfig, SinkConfig, StateConfig
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import synthetic_script
from rtms_engine.sinks.spill import DiskSpill
from tests.e2e.support import over, recording, zoom_and_engine
from tests.sinks.items import ITEMS


@pytest.fixture
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def modes_below(folder):
    return {path: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.exists()}


async def test_what_commands_write_is_private(tmp_path, no_umask):
    """The folders and files of the sink ``exec``: the engine gives its commands a umask."""
    script = synthetic_script(duration_ms=2_000)
    command = ["sh", "-c", "umask; cat > {participant}.pcm; mkdir made; touch made/file"]
    sink = SinkConfig(
        "exec",
        kinds=frozenset({MediaKind.AUDIO}),
        options={"command": command, "input": "per_participant", "directory": str(tmp_path / "exec")},
    )
    async with zoom_and_engine(sink) as (zoom, engine):
        meeting = await zoom.start(script, engine.webhook_url, speed=10.0)
        await over(engine, meeting)
    modes = modes_below(tmp_path)
    assert [path for path in modes if path.name == "file"], modes
    bad = {str(path.relative_to(tmp_path)): oct(mode) for path, mode in modes.items() if mode & 0o077}
    assert not bad


def test_what_waits_on_disk_is_private(tmp_path, no_umask):
    """The folder is; the file is too, and has no name by which anybody could open it."""
    spill = DiskSpill(tmp_path / "spill")
    spill.append(ITEMS)
    assert [oct(mode) for mode in modes_below(tmp_path).values()] == ["0o700"]
    status = []
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one of this very look
            if str(tmp_path) in str(fd.readlink()):
                status.append(os.fstat(int(fd.name)))
    spill.close()
    assert [(oct(stat.S_IMODE(one.st_mode)), one.st_nlink) for one in status] == [("0o600", 0)]


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
