"""Does memory stay flat over many sessions in one process?

A simulated Zoom in a process of its own streams short meetings, one after the other, to an engine in
this one. Prints the resident memory and the open files on the way, and the slope after warm-up: the
reference is the memory after the first quarter.

``python -m benchmarks.sessions [SESSIONS]``
"""

import asyncio
import json
import platform
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

SESSIONS = 10_000
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


async def measure(sessions: int, folder: Path) -> list[tuple[int, float, int]]:
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
    return samples


def main(sessions: int) -> None:
    """Print one JSON line."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as folder:
        samples = asyncio.run(measure(sessions, Path(folder)))
    warm = samples[len(samples) // 4 :]
    slope, _ = statistics.linear_regression([s for s, _, _ in warm], [mb for _, mb, _ in warm])
    result = {
        "benchmark": "sessions",
        "sessions": samples[-1][0],
        "mb_after_warm_up": warm[0][1],
        "mb_at_the_end": samples[-1][1],
        "kb_per_session": round(slope * 1000, 3),
        "open_files": [min(files for _, _, files in warm), max(files for _, _, files in warm)],
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    json.dump(result, sys.stdout)
    print()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS)
