"""Many meetings at once: they start together, stop in any order, and leave nothing behind."""

import asyncio
import gc
import random
from pathlib import Path

import pytest

from rtms_engine import AudioParams, MediaParams, SinkConfig
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import synthetic_script
from tests.e2e.support import over, recording, zoom_and_engine

pytestmark = pytest.mark.virtual_clock

STREAMS = 200
MEDIA = MediaParams(audio=AudioParams(send_rate_ms=500))
"""What is asked here is how many streams there can be, not how many messages."""


def open_files() -> set[str]:
    """What this process holds open, but for what the interpreter opens as it pleases."""
    gc.collect()
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(descriptor.readlink()))
        except OSError:
            continue
    return {target for target in found if not target.startswith("/proc")}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux's list of open files")
async def test_two_hundred_streams_leave_nothing_behind(tmp_path: Path) -> None:
    """All start within a second; each stops when it likes; nothing is lost, nothing stays."""
    order = random.Random(7)
    script = synthetic_script(speakers=2, duration_ms=60_000)
    tasks_before, files_before = asyncio.all_tasks(), open_files()
    sinks = (recording(tmp_path), SinkConfig("null"))
    async with zoom_and_engine(*sinks, media=MEDIA) as (zoom, engine):

        async def one() -> None:
            await asyncio.sleep(order.random())
            meeting = await zoom.start(script, engine.webhook_url, granted=frozenset({MediaKind.AUDIO}))
            await asyncio.sleep(5 + 20 * order.random())
            await meeting.stop()
            stats = await over(engine, meeting)
            assert stats.received[MediaKind.AUDIO] == meeting.ledger.frames[MediaKind.AUDIO] > 0
            assert all(sink.state == "closed" and not sink.dropped for sink in stats.sinks)
            assert not meeting.ledger.client_errors

        async with asyncio.TaskGroup() as group:
            for n in range(STREAMS):
                group.create_task(one(), name=f"meeting {n}")
            await asyncio.sleep(3)
            assert len(engine.live_streams()) == STREAMS
        assert not engine.live_streams()
    assert asyncio.all_tasks() == tasks_before
    assert open_files() == files_before
    assert len(list(tmp_path.glob("*/*/*/manifest.json"))) == STREAMS
