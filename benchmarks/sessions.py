"""Does memory stay flat over many sessions in one process?

A simulated Zoom in a process of its own streams short meetings, one after the other, to an engine in
this one. Prints the resident memory and the open files on the way, and the slope after warm-up: the
reference is the memory after the first quarter.

``python -m benchmarks.sessions [SIZE]``
"""

import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path

import structlog

from rtms_engine import (
    AppConfig,
    Config,
    Engine,
    MediaKind,
    RtmsConfig,
    ServerConfig,
    SinkConfig,
    StateConfig,
)
from rtms_engine.supervisor.resources import memory_mb

from .frame import Result, Series, Size, main

QUESTION = "does memory stay flat over many sessions?"

SESSIONS: dict[Size, int] = {"smoke": 8, "short": 1_000, "full": 10_000}
INTERVAL_S = 0.02
MEETING = {
    "duration_ms": 200,
    "utterances": [{"user_id": 16778240, "user_name": "A", "start_ms": 0, "end_ms": 200, "text": "hi"}],
}
APP = {"client-id": "id", "client-secret": "secret", "secret-token": "token"}


async def simulated(url: str, script: Path, sessions: int) -> asyncio.subprocess.Process:
    """The fake Zoom, at work."""
    app = [word for name, value in APP.items() for word in (f"--{name}", value)]
    options = ["--streams", str(sessions), "--interval", str(INTERVAL_S), "--no-tls", "--script", str(script)]
    command = [sys.executable, "-m", "rtms_engine", "simulate", url, *app, *options]
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)


async def _sampled(sessions: int, folder: Path) -> list[tuple[int, float, int]]:
    """Sessions so far, megabytes, open files; some forty times."""
    script = folder / "meeting.json"
    script.write_text(json.dumps(MEETING))
    config = Config(
        apps=[AppConfig.of(*APP.values())],
        server=ServerConfig(host="127.0.0.1", port=0),
        rtms=RtmsConfig(allow_insecure_loopback=True),
        sinks=[SinkConfig("null", kinds=frozenset({MediaKind.AUDIO}))],
        state=StateConfig(directory=str(folder / "state")),
    )
    samples = []
    async with Engine(config) as engine:
        zoom = await simulated(engine.webhook_url, script, sessions)
        step = max(sessions // 40, 1)
        while zoom.returncode is None:
            await asyncio.sleep(0.2)
            done = engine.webhooks().accepted // 2
            if done >= step * (len(samples) + 1):
                samples.append((done, round(memory_mb(), 2), len(list(Path("/proc/self/fd").iterdir()))))
    return samples or [(sessions, memory_mb(), 0)]


def measure(size: Size) -> Result:
    """Run all sessions, one after the other."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as folder:
        samples = asyncio.run(_sampled(SESSIONS[size], Path(folder)))
    warm = samples[len(samples) // 4 :]
    slope = 0.0
    if len(warm) > 1:
        slope, _ = statistics.linear_regression([s for s, _, _ in warm], [mb for _, mb, _ in warm])
    figures = {
        "sessions": samples[-1][0],
        "mb_after_warm_up": warm[0][1],
        "mb_at_the_end": samples[-1][1],
        "kb_per_session": round(slope * 1000, 3),
        "open_files": [min(files for _, _, files in warm), max(files for _, _, files in warm)],
    }
    points = [(float(sessions), mb) for sessions, mb, _ in samples]
    series = [Series("engine", "sessions so far", "memory, MB", points)]
    return Result({"end_of_warm_up": warm[-1][1] / warm[0][1]}, figures, series)


if __name__ == "__main__":
    main("sessions")
