"""What must go is gone: of accounts that remove the app, and of apps that may store nothing."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rtms_engine import AppConfig, Engine, MediaKind, RtmsConfig, SinkConfig, StateConfig
from rtms_engine.audit.log import AuditLog
from rtms_engine.capture import tape
from rtms_engine.daemon.cli import main
from rtms_engine.model.retention import Retention
from rtms_engine.recording.folder import Folder
from rtms_engine.simulator import FakeZoom, LiveMeeting, synthetic_script
from tests.e2e.support import APP, EPOCH_S, config, manifest_of, over, recording, zoom_and_engine
from tests.outbound.support import SECRET, ReceiverServer, receiver

SCRIPT = synthetic_script(duration_ms=6_000, camera=True, slides=True, chat_every_ms=2_000)


def app_keeping(retention: Retention) -> AppConfig:
    return AppConfig.of(APP.client_id, APP.client_secret, APP.secret_token, retention=retention)


@pytest.mark.virtual_clock
async def test_an_account_removes_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One meeting is over, one is live; both are gone, and the log says why, in a chain."""
    monkeypatch.setattr(tape, "FLUSH_S", 0.01)
    state = StateConfig(directory=str(tmp_path / "state"))
    lines = SinkConfig("jsonl", options={"path": tmp_path / "jsonl"})
    raw = SinkConfig("raw", options={"directory": str(tmp_path / "raw")})
    rtms = capturing(tmp_path / "captures")
    async with (
        receiver(asyncio.get_running_loop().time, 500) as server,
        zoom_and_engine(
            recording(tmp_path / "recordings"), lines, raw, webhook(server, tmp_path), state=state, rtms=rtms
        ) as (zoom, engine),
    ):
        first = await zoom.start(SCRIPT, engine.webhook_url)
        await over(engine, first)
        assert manifest_of(tmp_path / "recordings", first)[1]["state"] == "done"
        assert first.stream_id in there(tmp_path, "captures", "raw", "queue")
        second = await zoom.start(SCRIPT, engine.webhook_url)
        await asyncio.sleep(3)
        payload = {"account_id": "AAAAAABBBB", "user_id": "u", "client_id": APP.client_id}
        delivery = await zoom.webhooks(engine.webhook_url).send("app_deauthorized", payload)
        assert delivery.status == 200
        log = AuditLog(tmp_path / "state")
        async with asyncio.timeout(60):
            while "deauthorization_completed" not in {entry.action for entry in log.entries()}:
                await asyncio.sleep(0.5)
    for meeting, cause in ((first, "deauthorized"), (second, "revoked")):
        folder, manifest = manifest_of(tmp_path / "recordings", meeting)
        assert (manifest["state"], manifest["cause"]) == ("deleted", cause)
        assert [path.name for path in folder.iterdir()] == ["manifest.json"]
    for place in ("jsonl", "captures", "raw"):
        assert list((tmp_path / place).iterdir()) == []
    left = there(tmp_path, "queue")
    assert first.stream_id not in left
    assert "speaks from millisecond" not in left  # that the second one is over, its receiver may know
    entries = log.entries()
    actions = [entry.action for entry in entries]
    assert actions.count("stream_stored") == 2
    assert actions.count("stream_erased") == 1
    deleted = [entry.about for entry in entries if entry.action == "stream_deleted"]
    mine = sorted(str(about["sink"]) for about in deleted if about["stream_id"] == first.stream_id)
    assert mine == ["capture", "jsonl", "raw", "recording", "webhook"]
    assert b"Speaker" not in log.path.read_bytes()
    for path in (tmp_path / "state").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.virtual_clock
async def test_what_could_not_be_deleted_at_once_is_tried_again(tmp_path: Path) -> None:
    """Somebody writes to the recording of a stream that is over: until then the promise stays open."""
    state = StateConfig(directory=str(tmp_path / "state"))
    log = AuditLog(tmp_path / "state")

    def completed() -> int:
        return [entry.action for entry in log.entries()].count("deauthorization_completed")

    async with zoom_and_engine(recording(tmp_path / "recordings"), state=state) as (zoom, engine):
        meeting = await zoom.start(SCRIPT, engine.webhook_url)
        await over(engine, meeting)
        folder, _ = manifest_of(tmp_path / "recordings", meeting)
        hold = Folder(folder).hold()
        payload = {"account_id": "AAAAAABBBB", "user_id": "u", "client_id": APP.client_id}
        await zoom.webhooks(engine.webhook_url).send("app_deauthorized", payload)
        await asyncio.sleep(100)
        assert (completed(), (folder / "audio").exists()) == (0, True)
        hold.release()
        async with asyncio.timeout(200):
            while not completed():
                await asyncio.sleep(1)
                time.sleep(0.001)  # what deletes is a thread, which works in real time
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]
    assert completed() == 1


