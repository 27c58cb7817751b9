"""Retention ``none``: the disk is looked at while a meeting runs, and whoever opens a file for writing is seen."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtms_engine import AppConfig, RtmsConfig, SinkConfig, StateConfig
from rtms_engine.model.retention import Retention
from rtms_engine.simulator import FakeZoom, synthetic_script
from rtms_engine.sinks.registry import BUILT_IN
from tests.e2e.support import APP, over, recording, zoom_and_engine
from tests.e2e.test_kill import listening, until
from tests.outbound.support import SECRET, receiver
from tests.support.ports import free_port


@pytest.mark.virtual_clock
@pytest.mark.parametrize("keeps", [False, True], ids=["none", "forever"])
async def test_nothing_of_a_meeting_reaches_a_disk(tmp_path, keeps):
    """With every sink that writes, a capture and a state; the other way round the look finds something."""
    sinks = [
        recording(tmp_path / "recordings"),
        SinkConfig("jsonl", options={"path": str(tmp_path / "lines")}),
        SinkConfig("raw", options={"directory": str(tmp_path / "raw")}),
    ]
    rtms = RtmsConfig(
        allowed_hosts=("127.0.0.1",),
        allow_insecure_loopback=True,
        capture=True,
        capture_directory=str(tmp_path / "captures"),
    )
    retention = Retention() if keeps else Retention(0)
    app = AppConfig.of(APP.client_id, APP.client_secret, APP.secret_token, retention=retention)
    state = StateConfig(directory=str(tmp_path / "state"))
    seen = {}

    def look():
        for path in tmp_path.rglob("*"):
            if path.is_file():
                seen.setdefault(path.relative_to(tmp_path), b"")
                seen[path.relative_to(tmp_path)] += path.read_bytes()

    script = synthetic_script(duration_ms=3_000, camera=True, slides=True, chat_every_ms=1_000)
    async with zoom_and_engine(*sinks, apps=[app], rtms=rtms, state=state) as (zoom, engine):
        meeting = await zoom.start(script, engine.webhook_url)
        for _ in range(4):
            await asyncio.sleep(0.7)
            look()
        await over(engine, meeting)
        look()
    look()
    outside = [path for path in seen if path.parts[0] != "state"]
    assert bool(outside) is keeps
    content = b"".join(data for path, data in seen.items() if keeps or path.parts[0] == "state")
    assert (b"speaks from millisecond" in content) is keeps


EVERY_SINK = """
[server]
host = "127.0.0.1"
port = {port}
workers = {workers}
[api]
port = 0
[[apps]]
client_id = "{app.client_id}"
client_secret = "{app.client_secret}"
secret_token = "{app.secret_token}"
retention = "{retention}"
[rtms]
allowed_hosts = ["127.0.0.1"]
allow_insecure_loopback = true
capture = true
capture_directory = "captures"
[state]
directory = "state"
[limits]
min_free_disk_mb = 0
max_memory_mb = 0
[[notifications]]
url = "{url}"
secrets = ["{secret}"]
allow_private = true
[[sinks]]
type = "recording"
format = "opus"
[[sinks]]
type = "jsonl"
path = "lines"
media = true
[[sinks]]
type = "raw"
[[sinks]]
type = "webhook"
url = "{url}"
secrets = ["{secret}"]
allow_private = true
[[sinks]]
type = "http"
url = "{url}"
allow_private = true
kinds = ["audio", "transcript"]
[[sinks]]
type = "exec"
command = ["sh", "-c", "cat > sound.raw"]
[[sinks]]
type = "websocket"
tokens = ["a-token-of-some-length"]
port = {live}
[[sinks]]
type = "console"
content = true
[[sinks]]
type = "callback"
callback = "operator:is_not"
[[sinks]]
type = "null"
delivery = {{ queue_items = 1, linger_s = 0.3, overflow = {{ {spilling} }} }}
"""
SPILLING = ", ".join(
    f'{kind} = "spill"' for kind in ("audio", "video", "share", "transcript", "chat", "event")
)
KEPT_IN = {"recordings", "lines", "raw", "rtms-webhooks", "exec", "captures", "state/spill", "state/stories"}
"""Where something of a stream is written, if it may be."""
NO_CONTENT = ("state/engine.lock", "state/journal", "state/audit", "state/notifications", "state/links.key")
"""Ids alone, and the engine's own secret, with which it signs links."""


def test_every_sink_is_in_it():
    assert {line.split('"')[1] for line in EVERY_SINK.splitlines() if line.startswith("type =")} == set(
        BUILT_IN
    )


def written(folder: Path) -> Iterator[str]:
    """What was opened for writing, but for Python's own: paths below the folder of a run, or whole."""
    for line in (folder / "witness").read_text("utf-8").splitlines():
        path = line.partition(" ")[2]
        if "__pycache__" in path or path.startswith("/dev/") or path == ":memory:":
            continue
        absolute = Path(path) if Path(path).is_absolute() else folder / "in" / path
        yield absolute.relative_to(folder / "in").as_posix() if folder in absolute.parents else path


@pytest.mark.parametrize(("retention", "workers"), [("none", 1), ("none", 2), ("forever", 1)])
async def test_no_sink_of_ours_opens_a_file(tmp_path, unused_tcp_port, retention, workers):
    """All of them, a spill, a capture and notifications, in a real engine; else every one of them does."""
    folder, port = tmp_path / "in", free_port()
    folder.mkdir()
    script = synthetic_script(duration_ms=3_000, camera=True, slides=True, chat_every_ms=1_000)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(
            [str(Path(__file__).parent / "witness"), str(Path(__file__).parents[2])]
        ),
        "RTMS_WITNESS": str(tmp_path / "witness"),
    }
    async with (
        FakeZoom([APP], tls=False) as zoom,
        receiver(asyncio.get_running_loop().time) as server,
    ):
        text = EVERY_SINK.format(
            port=port, workers=workers, app=APP, retention=retention, url=server.url, secret=SECRET,
            live=unused_tcp_port, spilling=SPILLING,
        )  # fmt: skip
        (folder / "config.toml").write_text(text)
        with (tmp_path / "engine.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "rtms_engine", "run", "--config", "config.toml"),
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
            )
        try:
            await listening(port, process, tmp_path / "engine.log")
            meeting = await zoom.start(script, f"http://127.0.0.1:{port}/webhook", speed=4.0)
            await meeting.ended()
            is_over = b"StreamEnded"
            await until("the end", lambda: is_over in (tmp_path / "engine.log").read_bytes())
            process.terminate()
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
    paths = set(written(tmp_path))
    touched = {place for place in KEPT_IN for path in paths if path == place or path.startswith(f"{place}/")}
    there = {place for place in KEPT_IN if (folder / place).exists()}
    if retention == "forever":
        assert touched | there == KEPT_IN
        return
    assert server.received, "what stores nothing is told all the same"
    # The outbox of the webhook sink is there for other apps; nothing of this one is in it.
    others = {path for path in paths if not path.startswith((*NO_CONTENT, "rtms-webhooks"))} - {
        "state",
        "config.toml",
    }
    assert others == set()
    assert there <= {"rtms-webhooks"}
    content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"speaks from millisecond" not in content
    assert b"Speaker 1" not in content
