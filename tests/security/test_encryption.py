"""Encryption at rest: of a whole meeting nothing is in plain on the disk, and who deletes the key deletes it."""

import asyncio
import base64
import contextlib
import json
from pathlib import Path

import aiohttp
import av
import pytest
import soundfile
from click.testing import CliRunner

from rtms_engine import RtmsConfig, SinkConfig, StateConfig
from rtms_engine.audit.log import AuditLog
from rtms_engine.capture import tape
from rtms_engine.capture.reader import CaptureReader
from rtms_engine.config import ApiConfig, EncryptionConfig
from rtms_engine.daemon.cli import main
from rtms_engine.model.secret import Secret
from rtms_engine.recording import manifest
from rtms_engine.recording.decryption import decrypt
from rtms_engine.simulator import FakeZoom, Timing, synthetic_script
from tests.e2e.support import APP, over, recording, zoom_and_engine
from tests.e2e.test_kill import a_second, engine, free_port, until
from tests.outbound.support import SECRET, receiver

KEY = base64.b64encode(bytes(range(32))).decode()
SCRIPT = synthetic_script(speakers=2, duration_ms=4_000, camera=True, slides=True, chat_every_ms=1_000)
KINDS = ("audio", "video", "share", "transcript", "chat", "event")
SLOW = {"queue_items": 1, "linger_s": 0.0, "overflow": dict.fromkeys(KINDS, "spill")}


def given(folder: Path) -> dict[str, object]:
    """Everything that stores, with a key."""
    return {
        "state": StateConfig(directory=str(folder / "state")),
        "encryption": EncryptionConfig(key=(Secret(KEY),)),
        "api": ApiConfig(port=0),
        "rtms": RtmsConfig(
            allowed_hosts=("127.0.0.1",),
            allow_insecure_loopback=True,
            capture=True,
            capture_directory=str(folder / "captures"),
        ),
    }


def sinks(folder: Path, url: str) -> list[SinkConfig]:
    queue = {"url": url, "secrets": [SECRET], "directory": str(folder / "queue"), "allow_private": True}
    return [
        recording(folder / "recordings"),
        SinkConfig("jsonl", options={"path": str(folder / "lines"), "media": True}, delivery=SLOW),
        SinkConfig("raw", options={"directory": str(folder / "raw")}),
        SinkConfig("webhook", options=queue),
    ]


def everything_in(folder: Path) -> dict[Path, bytes]:
    """Every file, and what the engine has open of those that have no name."""
    found = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if f"{folder}/" in str(link.readlink()) and "(deleted)" in str(link.readlink()):
                found[link] = link.read_bytes()
    return found


def probes(plain: Path) -> dict[str, bytes]:
    """What must be nowhere: pieces of sound, pictures, texts, names, and how they look in Base64."""
    [slide] = sorted(plain.rglob("share/*.jpg"))[:1]
    voice = next(path for path in plain.rglob("audio/*.wav") if path.stem != "mixed").read_bytes()
    loud = max(
        (voice[at : at + 48] for at in range(400, len(voice) - 48, 48)), key=lambda piece: len(set(piece))
    )
    assert len(set(loud)) > 20
    camera = next(plain.rglob("video/*.mp4")).read_bytes()
    texts = {
        "name": b"Speaker 1",
        "sentence": b"speaks from millisecond",
        "message": json.loads(next(plain.rglob("chat.jsonl")).read_bytes().splitlines()[0])["text"].encode(),
        "sound": loud,
        "slide": slide.read_bytes()[300:348],
        "camera": camera[-400:-352],
    }
    encoded = {
        f"{name} in Base64, from {skip}": base64.b64encode(content[skip:])[:-4]
        for name, content in texts.items()
        if len(content) > 30
        for skip in range(3)
    }
    return texts | encoded


def assert_nowhere(seen: dict[Path, bytes], wanted: dict[str, bytes]) -> None:
    found = {
        (str(path), name) for path, data in seen.items() for name, probe in wanted.items() if probe in data
    }
    assert not found


@pytest.mark.virtual_clock
async def test_nothing_of_a_meeting_is_in_plain(tmp_path, monkeypatch):
    """While it runs and when it is over, with every sink that stores, a queue, what spills, and a capture."""
    monkeypatch.setattr(tape, "FLUSH_S", 0.01)
    store, out = tmp_path / "store", tmp_path / "out"
    looks = []
    async with (
        receiver(asyncio.get_running_loop().time, 500) as server,
        zoom_and_engine(*sinks(store, server.url), **given(store)) as (zoom, engine),
    ):
        meeting = await zoom.start(SCRIPT, engine.webhook_url)
        for _ in range(4):
            await asyncio.sleep(1.0)
            looks.append(await asyncio.to_thread(everything_in, store))
        await over(engine, meeting)
        looks.append(await asyncio.to_thread(everything_in, store))
        [folder] = (path.parent for path in store.glob("recordings/*/*/*/manifest.json"))
        one = next(folder.glob("audio/*.wav"))
        async with aiohttp.ClientSession(engine.api_url) as client:
            url = f"/api/v1/streams/{meeting.stream_id}/artifacts/audio/{one.name}"
            async with client.get(url) as response:
                downloaded = await response.read()
        for name in ("recordings", "lines", "raw", "captures"):
            done = await asyncio.to_thread(lambda name=name: list(decrypt(store / name, out / name)))
            assert done and not [each for each in done if each.problem]
        [captured] = (store / "captures").iterdir()
        with CaptureReader(captured) as capture:
            assert capture.head.stream.stream_id == meeting.stream_id
            assert sum(1 for _ in capture.records()) > 100
    wanted = probes(out / "recordings")
    for look in looks:
        assert_nowhere(look, wanted)
    assert any(b"speaks from millisecond" in data for data in everything_in(out / "lines").values())
    [plain] = (path.parent for path in out.glob("recordings/*/*/*/manifest.json"))
    assert downloaded == (plain / "audio" / one.name).read_bytes()
    left = manifest.load(plain)
    assert {who.name for who in left.participants} == {"Speaker 1", "Speaker 2"}
    assert soundfile.info(plain / "audio" / one.name).duration == pytest.approx(4.0, abs=0.3)
    with av.open(str(next(plain.glob("video/*.mp4")))) as film:
        assert sum(1 for _ in film.decode(video=0)) > 20
    for path in store.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.virtual_clock