@pytest.mark.virtual_clock
async def test_a_reload_brings_a_retention_and_changes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captures, raw files and what waits for a webhook too; what is not over by the new one stays."""
    monkeypatch.setattr(tape, "FLUSH_S", 0.01)
    state = StateConfig(directory=str(tmp_path / "state"))
    raw = SinkConfig("raw", options={"directory": str(tmp_path / "raw")})
    sinks = (recording(tmp_path / "recordings"), raw)
    given: dict[str, Any] = {"state": state, "rtms": capturing(tmp_path / "captures")}
    loop, ahead_s = asyncio.get_running_loop(), 0.0

    def unix_s() -> float:
        return EPOCH_S + loop.time() + ahead_s

    async with (
        FakeZoom([APP], tls=False, epoch_s=EPOCH_S) as zoom,
        Engine(config(zoom, *sinks, **given), unix_s=unix_s) as engine,
    ):
        first = await zoom.start(SCRIPT, engine.webhook_url)
        await over(engine, first)
        second = await zoom.start(SCRIPT, engine.webhook_url)
        await over(engine, second)
        stamp(tmp_path, first, EPOCH_S)
        stamp(tmp_path, second, EPOCH_S + 2 * DAY_S)
        ahead_s = 2 * DAY_S + 1000

        def keep(retention: Retention) -> None:
            engine.reload(config(zoom, *sinks, apps=[app_keeping(retention)], **given))

        keep(Retention(2))
        await gone(tmp_path, first)
        assert second.stream_id in there(tmp_path, "raw", "captures")
        ahead_s = 3 * DAY_S + 1000
        keep(Retention(1))
        await gone(tmp_path, second)
    for meeting in (first, second):
        folder, manifest = manifest_of(tmp_path / "recordings", meeting)
        assert (manifest["state"], manifest["cause"]) == ("deleted", "retention")
        assert [path.name for path in folder.iterdir()] == ["manifest.json"]


@pytest.mark.virtual_clock
async def test_an_app_that_may_store_nothing(tmp_path: Path) -> None:
    """Its live sinks get everything; the disk gets no file at all."""
    heard: set[str] = set()
    async with zoom_and_engine(
        recording(tmp_path / "recordings"),
        SinkConfig("jsonl", options={"path": tmp_path / "jsonl"}),
        SinkConfig("null", kinds=frozenset({MediaKind.AUDIO})),
        callback=lambda _, item: heard.add(type(item).__name__),
        apps=[app_keeping(Retention(0))],
    ) as (zoom, engine):
        meeting = await zoom.start(SCRIPT, engine.webhook_url)
        stats = await over(engine, meeting)
    assert {sink.name for sink in stats.sinks} == {"null", "callback"}
    assert "AudioFrame" in heard
    assert list(tmp_path.iterdir()) == []


DAY_S = 86_400.0


def capturing(folder: Path) -> RtmsConfig:
    return RtmsConfig(
        allowed_hosts=("127.0.0.1",),
        allow_insecure_loopback=True,
        capture=True,
        capture_directory=str(folder),
    )


def webhook(server: ReceiverServer, folder: Path) -> SinkConfig:
    options = {
        "url": server.url,
        "secrets": [SECRET],
        "directory": str(folder / "queue"),
        "allow_private": True,
    }
    return SinkConfig("webhook", options=options)


def there(folder: Path, *places: str) -> str:
    """What is in some places: names and content."""
    files = [path for place in places for path in (folder / place).rglob("*") if path.is_file()]
    return "\n".join(f"{path}\n{path.read_bytes().decode('latin-1')}" for path in files)


async def gone(folder: Path, meeting: LiveMeeting) -> None:
    """Wait until all places have nothing of a meeting, at once by the engine's clock."""
    async with asyncio.timeout(60):
        while meeting.stream_id in there(folder, "raw", "captures"):
            await asyncio.sleep(0.01)
            time.sleep(0.01)  # what deletes is a thread, which works in real time


def stamp(folder: Path, meeting: LiveMeeting, now_s: float) -> None:
    """Files get their times from the system's clock, which is not the engine's here."""
    for path in folder.rglob("*"):
        if meeting.stream_id in str(path):
            os.utime(path, (now_s, now_s))


def config_file(folder: Path, retention: str) -> Path:
    path = folder / "config.toml"
    path.write_text(
        '[[apps]]\nclient_id = "a"\nclient_secret = "b"\nsecret_token = "c"\nname = "app"\n'
        f"retention = {retention}\n"
        f"[[sinks]]\ntype = 'recording'\ndirectory = '{folder}/recordings'\n"
        f"[state]\ndirectory = '{folder}/state'\n"
    )
    return path


def test_purge_and_audit_on_the_command_line(tmp_path: Path) -> None:
    from tests.recording.support import folder_in, ramp, record, sound

    folder = record(tmp_path / "recordings", [sound(0, ramp(1))])
    given = ["--config", str(config_file(tmp_path, '"30d"'))]
    dry = CliRunner().invoke(main, ["purge", "--dry-run", *given])
    assert (dry.exit_code, dry.output.splitlines()[-1]) == (0, "1 would be deleted.")
    assert (folder / "audio").exists()
    wet = CliRunner().invoke(main, ["purge", *given])
    assert (wet.exit_code, wet.output.splitlines()[-1]) == (0, "1 deleted.")
    assert [path.name for path in folder_in(tmp_path / "recordings").iterdir()] == ["manifest.json"]
    good = CliRunner().invoke(main, ["audit", "verify", *given])
    assert (good.exit_code, "2 lines, all as they were written" in good.output) == (0, True)
    log = tmp_path / "state/audit.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"retention"', b'"revoked"'))
    bad = CliRunner().invoke(main, ["audit", "verify", *given])
    assert (bad.exit_code, "line 1: it does not follow" in bad.output) == (1, True)


def test_a_retention_that_is_none(tmp_path: Path) -> None:
    given = ["--config", str(config_file(tmp_path, '"a while"'))]
    result = CliRunner().invoke(main, ["check", *given])
    assert result.exit_code == 2
    assert 'apps.app.retention: must be "forever", "none", or a number of days' in result.output


def test_check_says_what_a_retention_leaves_out(tmp_path: Path) -> None:
    given = ["--config", str(config_file(tmp_path, '"none"'))]
    result = CliRunner().invoke(main, ["check", *given])
    assert result.exit_code == 0
    assert 'not used for app app, whose retention is "none": recording' in " ".join(result.output.split())
