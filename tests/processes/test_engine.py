"""An engine of several processes: real ones, over real sockets, in real time."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from rtms_engine import ConfigError, Engine, ServerConfig
from rtms_engine.model.frames import AudioFrame
from rtms_engine.model.media import MediaKind
from rtms_engine.processes import pool
from rtms_engine.simulator import FakeZoom, synthetic_script
from rtms_engine.sinks.base import Item, StreamInfo
from rtms_engine.sinks.callback import CallbackSink
from tests.e2e.support import APP, config, manifest_of, over, recording

AUDIO = frozenset({MediaKind.AUDIO})
PATIENCE_S = 60.0
"""Each wait ends when it has what it waits for; this is for a machine on which nothing else gets a turn."""
FAST = 4.0


def server(**changes: Any) -> ServerConfig:
    return ServerConfig(**{"host": "127.0.0.1", "port": 0, "workers": 2, "worker_timeout_s": 30.0, **changes})


@contextlib.asynccontextmanager
async def zoom_and_processes(
    folder: Path, callback: Callable[..., Any] | None = None, **changes: Any
) -> AsyncIterator[tuple[FakeZoom, Engine]]:
    async with (
        FakeZoom([APP], tls=False) as zoom,
        Engine(config(zoom, recording(folder), server=server(**changes)), callback=callback) as engine,
    ):
        yield zoom, engine


async def until(what: str, is_so: Callable[[], bool]) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {PATIENCE_S:g} s: {what}") from None


def audio_of(engine: Engine) -> dict[str, int]:
    return {
        stream_id: stats.received.get(MediaKind.AUDIO, 0)
        for stream_id, stats in engine.live_streams().items()
    }


async def test_streams_are_shared_out_and_recorded(tmp_path: Path) -> None:
    """And a callback, which is in the engine's own process, hears all of them."""
    heard: Counter[str] = Counter()

    def count(stream: StreamInfo, item: Item) -> None:
        heard[stream.stream_id] += isinstance(item, AudioFrame)

    script = synthetic_script(speakers=2, duration_ms=6_000)
    async with zoom_and_processes(tmp_path, callback=count) as (zoom, engine):
        meetings = [await zoom.start(script, engine.webhook_url, speed=FAST) for _ in range(4)]
        assert [process.streams for process in engine.processes()] == [2, 2]
        for meeting in meetings:
            stats = await over(engine, meeting)
            sent = meeting.ledger.frames[MediaKind.AUDIO]
            assert stats.received[MediaKind.AUDIO] == heard[meeting.stream_id] == sent > 0
            assert [(sink.name, sink.state, sink.dropped) for sink in stats.sinks] == [
                ("recording", "closed", 0),
                ("callback", "closed", 0),
            ]
            assert manifest_of(tmp_path, meeting)[1]["state"] == "done"
        assert not engine.live_streams()
        watched = []
        last = await zoom.start(script, engine.webhook_url, speed=FAST)
        await until("sound", lambda: any(audio_of(engine).values()))
        with engine.watch(last.stream_id, lambda: CallbackSink(lambda _, item: watched.append(item)), AUDIO):
            await until("watched", lambda: any(isinstance(item, AudioFrame) for item in watched))
        pids = [process.pid for process in engine.processes()]
    assert manifest_of(tmp_path, last)[1]["state"] == "done", "leaving the engine finishes its recordings"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize(
    ("deadly", "is_full"),
    [(signal.SIGKILL, False), (signal.SIGKILL, True), (signal.SIGSTOP, False)],
    ids=["killed", "killed beside a full one", "hanging"],
)
async def test_a_process_takes_no_stream_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deadly: signal.Signals, is_full: bool
) -> None:
    """Its streams go on in the other one, or in its successor if that is full, with a gap; those of the other
    one notice nothing.
    """
    monkeypatch.setattr(pool, "MOST_LOAD", -1.0 if is_full else 100.0)
    script = synthetic_script(speakers=1, duration_ms=240_000)  # it is stopped long before
    # A process that hangs is silent for ever, one that gets no processor only for seconds: between the two.
    patience_s = 6.0 if deadly is signal.SIGSTOP else 30.0
    async with zoom_and_processes(tmp_path, worker_timeout_s=patience_s) as (zoom, engine):
        meetings = [await zoom.start(script, engine.webhook_url, granted=AUDIO, speed=FAST) for _ in range(4)]
        await until("sound", lambda: len(audio_of(engine)) == 4 and all(audio_of(engine).values()))
        victim, other = engine.processes()
        os.kill(victim.pid, deadly)
        await until("moved", lambda: {p.pid for p in engine.processes()} != {victim.pid, other.pid})
        await until("replaced", lambda: len(engine.processes()) == 2)
        before = {meeting.stream_id: meeting.ledger.frames[MediaKind.AUDIO] for meeting in meetings}
        await until(
            "sound again",
            lambda: all(m.ledger.frames[MediaKind.AUDIO] > before[m.stream_id] + 20 for m in meetings),
        )
        await until("reported", lambda: all(audio_of(engine).values()))
        shares = {process.pid: process.streams for process in engine.processes()}
        assert shares.pop(other.pid) == (2 if is_full else 4)
        assert [*shares.values()] == [2 if is_full else 0]
        for meeting in meetings:
            await meeting.stop()
        ended = [await over(engine, meeting) for meeting in meetings]
        stories = [" ".join(entry.event for entry in engine.story(m.stream_id)) for m in meetings]
        assert sum("StreamMoved" in story for story in stories) == 2
        assert sorted(story.count("StreamPlaced") for story in stories) == [1, 1, 2, 2]
        assert all("StreamStarted" in story and "ConnectionAccepted" in story for story in stories)
        assert all(sink.state == "closed" for stats in ended for sink in stats.sinks)
    gaps = 0
    for meeting in meetings:
        _, manifest = manifest_of(tmp_path, meeting)
        assert manifest["state"] == "done"
        gaps += any(gap["cause"] == "engine_restarted" for gap in manifest.get("gaps", []))
    assert gaps == 2


async def test_the_rest_of_a_meeting_is_heard_after_a_move(tmp_path: Path) -> None:
    """A stop that comes while a stream has no process is carried out by the next one."""
    script = synthetic_script(speakers=1, duration_ms=60_000)
    heard: list[Any] = []
    async with zoom_and_processes(tmp_path, callback=lambda _stream, item: heard.append(item)) as (
        zoom,
        engine,
    ):
        meeting = await zoom.start(script, engine.webhook_url, granted=AUDIO, speed=FAST)
        await until("sound", lambda: any(audio_of(engine).values()))
        for process in engine.processes():
            os.kill(process.pid, signal.SIGKILL)
        await meeting.stop()
        await over(engine, meeting)
    assert manifest_of(tmp_path, meeting)[1]["state"] == "done"


async def test_processes_that_do_not_start_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path / "nothing"))
    async with FakeZoom([APP], tls=False) as zoom:
        with pytest.raises(ConfigError, match="processes do not start"):
            async with Engine(config(zoom, recording(tmp_path), server=server())):
                pass
