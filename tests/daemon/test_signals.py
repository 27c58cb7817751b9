"""What an operator tells a running ``rtms-engine run`` by signals, with a simulated Zoom at the other end."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile

from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import App, FakeZoom, LiveMeeting, synthetic_script
from tests.foreign.daemon import Daemon

APP = App("client-id", "client-secret", "secret-token")
SCRIPT = synthetic_script(duration_ms=120_000)
WITHIN_S = 30.0
"""Far more than anything here takes; a machine may be busy."""


@asynccontextmanager
async def zoom_and_daemon(
    folder: Path, *options: str, drain_timeout_s: int = 100
) -> AsyncIterator[tuple[FakeZoom, Daemon]]:
    """Both; the daemon is a process of its own."""
    async with FakeZoom([APP], tls=False) as zoom:
        daemon = Daemon(
            folder, [APP], insecure_loopback=True, drain_timeout_s=drain_timeout_s, options=options
        )
        await asyncio.to_thread(daemon.__enter__)
        try:
            yield zoom, daemon
        finally:
            await asyncio.to_thread(daemon.__exit__, None, None, None)


async def until(true: Callable[[], Any], what: str) -> None:
    """Look again and again, as whoever watches a process must."""
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def begun(zoom: FakeZoom, daemon: Daemon) -> LiveMeeting:
    """A meeting whose sound flows."""
    meeting = await zoom.start(SCRIPT, daemon.webhook_url, granted=frozenset({MediaKind.AUDIO}))
    assert meeting.deliveries[0].status == 200
    await until(lambda: meeting.ledger.frames[MediaKind.AUDIO] > 3, "no sound flows")
    return meeting


def send(daemon: Daemon, number: signal.Signals) -> None:
    assert daemon.process is not None
    daemon.process.send_signal(number)


async def ended(daemon: Daemon) -> int:
    """Its exit code."""
    assert daemon.process is not None
    await until(lambda: daemon.process and daemon.process.poll() is not None, "the process does not end")
    return daemon.process.returncode


async def logged(daemon: Daemon, event: str) -> dict[str, Any]:
    """The first line of the log with this event."""

    def lines() -> list[dict[str, Any]]:
        whole = daemon.log.read_text().splitlines()
        return [line for text in whole if event in text and (line := json.loads(text))["event"] == event]

    await until(lines, f"{event} is not in the log")
    return lines()[0]


def manifest_of(folder: Path, meeting: LiveMeeting) -> dict[str, Any]:
    (path,) = folder.glob(f"*/*/{meeting.stream_id}/manifest.json")
    for voice in path.parent.glob("audio/*.wav"):
        assert soundfile.info(str(voice)).frames > 0
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


async def test_a_second_signal_hands_the_streams_over_at_once(tmp_path: Path) -> None:
    """After the first: not ready, no new streams, and those that run go on."""
    async with zoom_and_daemon(tmp_path) as (zoom, daemon):
        meeting = await begun(zoom, daemon)
        send(daemon, signal.SIGTERM)
        await until(lambda: daemon.get("/readyz") == 503, "it is ready still")
        assert daemon.get("/healthz") == 200
        late = await zoom.start(SCRIPT, daemon.webhook_url)
        assert late.deliveries[0].status == 503
        before = meeting.ledger.frames[MediaKind.AUDIO]
        await until(lambda: meeting.ledger.frames[MediaKind.AUDIO] > before, "the stream does not go on")
        send(daemon, signal.SIGTERM)
        assert await ended(daemon) == 0
        assert meeting.stop_reason is None
        assert not meeting.ledger.client_errors
        assert manifest_of(daemon.recordings, meeting)["state"] == "done"


async def test_a_meeting_that_ends_ends_the_waiting(tmp_path: Path) -> None:
    """Long before the drain time is over."""
    async with zoom_and_daemon(tmp_path) as (zoom, daemon):
        meeting = await begun(zoom, daemon)
        send(daemon, signal.SIGINT)
        await until(lambda: daemon.get("/readyz") == 503, "it is ready still")
        await meeting.stop()
        assert await ended(daemon) == 0
        assert manifest_of(daemon.recordings, meeting)["stop_reason"]["name"] == "MEETING_ENDED"


async def test_end_streams_ends_them_at_zoom(tmp_path: Path) -> None:
    """After the drain time, which is none here."""
    async with zoom_and_daemon(tmp_path, "--end-streams", drain_timeout_s=0) as (zoom, daemon):
        meeting = await begun(zoom, daemon)
        send(daemon, signal.SIGTERM)
        assert (await meeting.ended()).name == "RECEIVER_REQUEST_CLOSE"
        assert await ended(daemon) == 0
        assert manifest_of(daemon.recordings, meeting)["stop_reason"]["code"] == 20


async def test_the_drain_time_passes(tmp_path: Path) -> None:
    """Then the streams are let go of, not ended."""
    async with zoom_and_daemon(tmp_path, drain_timeout_s=0) as (zoom, daemon):
        meeting = await begun(zoom, daemon)
        send(daemon, signal.SIGTERM)
        assert await ended(daemon) == 0
        assert meeting.stop_reason is None
        assert manifest_of(daemon.recordings, meeting)["state"] == "done"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
async def test_sighup_reads_the_configuration_again(tmp_path: Path) -> None:
    """For new streams. One that cannot be used changes nothing, and what needs a restart is said."""
    async with zoom_and_daemon(tmp_path, drain_timeout_s=0) as (zoom, daemon):
        before = await begun(zoom, daemon)
        good = daemon.config.read_text()
        daemon.config.write_text(good.replace("[rtms]", "[rtmz]"))
        send(daemon, signal.SIGHUP)
        assert "rtmz" in (await logged(daemon, "ReloadFailed"))["problem"]
        elsewhere = tmp_path / "elsewhere"
        changed = good.replace(str(daemon.recordings), str(elsewhere)).replace("/hooks/zoom", "/other")
        daemon.config.write_text(changed)
        send(daemon, signal.SIGHUP)
        await logged(daemon, "ConfigReloaded")
        assert (await logged(daemon, "ReloadLimited"))["key"] == "server.path"
        after = await begun(zoom, daemon)
        for meeting in (before, after):
            await meeting.stop()
        send(daemon, signal.SIGTERM)
        assert await ended(daemon) == 0
        assert manifest_of(daemon.recordings, before)["state"] == "done"
        assert manifest_of(elsewhere, after)["state"] == "done"
