"""A simulated meeting and an engine in a thread of their own, for commands that ask a running engine."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from rtms_engine import Engine, SinkConfig
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import FakeZoom, LiveMeeting, Script, synthetic_script
from tests.api.support import API
from tests.e2e.support import APP, StateConfig, config

AUDIO = frozenset({MediaKind.AUDIO})


class Running:
    """What a command finds when it asks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.stream_id = ""
        self.webhook_port = 0
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._meeting: LiveMeeting | None = None
        self._leave: asyncio.Event | None = None

    def stop_meeting_soon(self, after_s: float = 0.3) -> None:
        """From another thread."""
        assert self._loop is not None and self._meeting is not None
        meeting = self._meeting

        async def stop() -> None:
            await asyncio.sleep(after_s)
            await meeting.stop()

        asyncio.run_coroutine_threadsafe(stop(), self._loop)

    async def _run(self, script: Script) -> None:
        self._loop, self._leave = asyncio.get_running_loop(), asyncio.Event()
        state = StateConfig(directory=str(self.folder / "state"))
        async with (
            FakeZoom([APP], tls=False) as zoom,
            Engine(config(zoom, SinkConfig("null"), api=API, state=state)) as engine,
        ):
            self._meeting = await zoom.start(script, engine.webhook_url, granted=AUDIO)
            while not any(one.received.get(MediaKind.AUDIO) for one in engine.live_streams().values()):
                await asyncio.sleep(0.02)
            self.url, self.stream_id = str(engine.api_url), self._meeting.stream_id
            self.webhook_port = urlsplit(engine.webhook_url).port or 0
            self._ready.set()
            await self._leave.wait()


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """An engine that receives the sound of a meeting, whose video Zoom refuses."""
    one = Running(folder)
    script = synthetic_script(speakers=1, duration_ms=60_000)
    thread = threading.Thread(target=lambda: asyncio.run(one._run(script)))
    thread.start()
    try:
        assert one._ready.wait(20)
        yield one
    finally:
        assert one._loop is not None and one._leave is not None
        one._loop.call_soon_threadsafe(one._leave.set)
        thread.join(20)
