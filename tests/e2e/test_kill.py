"""``kill -9`` in the middle of recordings: real processes, a real disk, real time at four times the speed.

In every round the engine records two meetings: the *veteran*, which lives through all the kills, and a
*victim*, which sees one. After the kill everything that Zoom sent up to a second before it is on the
disk, and every file opens as it lies there. The next engine takes both up; when the victim's meeting
ends, its recording is whole, and what is missing is written down.

``RTMS_KILLS=50`` for more rounds than CI has time for.
"""

import asyncio
import contextlib
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import av
import soundfile

from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import FakeZoom, LiveMeeting, Sent, Timing, Why, stamp_of, synthetic_script
from tests.e2e.support import APP
from tests.support.ports import free_port

KILLS = int(os.environ.get("RTMS_KILLS", "10"))
SPEED = 4.0
PATIENCE_S = 60.0
REPOSITORY = Path(__file__).parents[2]

CONFIG = """
[server]
host = "127.0.0.1"
port = {port}
[api]
port = 0
[[apps]]
client_id = "{app.client_id}"
client_secret = "{app.client_secret}"
secret_token = "{app.secret_token}"
[rtms]
allowed_hosts = ["127.0.0.1"]
allow_insecure_loopback = true
[state]
directory = "{folder}/state"
[limits]
min_free_disk_mb = 0
max_memory_mb = 0
[[sinks]]
type = "recording"
directory = "{folder}/out"
"""


async def until(what: str, is_so: Callable[[], bool]) -> None:
    """Wait for something on the disk."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {PATIENCE_S:g} s: {what}") from None


@contextlib.asynccontextmanager
async def engine(folder: Path, port: int) -> AsyncIterator[None]:
    """``rtms-engine run`` in a process of its own, which is killed when the block is left."""
    config = folder / "config.toml"
    config.write_text(CONFIG.format(port=port, app=APP, folder=folder))
    with (folder / "engine.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rtms_engine", "run", "--config", str(config)),
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONFAULTHANDLER": "1"},
            stderr=log,
        )
    try:
        await listening(port, process, folder / "engine.log")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def listening(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
        while True:
            assert process.returncode is None, log.read_text()
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}/healthz"):
                    return
            await asyncio.sleep(0.02)


async def a_second(port: int) -> None:
    """Ten tenths of a second in each of which the engine answered: one that gets no processor has no seconds."""
    loop, kept_up = asyncio.get_running_loop(), 0
    async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
        while kept_up < 10:
            began = loop.time()
            await asyncio.sleep(0.1)
            async with session.get(f"http://127.0.0.1:{port}/healthz"):
                kept_up += loop.time() - began < 0.15


class Recorded:
    """What of a meeting is on the disk: opening every file is a part of reading it."""

    def __init__(self, root: Path, meeting: LiveMeeting) -> None:
        [manifest] = root.glob(f"*/*/{meeting.stream_id}/manifest.json")
        self.folder = manifest.parent
        self.manifest: dict[str, Any] = json.loads(manifest.read_bytes())
        self._epoch_ms = meeting.timeline.epoch_ms
        t0_ms: int = self.manifest["t0_ms"]
        self._t0_ms = t0_ms
        self._sound = {path.name: soundfile.read(path, dtype="int16") for path in self.files("audio/*.wav")}
        assert all(rate == 16000 for _, rate in self._sound.values())
        self.times = {
            MediaKind.VIDEO: {t0_ms + at for path in self.files("video/*.mp4") for at in times_in(path)},
            MediaKind.SHARE: {int(path.name.split("-")[0]) for path in self.files("share/*.jpg")},
            MediaKind.TRANSCRIPT: {line["ts_zoom"] for line in self.lines("transcript.jsonl")},
            MediaKind.CHAT: {line["timestamp_ms"] for line in self.lines("chat.jsonl")},
        }
        assert all(path.read_bytes().endswith(b"\xff\xd9") for path in self.files("share/*.jpg"))
        self.lines("events.jsonl")

    @property
    def is_whole(self) -> bool:
        return self.manifest["state"] != "recording"

    def files(self, pattern: str) -> list[Path]:
        """But for those that the kill left empty or unnamed, which the next engine removes."""
        found = [path for path in self.folder.glob(pattern) if not path.name.startswith(".")]
        assert not self.is_whole or all(path.stat().st_size for path in found)
        return sorted(path for path in found if path.stat().st_size)

    def lines(self, name: str) -> list[dict[str, Any]]:
        """But for one that the kill tore."""
        path = self.folder / name
        lines = path.read_text("utf-8").split("\n") if path.exists() else [""]
        assert not self.is_whole or not lines[-1]
        return [json.loads(line) for line in lines[:-1]]

    def holds(self, sent: Sent) -> bool:
        """Whether a message is there, at its time; of sound, its first and last 20 ms."""
        if sent.kind is not MediaKind.AUDIO:
            return sent.timestamp_ms in self.times[sent.kind]
        ends = (sent.timestamp_ms, sent.timestamp_ms + sent.size // 32 - 20)
        tracks = [sound for name, (sound, _) in self._sound.items() if name.startswith(str(sent.user_id))]
        return any(all(self._is_stamped(track, sent.user_id, at_ms) for at_ms in ends) for track in tracks)

    def _is_stamped(self, track: Any, user_id: int, at_ms: int) -> bool:
        start = (at_ms - self._t0_ms) * 16
        stamp = track[start : start + 4].tobytes()
        return len(stamp) == 8 and stamp_of(stamp) == (user_id, at_ms - self._epoch_ms)

    def missing(self, sent: Iterable[Sent]) -> list[Sent]:
        """What was sent in one go and is not there; pictures count from the first that can be shown."""
        sent = list(sent)
        shown = [s.timestamp_ms for s in sent if s.kind is MediaKind.VIDEO and self.holds(s)]
        pictures = [s for s in sent if s.kind is MediaKind.VIDEO]
        assert shown or len(pictures) < 25, "no picture at all, and there was a key frame"
        first_ms = min(shown, default=0)
        return [
            s
            for s in sent
            if not self.holds(s) and (s.kind is not MediaKind.VIDEO or (shown and s.timestamp_ms > first_ms))
        ]


def times_in(path: Path) -> list[int]:
    """Milliseconds from the file's time 0 of every picture that is whole."""
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.pts is not None and packet.size]
        return [round(packet.pts * packet.time_base * 1000) for packet in packets]


