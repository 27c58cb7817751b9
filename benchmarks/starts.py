"""How long until N streams that are announced at once are live?

A simulated Zoom in a process of its own announces N meetings in the same instant and serves them over
TLS; an engine in this process joins and records them, over three connections each. Prints when the last webhook was answered, and
when the first sound of the streams was at a sink: of half of them, of nine in ten, of all.

``python -m benchmarks.starts [STREAMS]``
"""

import asyncio
import json
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

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
from rtms_engine.daemon import process
from rtms_engine.model.frames import AudioFrame
from rtms_engine.simulator import App, FakeZoom, synthetic_script

STREAMS = 200
MEETING_MS = 20_000
WITHIN_S = 60.0
GRANTED = frozenset({MediaKind.AUDIO, MediaKind.TRANSCRIPT})
APP = App("id", "secret", "token")


async def zoom(streams: int, ca_file: Path) -> None:
    """The other process: reads the webhook URL, and writes when each webhook was answered."""
    async with FakeZoom([APP], ca_file=ca_file) as fake:
        script = synthetic_script(speakers=2, duration_ms=MEETING_MS)
        warm = await fake.start(script, None, granted=GRANTED)  # what meetings share is made once
        await warm.stop()
        print("ready", flush=True)
        url = (await asyncio.to_thread(sys.stdin.readline)).strip()
        began = time.monotonic()

        async def announce() -> tuple[Any, float]:
            meeting = await fake.start(script, url, granted=GRANTED, keeps_frames=False)
            return meeting, time.monotonic() - began

        told = await asyncio.gather(*(announce() for _ in range(streams)))
        meetings = [meeting for meeting, _ in told]
        good = sum(meeting.deliveries[0].is_good for meeting in meetings)
        print(json.dumps({"began": began, "answered": good, "last": max(at for _, at in told)}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(meeting.stop() for meeting in meetings))


async def measure(streams: int, folder: Path) -> dict[str, Any]:
    """Start the other process, then the engine, then the streams."""
    ca_file = folder / "ca.pem"
    command = [sys.executable, "-m", "benchmarks.starts", "--zoom", str(streams), str(ca_file)]
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    if other.stdin is None or other.stdout is None:
        raise RuntimeError("the other process has no pipes")
    await other.stdout.readline()
    first_at: dict[str, float] = {}

    def note(stream: Any, item: Any) -> None:
        if isinstance(item, AudioFrame):
            first_at.setdefault(stream.stream_id, time.monotonic())

    config = Config(
        apps=[AppConfig.of(APP.client_id, APP.client_secret, APP.secret_token)],
        server=ServerConfig(host="127.0.0.1", port=0),
        rtms=RtmsConfig(allowed_hosts=("127.0.0.1",), ca_file=str(ca_file)),
        sinks=[SinkConfig("recording", kinds=GRANTED, options={"directory": str(folder / "recordings")})],
        state=StateConfig(directory=str(folder / "state")),
    )
    async with Engine(config, callback=note) as engine:
        other.stdin.write(f"{engine.webhook_url}\n".encode())
        busy_s = time.process_time()
        told = json.loads(await other.stdout.readline())
        deadline = time.monotonic() + WITHIN_S
        while len(first_at) < streams and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        busy_s = time.process_time() - busy_s
        other.stdin.write(b"enough\n")
        await other.wait()
    after_s = sorted(at - told["began"] for at in first_at.values())
    if not after_s:
        raise SystemExit(
            f"no stream was live within {WITHIN_S:g} s; {told['answered']} webhooks were answered"
        )
    return {
        "streams": streams,
        "webhooks_answered": told["answered"],
        "last_answer_s": round(told["last"], 2),
        "live": len(after_s),
        "half_live_s": round(after_s[len(after_s) // 2], 2),
        "nine_in_ten_live_s": round(after_s[len(after_s) * 9 // 10], 2),
        "all_live_s": round(after_s[-1], 2),
        "engine_cpu_s": round(busy_s, 2),
    }


def main(streams: int) -> None:
    """Print one JSON line."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    folder = Path(tempfile.mkdtemp())
    try:
        result = process.run(measure(streams, folder))
    finally:
        shutil.rmtree(folder)
    about = {"python": platform.python_version(), "machine": platform.machine()}
    print(json.dumps({"benchmark": "starts", **result, **about}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--zoom"]:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
        process.run(zoom(int(sys.argv[2]), Path(sys.argv[3])))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else STREAMS)
