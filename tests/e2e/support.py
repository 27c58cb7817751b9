"""A meeting from a simulated Zoom through a real engine onto a real disk."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from rtms_engine import AppConfig, Config, Engine, RtmsConfig, ServerConfig, SinkConfig, StateConfig
from rtms_engine.simulator import App, FakeZoom, LiveMeeting
from rtms_engine.stream.worker import StreamStatistics

APP = App("client-id", "client-secret", "secret-token")
EPOCH_S = 1_790_000_000.0


def config(fake: FakeZoom, /, *sinks: SinkConfig, mode: Any = "split", **changes: Any) -> Config:
    """An engine that trusts this simulated Zoom."""
    tls = fake.base_url.startswith("wss")
    rtms = RtmsConfig(
        mode=mode,
        allowed_hosts=("127.0.0.1",),
        ca_file=fake.ca_file if tls else None,
        allow_insecure_loopback=not tls,
    )
    given: dict[str, Any] = {
        "apps": [AppConfig.of(APP.client_id, APP.client_secret, APP.secret_token)],
        "server": ServerConfig(host="127.0.0.1", port=0),
        "rtms": rtms,
        "sinks": sinks,
        "state": StateConfig(directory=""),
        **changes,
    }
    return Config(**given)


def recording(folder: Path) -> SinkConfig:
    """The recording sink."""
    return SinkConfig("recording", options={"directory": str(folder)})


@asynccontextmanager
async def zoom_and_engine(
    *sinks: SinkConfig,
    tls: bool = False,
    callback: Callable[..., Any] | None = None,
    **changes: Any,
) -> AsyncIterator[tuple[FakeZoom, Engine]]:
    """Both, on the running loop and its clock."""
    loop = asyncio.get_running_loop()
    async with (
        FakeZoom([APP], tls=tls, epoch_s=EPOCH_S) as zoom,
        Engine(
            config(zoom, *sinks, **changes),
            callback=callback,
            unix_s=lambda: EPOCH_S + loop.time(),
        ) as engine,
    ):
        yield zoom, engine


async def over(engine: Engine, meeting: LiveMeeting, within_s: float = 60.0) -> StreamStatistics:
    """Wait until the engine is done with a meeting too."""
    async with asyncio.timeout(within_s):
        await meeting.ended()
        while True:
            for stats in engine.recent_streams():
                if stats.info.stream_id == meeting.stream_id:
                    return stats
            await asyncio.sleep(0.05)


def manifest_of(folder: Path, meeting: LiveMeeting) -> tuple[Path, dict[str, Any]]:
    """The folder of a meeting's recording, and what its manifest says."""
    (path,) = folder.glob(f"*/*/{meeting.stream_id}/manifest.json")
    return path.parent, msgspec.json.decode(path.read_bytes())