async def test_deleting_destroys_the_keys(tmp_path, monkeypatch):
    """Those of all that was stored of the stream, and no others."""
    monkeypatch.setattr(tape, "FLUSH_S", 0.01)
    keys = tmp_path / "state" / "keys"
    async with (
        receiver(asyncio.get_running_loop().time, 500) as server,
        zoom_and_engine(*sinks(tmp_path, server.url), **given(tmp_path)) as (zoom, engine),
    ):
        first = await zoom.start(SCRIPT, engine.webhook_url)
        await over(engine, first)
        assert len(list(keys.iterdir())) == 5, "of recording, log, raw folder and capture, and of the queue"
        second = await zoom.start(SCRIPT, engine.webhook_url)
        await over(engine, second)
        assert len(list(keys.iterdir())) == 9
        async with aiohttp.ClientSession(engine.api_url) as client:
            async with client.delete(f"/api/v1/streams/{first.stream_id}") as response:
                assert response.status == 200
            async with client.get(f"/api/v1/streams/{second.stream_id}/artifacts") as response:
                assert response.status == 200
        assert len(list(keys.iterdir())) == 5
        [folder] = (path.parent for path in tmp_path.glob(f"recordings/*/*/{second.stream_id}/manifest.json"))
        deleted = [one for one in AuditLog(tmp_path / "state").entries() if one.action == "stream_deleted"]
        assert {one.about["sink"]: one.about.get("encrypted") for one in deleted} == {
            "recording": 1, "jsonl": 1, "raw": 1, "capture": 1, "webhook": None,
        }  # fmt: skip
        encryption = manifest.load(folder).encryption
        (keys / f"{encryption.key}.key").unlink()
        async with aiohttp.ClientSession(engine.api_url) as client:
            url = f"/api/v1/streams/{second.stream_id}/artifacts/transcript.jsonl"
            async with client.get(url) as response:
                assert response.status == 410
                assert "key of the recording was deleted" in (await response.json())["detail"]


async def test_kill_nine_and_a_key_from_a_file(tmp_path, monkeypatch):
    """The next engine, whose streams run in other processes, goes on in the same folder with the same key;
    ``decrypt`` gives a whole recording.
    """
    master = tmp_path / "master.key"
    master.write_text(KEY)
    monkeypatch.setenv("RTMS_ENGINE__ENCRYPTION__KEY_FILE", str(master))
    monkeypatch.setenv("RTMS_ENGINE__SERVER__WORKERS", "2")
    port = free_port()
    waits = Timing(connect_window_s=600.0, signaling_window_s=600.0, media_window_s=600.0)
    script = synthetic_script(duration_ms=60_000, chat_every_ms=300)
    async with FakeZoom([APP], tls=False, timing=waits) as zoom:
        async with engine(tmp_path, port):
            meeting = await zoom.start(script, f"http://127.0.0.1:{port}/webhook", speed=4.0)
            await asyncio.sleep(0.5)
            await a_second(port)
        [folder] = (path.parent for path in tmp_path.glob("out/*/*/*/manifest.json"))
        before = sum(path.stat().st_size for path in folder.glob("audio/*.wav"))
        assert before > 10_000
        async with engine(tmp_path, port):
            await until("more sound", lambda: _bytes_of(folder) > 3 * before)
            await meeting.stop()
            is_done = b'"state": "done"'
            await until("the end", lambda: is_done in (folder / "manifest.json").read_bytes())
    assert len(list((tmp_path / "state" / "keys").iterdir())) == 1
    out = tmp_path / "plain"
    arguments = ["decrypt", str(folder), "--out", str(out), "--config", str(tmp_path / "config.toml")]
    ran = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    assert ran.exit_code == 0, ran.output
    left = manifest.load(out)
    assert (left.state, left.encryption) == ("done", None)
    assert {who.name for who in left.participants} == {"Speaker 1", "Speaker 2"}
    sounds = [soundfile.read(path, dtype="int16")[0] for path in out.glob("audio/*.wav")]
    assert len(sounds) > 3 and all(len(sound) for sound in sounds)
    assert json.loads((out / "chat.jsonl").read_bytes().splitlines()[-1])["text"]
    monkeypatch.delenv("RTMS_ENGINE__ENCRYPTION__KEY_FILE")
    arguments[3] = str(tmp_path / "again")
    ran = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    assert ran.exit_code == 1
    assert "master key" in ran.output and "set [encryption] key_file" in ran.output


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("audio/*.wav"))