def check_end(root: Path, meeting: LiveMeeting, lives: list[tuple[int, int]]) -> None:
    """The recording of a meeting that is over, through however many kills."""
    recorded = Recorded(root, meeting)
    manifest, folder = recorded.manifest, recorded.folder
    assert (manifest["state"], manifest["stop_reason"]["name"]) == ("done", "MEETING_ENDED")
    on_disk = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {artefact["path"] for artefact in manifest["artefacts"]} == on_disk - {"manifest.json"}
    assert sorted(who["name"] for who in manifest["participants"]) == ["Speaker 1", "Speaker 2"]
    for first, behind in lives:
        assert not recorded.missing(meeting.ledger.sent[first:behind])
    assert not meeting.ledger.client_errors
    for span in meeting.ledger.withheld:
        if span.kind is MediaKind.VIDEO and span.why is Why.INTERRUPTED:
            assert any(
                gap["kind"] == "video" and gap["start_ms"] <= span.start_ms and span.end_ms <= gap["end_ms"]
                for gap in manifest["gaps"]
            ), (span, manifest["gaps"])
    for gap in manifest["gaps"]:
        assert gap["cause"] == "engine_restarted"


async def test_kill_nine(tmp_path: Path) -> None:
    moments = random.Random(9)
    root, port = tmp_path / "out", free_port()
    script = synthetic_script(duration_ms=60_000 * (KILLS + 1), camera=True, slides=True, chat_every_ms=300)
    lives: dict[str, list[tuple[int, int]]] = {}
    begins: dict[str, int] = {}
    filmed: dict[str, set[Path]] = {}
    # A busy machine may need longer than Zoom's minute to start an engine; what is asked here is another thing.
    waits = Timing(connect_window_s=600.0, signaling_window_s=600.0, media_window_s=600.0)
    async with FakeZoom([APP], tls=False, timing=waits) as zoom:

        async def meeting() -> LiveMeeting:
            made = await zoom.start(script, f"http://127.0.0.1:{port}/webhook", speed=SPEED)
            assert made.deliveries[0].is_good
            lives[made.stream_id], begins[made.stream_id], filmed[made.stream_id] = [], 0, set()
            return made

        async def finish(done: LiveMeeting, kills: int) -> None:
            """End a meeting that the present engine has taken up, and look at its recording."""
            folder = next(root.glob(f"*/*/{done.stream_id}"))
            before = filmed[done.stream_id]
            await until(
                f"pictures after kill {kills}",
                lambda: any(path.stat().st_size > 9000 for path in set(folder.glob("video/*.mp4")) - before),
            )
            await done.stop()
            lives[done.stream_id].append((begins[done.stream_id], len(done.ledger.sent)))
            is_done = b'"state": "done"'
            await until("the end of a recording", lambda: is_done in (folder / "manifest.json").read_bytes())
            await asyncio.to_thread(check_end, root, done, lives[done.stream_id])

        veteran: LiveMeeting | None = None
        victim: LiveMeeting | None = None
        for kill in range(KILLS + 1):
            async with engine(tmp_path, port):
                before, victim = victim, await meeting()
                veteran = veteran or await meeting()
                if before is not None:
                    await finish(before, 1)
                if kill == KILLS:
                    await finish(veteran, KILLS)
                    break
                await asyncio.sleep(moments.uniform(0.2, 1.0))
                safe = {one.stream_id: len(one.ledger.sent) for one in (veteran, victim)}
                await a_second(port)
            for one in (veteran, victim):
                life = (begins[one.stream_id], safe[one.stream_id])
                begins[one.stream_id] = len(one.ledger.sent)
                lives[one.stream_id].append(life)
                recorded = await asyncio.to_thread(Recorded, root, one)
                filmed[one.stream_id] = set(recorded.folder.glob("video/*.mp4"))
                assert recorded.manifest["state"] == "recording"
                missing = recorded.missing(one.ledger.sent[slice(*life)])
                assert not missing, f"kill {kill}: {missing[:3]} … of {life}"
